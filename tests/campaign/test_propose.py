"""Proposing batches: files, repetition, pending rows, a pool that grows or changes."""

import csv
import json
import shutil
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labelbench_ray.campaign.audit import audit_reserve
from labelbench_ray.campaign.batch_files import MANIFEST
from labelbench_ray.campaign.pool import read_known
from labelbench_ray.campaign.record import read_campaign
from labelbench_ray.config import Part
from labelbench_ray.errors import ConfigError, DataError
from tests.campaign.campaigns import Home, make_home, rows, truth, write_photos


@pytest.fixture
def home(tmp_path) -> Home:
    return make_home(tmp_path)


def test_the_first_batch_is_one_csv_of_paths_below_the_pool_and_a_manifest(home):
    proposal = home.propose("b1")
    files = home.files("b1")
    assert {*files} == {"batch.csv", MANIFEST}
    listed = rows(files["batch.csv"])
    assert next(iter(listed[0])) == "row_id"
    assert [row["row_id"].lstrip("'") for row in listed] == [*proposal.batch.row_ids]
    for row in listed:
        assert (home.folder / "photos" / row["row_id"].lstrip("'")).samefile(row["path"])
        assert row["label"] == ""
    manifest = json.loads(files[MANIFEST])
    assert manifest["files"] == {"batch.csv": sha256(files["batch.csv"]).hexdigest()}
    assert (manifest["batch"], manifest["rows"]) == (proposal.batch.id, 6)
    assert (proposal.batch.chosen_by, proposal.batch.model) == ("typiclust", "")


def test_the_same_folder_gives_the_same_bytes(home):
    first = home.propose("b1")
    before = home.files("b1")
    again = home.propose("b1")
    assert (again.again, again.batch) == (True, first.batch)
    assert home.files("b1") == before
    for path in (home.folder / "b1").iterdir():
        path.unlink()
    home.propose("b1")
    assert home.files("b1") == before
    assert len(home.batches) == 1


def test_a_file_that_people_fill_in_stays_as_it_is(home):
    home.propose("b1")
    path = home.folder / "b1" / "batch.csv"
    filled = path.read_text().replace(",\n", ",red\n")
    path.write_text(filled)
    (written,) = home.propose("b1").written
    assert written.kept
    assert path.read_text() == filled


@pytest.mark.parametrize("name", ["batch.csv", MANIFEST])
def test_a_folder_with_other_files_of_these_names_is_refused(home, name):
    (home.folder / "b1").mkdir()
    (home.folder / "b1" / name).write_text("row_id,label\nsomebody else's,1\n")
    with pytest.raises(ConfigError, match=f"{name} is there and is not of this batch"):
        home.propose("b1")


def test_a_refused_proposal_takes_no_rows(home):
    first = home.propose("b1")
    (home.folder / "b2").mkdir()
    (home.folder / "b2" / "batch.csv").write_text("row_id,label\nsomebody else's,1\n")
    shutil.copytree(home.folder / "b1", home.folder / "b3")
    (home.folder / "b4").mkdir()
    (home.folder / "b4" / MANIFEST).mkdir()
    for out in ("b2", "b3", "b4"):
        before = {path: path.is_file() and path.read_bytes() for path in (home.folder / out).iterdir()}
        with pytest.raises(ConfigError, match="is there and is not of this batch"):
            home.propose(out)
        assert {path: path.is_file() and path.read_bytes() for path in (home.folder / out).iterdir()} == before
    with pytest.raises(ConfigError, match="--overlap 3"):
        home.propose("b5", annotators=("ann", "ben"), overlap=3)
    assert home.batches == [first.batch]


def test_a_manifest_of_another_version_stays(home):
    home.propose("b1")
    manifest = home.folder / "b1" / MANIFEST
    manifest.write_text(json.dumps(json.loads(manifest.read_bytes()) | {"files": {}}))
    before = home.files("b1")
    home.propose("b1")
    assert home.files("b1") == before


