"""Rows of the pool that are out of scope: how many, which, and that no row that measures is among them."""

from pathlib import Path

import numpy as np
import pytest

from labelbench_ray import datasets, plugins
from labelbench_ray.config import Part
from labelbench_ray.contracts.checking import check
from labelbench_ray.datasets import SPLITS, Source
from labelbench_ray.errors import ConfigError, DataError
from labelbench_ray.tasks.open_set import NONE_OF_THESE
from tests.samples import write_module

HELD_OUT = {"dataset": "digits", "held_out": ["3", "8"], "out_of_scope_fraction": 0.15}
DOTS = '''
"""Images that are no digits, with ids that digits have too."""
import numpy as np
from dataclasses import dataclass
from labelbench_ray.datasets import Dataset, Records, Source, Split

@dataclass(frozen=True)
class Table:
    def __len__(self):
        return 400
    def read(self, rows):
        return Records([f"{row:04d}" for row in rows], [b"dot"] * len(rows), np.zeros(len(rows), np.int64))

class Dots(Dataset):
    def load(self, root):
        names = ("pool", "validation", "test")
        return Source(("a", "b"), {name: Split(Table(), range(400)) for name in names}, "dots")
'''


def opened(root: Path, **settings: object) -> Source:
    part = Part.of("open_set", **(HELD_OUT | settings))
    return plugins.build(datasets.Dataset, datasets.PACKAGE, part).open(root)


def labels_of(source: Source, split: str) -> np.ndarray:
    labels = source.splits[split].labels()
    assert labels is not None
    np.testing.assert_array_equal(source.splits[split].read(0, len(labels)).labels_B, labels)
    return labels


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.15])
def test_the_share_of_the_pool_is_the_one_that_is_asked_for(tmp_path: Path, fraction: float):
    labels = labels_of(opened(tmp_path, out_of_scope_fraction=fraction), "pool")
    assert abs((labels == NONE_OF_THESE).sum() - fraction * len(labels)) <= 0.5
    assert set(labels.tolist()) - {NONE_OF_THESE} == set(range(8))


def test_held_out_rows_are_those_of_the_classes_and_the_others_keep_theirs(tmp_path: Path):
    plain = plugins.build(datasets.Dataset, datasets.PACKAGE, Part(name="digits")).open(tmp_path)
    source = opened(tmp_path)
    assert source.classes == ("0", "1", "2", "4", "5", "6", "7", "9")
    names = {}
    for name in SPLITS:
        rows = plain.splits[name].read(0, len(plain.splits[name]))
        names |= {row_id: plain.classes[label] for row_id, label in zip(rows.row_ids, rows.labels_B, strict=True)}
    for name in SPLITS:
        rows = source.splits[name].read(0, len(source.splits[name]))
        for row_id, label in zip(rows.row_ids, rows.labels_B.tolist(), strict=True):
            assert (names[row_id] in "38") if label == NONE_OF_THESE else (names[row_id] == source.classes[label])
        if name != "pool":
            assert (rows.labels_B >= 0).all()
            assert len(rows.row_ids) == sum(names[row] not in "38" for row in plain.splits[name].read(0, 9999).row_ids)


def test_fewer_rows_out_of_scope_are_among_those_of_more(tmp_path: Path):
    def outside(fraction: float) -> set[str]:
        pool = opened(tmp_path, out_of_scope_fraction=fraction).splits["pool"]
        rows = pool.read(0, len(pool))
        return {row for row, label in zip(rows.row_ids, rows.labels_B.tolist(), strict=True) if label == NONE_OF_THESE}

    assert outside(0.05) < outside(0.15)
    assert outside(0.05) == outside(0.05)


def test_a_number_holds_out_the_last_classes(tmp_path: Path):
    assert opened(tmp_path, held_out=2).classes == tuple("01234567")


