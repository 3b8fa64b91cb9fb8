"""Files of answers: what is kept, what is rejected by name, repetition, interruption, the choice of the campaign."""

import csv
from pathlib import Path

import pytest

from labelbench_ray.campaign.ingest import REJECTED, Accepted, ingest_files
from labelbench_ray.campaign.places import the_campaign
from labelbench_ray.errors import ConfigError, DataError
from tests.campaign.campaigns import Home, make_home, rows, truth


@pytest.fixture
def home(tmp_path) -> Home:
    home = make_home(tmp_path)
    home.propose("b1", 10)
    return home


def fill_in(path: Path, count: int | None = None) -> Path:
    """Write the true label into the first rows of a batch."""
    listed = rows(path.read_bytes())
    for row in listed[:count]:
        row["label"] = truth(row["row_id"])
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*listed[0]])
        writer.writeheader()
        writer.writerows(listed)
    return path


def ingest(home: Home, *files: Path, **options) -> Accepted:
    return ingest_files(home.campaign, files, **options)


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(["row_id,label", *lines, ""]))
    return path


def test_a_filled_in_batch_is_read_again_without_effect(home):
    path = fill_in(home.folder / "b1" / "batch.csv", 7)
    first = ingest(home, path)
    assert (first.ingested.new, first.ingested.rejected, first.new_classes) == (7, (), ("dark", "red"))
    assert len(first.found.labels) == 7
    answers = (home.campaign / "answers.parquet").read_bytes()
    again = ingest(home, path)
    assert (again.ingested.new, again.ingested.repeated) == (0, 7)
    assert (home.campaign / "answers.parquet").read_bytes() == answers
    rest = ingest(home, fill_in(path))
    assert (rest.ingested.new, rest.ingested.repeated, rest.new_classes) == (3, 7, ())
    assert home.propose("b2").batch.labels == 10 - len(home.batches[0].audit)


def test_unknown_rows_and_rows_that_were_not_asked_are_named_and_the_rest_is_kept(home):
    asked = home.batches[0].row_ids
    other = next(path.name for path in (home.folder / "photos").glob("plain*") if path.name not in asked)
    path = write(home.folder / "mine.csv", *(f"{each},dark" for each in (asked[1], "nothing.png", other)))
    found = ingest(home, path)
    assert found.ingested.new == 1
    listed = rows((home.campaign / REJECTED).read_bytes())
    assert [(row["row"], row["row_id"]) for row in listed] == [("3", "nothing.png"), ("4", other)]
    assert "not in the pool" in listed[0]["rule"]
    assert "no batch asked" in listed[1]["rule"]
    extra = ingest(home, path, accept_extra=True)
    assert other in extra.found.labels
    assert other not in extra.found.asked
    assert home.propose("b2", 5).batch.number == 1


def test_declared_classes_refuse_others(tmp_path):
    home = make_home(tmp_path)
    asked = home.propose("b1", classes=("dark", "red")).batch.row_ids
    path = write(tmp_path / "mine.csv", f"{asked[0]},dark", f"{asked[1]},green")
    found = ingest(home, path)
    assert found.ingested.new == 1
    assert "no class called 'green'" in found.ingested.rejected[0].rule


def test_rejected_answers_that_were_corrected_leave_no_file(home):
    path = write(home.folder / "mine.csv", "nothing.png,dark")
    ingest(home, path)
    assert (home.campaign / REJECTED).is_file()
    ingest(home, fill_in(home.folder / "b1" / "batch.csv"))
    assert not (home.campaign / REJECTED).exists()


def test_a_file_of_another_campaign_is_refused_row_by_row(home, tmp_path_factory):
    other = make_home(tmp_path_factory.mktemp("other"))
    other.propose("b1", 10, seed=1)
    found = ingest(home, fill_in(other.folder / "b1" / "batch.csv"))
    assert (found.ingested.new, len(found.ingested.rejected)) == (0, 10)
    assert "is not one of this campaign" in found.ingested.rejected[0].rule


@pytest.mark.parametrize("annotators", [(), ("ann",)])
def test_a_file_of_another_campaign_is_refused_wherever_it_lies(home, tmp_path_factory, annotators):
    """Both pools have rows of the same names, and both campaigns asked for some of them."""
    other = make_home(tmp_path_factory.mktemp("other"))
    other.propose("b1", 10, seed=1, annotators=annotators)
    (path,) = (other.folder / "b1").glob("batch*.csv")
    sent = fill_in(path).rename(home.folder / "sent.csv")
    found = ingest(home, sent)
    assert (found.ingested.new, len(found.ingested.rejected)) == (0, 10)
    assert "is not one of this campaign" in found.ingested.rejected[0].rule
    assert ingest(other, sent).ingested.new == 10