def write_table_of_photos(folder: Path) -> Home:
    """A pool of images that are not files of their own, in a folder called `batch`."""
    write_photos(folder)
    paths = sorted((folder / "photos").rglob("*.png"))
    (folder / "batch").mkdir()
    table = {"row_id": [f"r{number}" for number in range(len(paths))], "image": [path.read_bytes() for path in paths]}
    pq.write_table(pa.table(table), folder / "batch" / "pool.parquet")
    return Home(folder, "batch", name="batch.campaign")


def test_nothing_in_the_folder_of_a_batch_is_removed(tmp_path):
    """The pool itself lies in OUT/batch, where images of a trial's batch would be."""
    home = write_table_of_photos(tmp_path)
    table = pq.read_table(tmp_path / "batch" / "pool.parquet")
    images = dict(zip(table["row_id"].to_pylist(), table["image"].to_pylist(), strict=True))
    (tmp_path / "batch" / "000").mkdir()
    (tmp_path / "batch" / "000" / "thesis.txt").write_text("precious")
    batch = home.propose(".").batch
    assert (tmp_path / "batch" / "000" / "thesis.txt").read_text() == "precious"
    assert pq.read_table(tmp_path / "batch" / "pool.parquet").equals(table)
    listed = rows((tmp_path / "batch.csv").read_bytes())
    assert [Path(row["path"]).read_bytes() for row in listed] == [images[row_id] for row_id in batch.row_ids]
    assert {Path(row["path"]).parent for row in listed} == {tmp_path / f"batch.{batch.id}"}


def test_images_of_a_batch_are_there_as_they_were_or_the_folder_is_refused(tmp_path):
    home = write_table_of_photos(tmp_path)
    home.propose("b1")
    row, other = rows((home.folder / "b1" / "batch.csv").read_bytes())[:2]
    before = Path(row["path"]).read_bytes()
    Path(row["path"]).unlink()
    home.propose("b1")
    assert Path(row["path"]).read_bytes() == before
    Path(other["path"]).write_text("changed")
    Path(row["path"]).unlink()
    with pytest.raises(ConfigError, match=r"0001.png is there and is not of this batch"):
        home.propose("b1")
    assert (Path(other["path"]).read_text(), Path(row["path"]).exists()) == ("changed", False)


def test_another_batch_in_the_same_folder_is_refused(home):
    home.propose("b1")
    with pytest.raises(ConfigError, match=r"--budget 7: .* proposed with 6"):
        home.propose("b1", 7)


def test_the_next_batch_leaves_out_what_was_asked(home):
    first, second = home.propose("b1"), home.propose("b2")
    assert not {*first.batch.row_ids} & {*second.batch.row_ids}
    assert second.pending == 6


def test_an_interrupted_proposal_is_taken_up(home, monkeypatch):
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("labelbench_ray.campaign.propose.write_files", killed)
        with pytest.raises(KeyboardInterrupt):
            home.propose("b1")
    (recorded,) = home.batches
    assert [*(home.folder / "b1").iterdir()] == []
    assert home.propose("b1").batch == recorded
    assert {*home.files("b1")} == {"batch.csv", MANIFEST}


def test_answers_are_learned_from_and_classes_are_theirs(home):
    first = home.propose("b1", 12)
    home.answer({row_id: truth(row_id) for row_id in first.batch.row_ids})
    second = home.propose("b2", 12)
    assert second.batch.chosen_by == "margin"
    assert second.batch.labels == len(first.batch.row_ids) - len(first.batch.audit)
    assert json.loads(home.files("b2")[MANIFEST])["classes"] == ["dark", "red"]
    assert home.propose("b1", 12).batch == first.batch


def test_one_class_alone_does_not_make_a_model(home):
    first = home.propose("b1")
    home.answer(dict.fromkeys(first.batch.row_ids, "dark"))
    assert home.propose("b2").batch.chosen_by == "typiclust"


