"""The exported labels: what they state, and that the platform and `datasets` read them."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from labelbench_ray import plugins
from labelbench_ray.answers.events import Answer
from labelbench_ray.answers.log import AnswerLog
from labelbench_ray.campaign.export import export_labels
from labelbench_ray.campaign.standing import read_standing
from labelbench_ray.datasets import PACKAGE, Dataset
from labelbench_ray.datasets.recognition import Stated
from labelbench_ray.errors import ConfigError
from labelbench_ray.planning.places_of_data import find_data
from tests.campaign.campaigns import Home, make_home, truth


@pytest.fixture
def home(tmp_path) -> Home:
    home = make_home(tmp_path)
    batch = home.propose("b1", 20).batch
    home.answer({row_id: truth(row_id) for row_id in batch.row_ids[:16]})
    return home


def export(home: Home, name: str = "final.parquet", **options):
    return export_labels(home.campaign, home.folder / name, home.environment, **options)


def test_labels_of_people_with_their_provenance(home):
    exported = export(home)
    assert (exported.people, exported.model, exported.left_out) == (16, 0, 4)
    rows = pq.read_table(exported.path).to_pylist()
    batch = home.batches[0]
    assert [row["row_id"] for row in rows] == [*batch.row_ids[:16]]
    assert all(row["label_name"] == truth(row["row_id"]) for row in rows)
    assert [row["label"] for row in rows] == [("dark", "red").index(row["label_name"]) for row in rows]
    first = rows[0]
    assert (first["confidence"], first["source"], first["answers"]) == (1.0, "people", 1)
    assert (first["annotators"], first["batch"], first["tools"]) == (["ann"], batch.id, ["test"])
    assert first["image"]["bytes"] == (home.folder / "photos" / first["row_id"]).read_bytes()


def test_the_file_is_a_data_set_of_the_platform(home):
    exported = export(home)
    found = find_data(str(exported.path), home.folder, Stated())
    source = plugins.build(Dataset, PACKAGE, found.dataset).open(found.root)
    assert source.classes == ("dark", "red")
    records = [split.read(0, len(split)) for split in source.splits.values()]
    labels = {
        row_id: source.classes[label]
        for each in records
        for row_id, label in zip(each.row_ids, each.labels_B.tolist(), strict=True)
    }
    assert len(labels) == 16
    assert all(label == truth(row_id) for row_id, label in labels.items())


def test_datasets_reads_classes_and_images(home):
    datasets = pytest.importorskip("datasets")
    features = datasets.Features.from_arrow_schema(pq.read_schema(export(home).path))
    assert features["label"].names == ["dark", "red"]
    assert isinstance(features["image"], datasets.Image)


def test_disputed_rows_are_left_out_and_votes_are_the_confidence(tmp_path):
    home = make_home(tmp_path)
    first, second, *_ = home.propose("b1", 6, annotators=("a", "b", "c"), overlap=3).batch.row_ids
    for annotator, label in (("a", "dark"), ("b", "dark"), ("c", "red")):
        home.answer({first: label, second: label + annotator}, annotator)
    (row,) = pq.read_table(export(home).path).to_pylist()
    assert (row["row_id"], row["label_name"]) == (first, "dark")
    assert row["confidence"] == pytest.approx(2 / 3)
    assert row["annotators"] == ["a", "b", "c"]


def test_rows_that_a_method_decides_are_not_left_out(tmp_path):
    """A tie for the majority; one_coin knows by the reference rows that ben is wrong."""
    home = make_home(tmp_path)
    first, *others = home.propose("b1", 8, annotators=("ann", "ben"), overlap=2).batch.row_ids
    home.answer({first: "dark"} | dict.fromkeys(others, "red"), "ann")
    home.answer({first: "red"} | dict.fromkeys(others, "dark"), "ben")
    AnswerLog(home.campaign / "answers.parquet").append(
        Answer(row_id=row_id, annotator="lead", labels=("red",), answer_id=row_id, revision="1", tool="test", gold=True)
        for row_id in others
    )
    assert export(home).left_out == 1
    decided = export(home, method="one_coin")
    assert (decided.people, decided.left_out) == (8, 0)


def test_predictions_of_a_model_for_all_other_rows(home):
    exported = export(home, predict=True, payloads=False)
    rows = pq.read_table(exported.path).to_pylist()
    assert (exported.people, exported.model, len(rows)) == (16, 24, 40)
    predicted = [row for row in rows if row["source"] == "model"]
    assert all(0.5 <= row["confidence"] <= 1 for row in predicted)
    assert np.mean([row["label_name"] == truth(row["row_id"]) for row in predicted]) > 0.8
    standing = read_standing(home.campaign)
    assert len(standing.knowledge(release_audit=True).labeled_L) == 16
    assert len(standing.knowledge().labeled_L) < 16


def test_what_cannot_be_exported(home, tmp_path_factory):
    with pytest.raises(ConfigError, match="parquet"):
        export(home, "final.csv")
    empty = make_home(tmp_path_factory.mktemp("empty"))
    empty.propose("b1")
    with pytest.raises(ConfigError, match="no row has a label"):
        export(empty)