def test_rows_of_another_data_set_have_ids_of_their_own_and_may_have_any_labels(tmp_path: Path, monkeypatch):
    dots = write_module(tmp_path, "dots", DOTS, monkeypatch)
    source = opened(tmp_path, held_out=(), others=dots, out_of_scope_fraction=0.1)
    assert len(source.classes) == 10
    rows = source.splits["pool"].read(0, len(source.splits["pool"]))
    outside = rows.labels_B == NONE_OF_THESE
    assert outside.sum() == round(1257 / 9)
    assert len(set(rows.row_ids)) == len(rows.row_ids)
    for row_id, payload, is_outside in zip(rows.row_ids, rows.payloads, outside, strict=True):
        assert (payload == b"dot") == is_outside == row_id.startswith("out of scope: ")
    mixed = source.splits["pool"].table.read(np.array([1300, 2, 1797 + 5, 0]))
    assert mixed.row_ids[1] == source.splits["pool"].table.read(range(2, 3)).row_ids[0]
    assert {"dot": b"dot"}["dot"] in mixed.payloads


def test_it_keeps_the_laws_of_data_sets(tmp_path: Path):
    checked = check(Part.of("open_set", **HELD_OUT), data_root=tmp_path)
    assert checked.passed, str(checked)


def test_the_plan_states_which_rows_are_out_of_scope(tmp_path: Path):
    (note,) = opened(tmp_path, out_of_scope_fraction=0.1).findings.notes
    pool = opened(tmp_path, out_of_scope_fraction=0.1).splits["pool"]
    assert note.startswith(
        f"pool: {round(len(pool) / 10):,} of {len(pool):,} rows are of none of the classes, from the"
    )
    assert note.endswith("held-out classes 3, 8 (open_set)")


def test_a_class_with_the_name_of_the_answer_is_refused(tmp_path: Path):
    for name in ("a", "b", "none of these"):
        for part in ("train", "test"):
            (tmp_path / "in" / part / name).mkdir(parents=True)
            (tmp_path / "in" / part / name / "0.png").write_bytes(b"")
            (tmp_path / "in" / part / name / "1.png").write_bytes(b"")
    photos = Part.of("image_folder", path="in")
    with pytest.raises(DataError, match="a class is called 'none of these', which is the answer for rows that are out"):
        opened(tmp_path, dataset=photos, held_out=["a"])
    assert opened(tmp_path, dataset=photos, held_out=["none of these"]).classes == ("a", "b")


def test_more_rows_than_there_are_are_refused(tmp_path: Path):
    with pytest.raises(DataError, match=r"rows are needed beside .* lower it to 0\.\d+ at most"):
        opened(tmp_path, out_of_scope_fraction=0.9)


@pytest.mark.parametrize(
    ("settings", "states"),
    [
        ({"held_out": ["3", "x"]}, "held_out: no class called 'x'"),
        ({"held_out": 9}, "held_out: 1 classes remain, and 2 are needed"),
        ({"held_out": 12}, "held_out: 0 classes remain"),
    ],
)
def test_classes_that_cannot_be_held_out_are_refused(tmp_path: Path, settings: dict[str, object], states: str):
    with pytest.raises(DataError, match=states):
        opened(tmp_path, **settings)


@pytest.mark.parametrize(
    ("settings", "states"),
    [
        ({"held_out": ()}, "held_out, others: give one of them"),
        ({"others": "cifar10"}, "held_out, others: give one of them"),
        ({"held_out": (), "others": "banking77"}, "others: banking77 holds texts and digits images; use a data set"),
        ({"dataset": "cifar10_pairs"}, "has the task 'multi_label'; rows are out of scope where the others have one"),
        ({"out_of_scope_fraction": 1.0}, "out_of_scope_fraction: .* less than 1"),
    ],
)
def test_what_cannot_be_an_open_set_is_refused(settings: dict[str, object], states: str):
    with pytest.raises(ConfigError, match=states):
        plugins.build(datasets.Dataset, datasets.PACKAGE, Part.of("open_set", **(HELD_OUT | settings)))