def test_a_tenth_of_each_batch_measures_and_no_file_shows_which(home):
    first, second = home.propose("b1", 20), home.propose("b2", 10)
    campaign = read_campaign(home.campaign)
    reserve = audit_reserve(read_known(home.campaign).row_ids, campaign.audit_key, campaign.audit_limit)
    assert len(reserve) == 4
    assert [*first.batch.audit, *second.batch.audit] == reserve[:3]
    assert not {*first.batch.row_ids, *second.batch.row_ids} & {reserve[3]}
    for out, batch in (("b1", first.batch), ("b2", second.batch)):
        files = home.files(out)
        assert b"audit" not in b"".join(files.values())
        by_row = {row["row_id"].lstrip("'"): row for row in rows(files["batch.csv"])}
        assert {by_row[row_id]["strategy"] for row_id in batch.audit} == {batch.chosen_by}


def test_without_audit_rows(home):
    assert home.propose("b1", 40, reserve=0).batch.audit == ()
    with pytest.raises(ConfigError, match="have 0 left for a batch"):
        home.propose("b2", 1, reserve=0)


def test_a_file_for_each_annotator(home):
    batch = home.propose("b1", 9, annotators=("ann", "ben", "eve"), overlap=2).batch
    files = home.files("b1")
    assert {*files} == {"batch.ann.csv", "batch.ben.csv", "batch.eve.csv", MANIFEST}
    listed = {name: rows(files[f"batch.{name}.csv"]) for name in ("ann", "ben", "eve")}
    assert {row["annotator"] for row in listed["ann"]} == {"ann"}
    assert [len(each) for each in listed.values()] == [6, 6, 6]
    seen = [row["row_id"].lstrip("'") for each in listed.values() for row in each]
    assert sorted(seen) == sorted([*batch.row_ids] * 2)


def test_a_pool_that_gained_rows_is_a_new_version(home):
    first = home.propose("b1")
    write_photos(home.folder, 5, first=40)
    second = home.propose("b2")
    assert (second.gained, second.rows) == (5, 45)
    assert not {*first.batch.row_ids} & {*second.batch.row_ids}
    known = read_known(home.campaign)
    assert known.versions == 2
    assert home.propose("b3").gained == 0
    assert home.propose("b1").batch == first.batch


def test_lost_and_changed_rows_are_refused_by_name(home):
    home.propose("b1")
    path = next((home.folder / "photos").glob("plain*"))
    data = path.read_bytes()
    path.unlink()
    with pytest.raises(DataError, match=rf"lost 1 row \('{path.name}'\)"):
        home.propose("b2")
    path.write_bytes((home.folder / "photos" / "plain 04.png").read_bytes())
    with pytest.raises(DataError, match=rf"changed 1 row \('{path.name}'\)"):
        home.propose("b2")
    path.write_bytes(data)
    assert home.propose("b2").batch.number == 1


def test_declared_classes_stay(home):
    home.propose("b1", classes=("red", "dark"))
    assert home.propose("b2").batch.number == 1
    assert json.loads(home.files("b2")[MANIFEST])["classes"] == ["red", "dark"]
    with pytest.raises(ConfigError, match=r"--classes dark,red: .* began with red,dark"):
        home.propose("b3", classes=("dark", "red"), given=["classes"])


def test_a_campaign_of_another_pool_is_refused(home):
    home.propose("b1")
    (home.folder / "photos").rename(home.folder / "others")
    with pytest.raises(ConfigError, match="is the campaign of unlabeled_folder"):
        Home(home.folder, "others").propose("b2")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"strategy": "tailor"}, "strategy tailor"),
        ({"strategy": "galaxy"}, "asks for labels while it chooses"),
        ({"first_batch": Part(name="margin")}, "first_batch: margin needs labels"),
    ],
)
def test_parts_that_a_campaign_cannot_use(home, fields, words):
    with pytest.raises(ConfigError, match=words):
        home.propose("b1", **fields)


def test_texts_in_a_csv_without_labels(tmp_path):
    with (tmp_path / "tickets.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["row_id", "text"], *([f"t{n}", f"word {n % 7} {n}"] for n in range(40))])
    home = Home(tmp_path, "tickets.csv", "tests.word_counts", "tickets.campaign")
    batch = home.propose("b1").batch
    listed = rows(home.files("b1")["batch.csv"])
    assert [row["row_id"] for row in listed] == [*batch.row_ids]
    assert [*listed[0]][:2] == ["row_id", "text"]
