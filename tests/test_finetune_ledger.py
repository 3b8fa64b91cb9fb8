"""The ledger of fine-tunes: whole and this fine-tune's, or refused by name."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from labelbench_ray.config import FineTune
from labelbench_ray.costs import Cost
from labelbench_ray.errors import LedgerError
from labelbench_ray.ledger.finetunes import (
    FineTuneHeader,
    FineTuneLedger,
    FineTuneRecord,
    chosen_hash,
    read_finetune_records,
    read_recipe,
)
from labelbench_ray.storage.checksummed import to_checked_json

HEADER = FineTuneHeader(fingerprint="f" * 16, trial="t" * 16, recipe=FineTune(), store="s")
TENSORS = {"head.weight": np.ones((2, 3), np.float32)}
SPENT = {"fine-tune": Cost(2.0, 1.5, 0.0), "score": Cost(1.0, 0.5, 0.0)}


def publish(points: FineTuneLedger, num_labeled: int) -> FineTuneRecord:
    return points.publish(num_labeled, chosen_hash([1, 2], [0, 0]), {"Test Accuracy": 0.5}, SPENT, TENSORS)


@pytest.fixture
def points(tmp_path: Path) -> FineTuneLedger:
    made = FineTuneLedger.open(tmp_path, HEADER)
    publish(made, 500)
    return made


def test_a_point_comes_back_with_its_tensors_and_costs(points):
    publish(points, 1_000_000)
    found = read_finetune_records(points.directory)
    assert list(found) == [500, 1_000_000]
    point = found[500]
    assert (point.trial, point.metrics, point.seconds["fine-tune"]) == ("t" * 16, {"Test Accuracy": 0.5}, 2.0)
    assert (point.spent.wall, point.spent.cpu) == (3.0, 2.0)
    np.testing.assert_array_equal(
        load_file(points.path(500).with_suffix(".safetensors"))["head.weight"], np.ones((2, 3))
    )
    assert read_recipe(points.directory) == FineTune()


def test_where_there_is_none_there_are_none(tmp_path):
    assert read_finetune_records(tmp_path / "nowhere") == {}


def test_other_files_of_the_folder_are_no_points(points):
    for name in ("failure.json", "notes.json", ".000600.json.77.draft", "12.json"):
        (points.directory / name).write_text("{}")
    assert list(read_finetune_records(points.directory)) == [500]


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda text: text[:-30], "is not JSON"),
        (
            lambda text: text.replace("0.5", "0.9"),
            "its checksum does not match its content; `labelbench finetune` sets it aside",
        ),
        (lambda text: "[]", "holds a list"),
        (lambda text: "", "is not JSON"),
    ],
)
def test_a_damaged_point_is_refused_by_name(points, damage, says: str):
    path = points.path(500)
    path.write_text(damage(path.read_text()))
    with pytest.raises(LedgerError, match=rf"000500\.json: .*{says}"):
        read_finetune_records(points.directory)


def test_a_point_that_was_moved_is_refused_by_name(points, tmp_path):
    points.path(500).rename(points.path(600))
    with pytest.raises(
        LedgerError, match=r"000600\.json: is of fine-tune f+ with 500 labels; `labelbench finetune` sets it aside"
    ):
        read_finetune_records(points.directory)
    other = FineTuneLedger.open(tmp_path, HEADER.model_copy(update={"fingerprint": "e" * 16}))
    points.path(600).rename(other.path(500))
    with pytest.raises(LedgerError, match=r"e{16}/000500\.json: is of fine-tune f{16}"):
        read_finetune_records(other.directory)


def test_a_point_with_an_infinite_metric_is_refused(points):
    point = read_finetune_records(points.directory)[500]
    path = points.path(500)
    path.write_bytes(to_checked_json(point).replace(b"0.5", b"Infinity", 1))
    with pytest.raises(LedgerError, match=r"000500\.json"):
        read_finetune_records(points.directory)


def test_opening_again_forgets_the_last_failure_and_keeps_points(points, tmp_path):
    (points.directory / "failure.json").write_text("{}")
    FineTuneLedger.open(tmp_path, HEADER.model_copy(update={"recipe": FineTune(budgets=(500, 900))}))
    assert not (points.directory / "failure.json").exists()
    assert read_recipe(points.directory).budgets == (500, 900)
    assert list(read_finetune_records(points.directory)) == [500]


def test_points_of_another_store_are_refused(points, tmp_path):
    with pytest.raises(LedgerError, match=r"finetune\.json: store is 's', this run's is 'z'; delete"):
        FineTuneLedger.open(tmp_path, HEADER.model_copy(update={"store": "z"}))


def test_a_damaged_header_is_refused_by_name(points, tmp_path):
    path = points.directory / "finetune.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"recipe": 3}))
    with pytest.raises(LedgerError, match=r"finetune\.json: recipe"):
        read_recipe(points.directory)


def test_the_hash_of_what_was_bought_is_that_of_rows_labels_and_their_order():
    hashes = [
        chosen_hash([1, 2], [3, 4]),
        chosen_hash([2, 1], [3, 4]),
        chosen_hash([1, 2], [4, 3]),
        chosen_hash([1], [3]),
    ]
    assert len(set(hashes)) == 4
    assert hashes[0] == chosen_hash([1, 2], [3, 4])
