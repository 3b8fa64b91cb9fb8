"""`labelbench annotate`, as people type it."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from labelbench_ray.campaign.export import Exported
from labelbench_ray.campaign.words import describe_export
from labelbench_ray.commands.annotate_propose import annotators, declared_classes
from labelbench_ray.commands.cli import app
from labelbench_ray.errors import ConfigError
from tests.campaign.campaigns import rows, truth, write_photos


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_photos(tmp_path, 20)
    return tmp_path


def annotate(*words: str) -> Result:
    return CliRunner().invoke(app, ["annotate", *words], standalone_mode=False)


def test_one_command_from_a_folder_of_images_to_the_first_batch(here):
    ended = annotate("propose", "photos/", "--budget", "6", "--out", "b1", "--encoder", "pixels")
    assert (ended.return_value, ended.exception) == (0, None)
    assert "6 rows of 20, chosen by typiclust (no labels to learn from yet)" in ended.output
    assert "labelbench annotate ingest b1/batch.csv" in ended.output
    assert len(rows((here / "b1" / "batch.csv").read_bytes())) == 6
    assert sorted(path.name for path in here.iterdir()) == ["b1", "photos", "runs", "store"]


def test_options_that_would_change_nothing_are_refused(here):
    words = ("propose", "photos/", "--budget", "6", "--out", "b1", "--encoder", "pixels")
    assert annotate(*words).return_value == 0
    assert annotate(*words, "--strategy", "margin", "--first-batch", "typiclust").return_value == 0
    for option, there in (("--strategy", "margin"), ("--first-batch", "typiclust")):
        refused = str(annotate(*words, option, "random").exception)
        assert refused.startswith(f"{option} random: ")
        assert there in refused


def test_from_a_folder_to_exported_labels(here):
    """The commands of docs/label_my_pool.md, in their order."""
    assert annotate("propose", "photos/", "--budget", "10", "--out", "b1", "--encoder", "pixels").return_value == 0
    batch = here / "b1" / "batch.csv"
    listed = rows(batch.read_bytes())
    batch.write_text("row_id,label\n" + "".join(f"{row['row_id']},{truth(row['row_id'])}\n" for row in listed))
    ended = annotate("ingest", "b1/batch.csv")
    assert (ended.return_value, ended.exception) == (0, None)
    assert "labeled: 10 of the 10 rows asked" in ended.output
    ended = annotate("status", "--price", "0.05", "--page", "campaign.html")
    assert (ended.return_value, "0.50 USD" in ended.output) == (0, True)
    assert "campaign.html: the same as a page, written" in ended.output
    assert "labelbench annotate propose photos --budget" in (here / "campaign.html").read_text()
    ended = annotate("export", "--out", "labels.parquet")
    assert (ended.return_value, ended.exception) == (0, None)
    assert "labels.parquet: 10 labels of people" in ended.output
    assert annotate("ingest", "photos/nothing.csv").exception is not None


def test_a_pool_that_is_not_there_is_named(here):
    ended = annotate("propose", "nothing", "--budget", "6", "--out", "b1")
    assert "POOL nothing: nothing is there" in str(ended.exception)


def test_names_of_annotators():
    assert annotators("3") == ("1", "2", "3")
    assert annotators("ann, ben") == ("ann", "ben")
    assert annotators(None) == ()
    for wrong in ("ann,ann", "ann,", "../ann"):
        with pytest.raises(ConfigError, match="--annotators"):
            annotators(wrong)


def test_declared_classes_are_read_as_they_are_printed():
    assert declared_classes(None) == ()
    assert declared_classes('dog, bus,"car, red"') == ("dog", "bus", "car, red")
    exported = Exported(path=Path("a.parquet"), people=1, model=0, classes=("dog", "car, red"), left_out=0)
    line = describe_export(exported)[1]
    assert line == 'classes: dog, "car, red"'
    assert declared_classes(line.removeprefix("classes: ")) == exported.classes
    for wrong in ("a,,b", "a,a", 'a,"b', "a"):
        with pytest.raises(ConfigError, match="--classes"):
            declared_classes(wrong)
