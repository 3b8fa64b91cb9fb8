"""Labels on their way into a store: of the task's type, as a column of a shard, and between Ray's workers."""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pytest

from labelbench_ray import tasks
from labelbench_ray.cluster.shard_columns import columns_of, decoded_of
from labelbench_ray.datasets import Records, Rows, Source, Split
from labelbench_ray.embeddings.decoding import DecodedShard
from labelbench_ray.embeddings.embed import read_records
from labelbench_ray.embeddings.label_columns import label_array, label_column, label_values
from labelbench_ray.embeddings.shards import ShardId
from labelbench_ray.errors import DataError
from labelbench_ray.types import Labels

LABELS = {
    "numbers": np.array([2, 0, 1]),
    "rows": np.array([[1, 0, -1], [0, 0, 0], [1, 1, 1]], np.int8),
    "no numbers": np.empty(0, np.int64),
    "no rows": np.empty((0, 4), np.int8),
}
each_kind = pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)


@each_kind
def test_a_column_holds_what_was_written(labels: Labels):
    back = label_array(pa.table({"label": label_column(labels)})["label"])
    np.testing.assert_array_equal(back, labels)
    assert (back.dtype, back.shape) == (labels.dtype, labels.shape)


@each_kind
def test_labels_travel_between_workers(labels: Labels):
    row_ids = [str(row) for row in range(len(labels))]
    shard = DecodedShard(row_ids, labels, (["text"] * len(labels),), {}, None)
    back = decoded_of(columns_of(shard)).labels_B
    np.testing.assert_array_equal(back, labels)
    assert (back.dtype, back.shape) == (labels.dtype, labels.shape)


def test_values_can_be_compared_and_written_as_json():
    assert label_values(LABELS["numbers"]) == [2, 0, 1]
    assert label_values(LABELS["rows"])[0] == (1, 0, -1)


@dataclass(frozen=True)
class GivenTable:
    """Two rows of a user's own table, with these labels."""

    labels_B: Labels

    def __len__(self) -> int:
        return len(self.labels_B)

    def read(self, rows: Rows) -> Records:
        return Records([str(row) for row in rows], ["text"] * len(rows), self.labels_B)


def source(task: str, labels: Labels) -> Source:
    splits = {"pool": Split(GivenTable(labels), range(len(labels)))}
    return replace(Source(("a", "b", "c"), splits, ""), task=tasks.create(task))


@pytest.mark.parametrize(
    ("task", "labels"),
    [("single_label", np.array([2, 0], np.int32)), ("multi_label", np.array([[1, 0, -1], [0, 0, 1]]))],
)
def test_labels_are_stored_in_their_task_s_type(task: str, labels: Labels):
    given = source(task, labels)
    read = read_records(given, ShardId("pool", 0), 10)
    assert read.labels_B.dtype == given.task.dtype
    np.testing.assert_array_equal(read.labels_B, labels)


@pytest.mark.parametrize(
    ("task", "labels", "message"),
    [
        (
            "multi_label",
            np.array([2, 0]),
            r"labels_B as int64 of shape \(2,\) for 2 rows; .* labels_B \(B, 3\) integers",
        ),
        ("multi_label", np.ones((2, 2), np.int8), r"labels_B as int8 of shape \(2, 2\) for 2 rows"),
        ("multi_label", np.full((2, 3), 5), r"label \[5 5 5\] of 3 classes"),
        ("single_label", np.ones((2, 3), np.int8), r"of shape \(2, 3\) for 2 rows; .* labels_B \(B,\) integers"),
        ("single_label", np.array([0, 3]), "label 3 of 3 classes"),
    ],
)
def test_what_is_not_a_label_of_the_task_is_refused(task: str, labels: Labels, message: str):
    with pytest.raises(DataError, match=message):
        read_records(source(task, labels), ShardId("pool", 0), 10)