def test_two_annotators_agree_or_not(tmp_path):
    home = make_home(tmp_path)
    home.propose("b1", 8, annotators=("ann", "ben"), overlap=2)
    files = [fill_in(tmp_path / "b1" / f"batch.{name}.csv") for name in ("ann", "ben")]
    first = ingest(home, files[0])
    assert {*first.found.states.values()} == {"part"}
    assert not first.found.labels
    listed = rows(files[1].read_bytes())
    files[1].write_text(files[1].read_text().replace(f",{truth(listed[0]['row_id'])},ben", ",violet,ben", 1))
    second = ingest(home, files[1])
    assert sorted(second.found.states.values()) == ["agreed"] * 7 + ["disputed"]


def test_a_correction_replaces_and_a_complete_file_retracts(home):
    path = fill_in(home.folder / "b1" / "batch.csv")
    ingest(home, path)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:-1], ""]))
    assert ingest(home, path).ingested.retracted == 0
    found = ingest(home, path, complete=True)
    assert (found.ingested.retracted, len(found.found.labels)) == (1, 9)


def test_an_interrupted_ingest_is_repeated_without_harm(home, monkeypatch):
    path = fill_in(home.folder / "b1" / "batch.csv")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("labelbench_ray.campaign.ingest.write_rejected", killed)
        with pytest.raises(KeyboardInterrupt):
            ingest(home, path)
    found = ingest(home, path)
    assert (found.ingested.new, found.ingested.repeated, len(found.found.labels)) == (0, 10, 10)


def test_a_file_that_is_not_there_changes_nothing(home):
    with pytest.raises(DataError, match="cannot be read"):
        ingest(home, fill_in(home.folder / "b1" / "batch.csv"), home.folder / "nothing.csv")
    assert not (home.campaign / "answers.parquet").exists()


def test_a_copy_of_an_older_file_does_not_undo_corrections(home):
    path = fill_in(home.folder / "b1" / "batch.csv")
    first = path.read_bytes()
    ingest(home, path)
    path.write_bytes(first.replace(b",red\r\n", b",violet\r\n"))
    count = ingest(home, path).ingested.corrected
    assert count > 0
    answers = (home.campaign / "answers.parquet").read_bytes()
    copy = home.folder / "copy.csv"
    copy.write_bytes(first)
    found = ingest(home, copy)
    assert (home.campaign / "answers.parquet").read_bytes() == answers
    assert "violet" in found.found.classes
    (rejected,) = found.ingested.rejected
    assert str(rejected).startswith(f"copy.csv: the same content was read before, and {count} of its answers were ch")
    with pytest.raises(DataError, match="the same content was read before"):
        ingest(home, copy, complete=True)
    copy.write_bytes(first + b"\r\n")
    assert ingest(home, copy).ingested.corrected == count
    assert ingest(home, copy).ingested.repeated == 10


def test_a_copy_that_changes_nothing_is_taken(home):
    path = fill_in(home.folder / "b1" / "batch.csv")
    ingest(home, path)
    copy = home.folder / "copy.csv"
    copy.write_bytes(path.read_bytes())
    found = ingest(home, copy)
    assert (found.ingested.repeated, found.ingested.rejected) == (10, ())


def test_a_file_that_is_none_of_answers_does_not_stop_the_others(home):
    bad = home.folder / "bad.csv"
    bad.write_text('row_id,label\n1,"red\n')
    good = fill_in(home.folder / "b1" / "batch.csv")
    with pytest.raises(DataError, match=r"bad\.csv: not a CSV file"):
        ingest(home, bad, good, complete=True)
    with pytest.raises(DataError, match=r"bad\.csv: not a CSV file"):
        ingest(home, bad)
    found = ingest(home, bad, good)
    assert found.ingested.new == 10
    (rejected,) = found.ingested.rejected
    assert str(rejected).startswith("bad.csv: not a CSV file (unexpected end of data); close each quote")


def test_the_campaign_is_the_one_in_runs_or_the_one_that_is_named(home):
    runs = home.folder / "runs"
    assert the_campaign(None, runs) == home.campaign
    with pytest.raises(ConfigError, match="no campaign in it"):
        the_campaign(None, home.folder / "elsewhere")
    (home.folder / "photos").rename(home.folder / "others")
    Home(home.folder, "others", name="others.campaign").propose("c1")
    with pytest.raises(ConfigError, match=r"2 campaigns; .*\n  --campaign .*others.campaign\n  --campaign .*photos"):
        the_campaign(None, runs)
    assert the_campaign(home.campaign, runs) == home.campaign
