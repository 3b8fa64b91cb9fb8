"""Data sets of several tasks: balanced rows, rows of the target held out, tiny forms that keep every task."""

from pathlib import Path

import numpy as np
import pytest

from labelbench_ray.datasets.digits_tasks import DigitsTasks, task_number
from labelbench_ray.datasets.synthetic_tasks import SyntheticTasks, instance
from labelbench_ray.datasets.task_rows import balanced, task_sizes

TARGET = task_number(3, "invert")


def test_digits_tasks_have_balanced_rows_and_the_target_is_held_out():
    source = DigitsTasks().open(Path())
    pool, test = source.splits["pool"], source.splits["test"]
    tasks_N, labels_N = pool.facts["task"], pool.labels()
    assert set(tasks_N) == set(range(40))
    assert (tasks_N == TARGET).sum() == 40
    for task in range(40):
        assert labels_N[tasks_N == task].mean() == 0.5
    assert test.labels().mean() == 0.5
    read = test.read(0, 4)
    assert all(row_id.endswith(f"invert?{TARGET:03d}") for row_id in read.row_ids)
    pool_digits = {row_id.split("/")[1] for row_id in pool.read(0, len(pool)).row_ids}
    held_out = {row_id.split("/")[1] for row_id in test.read(0, len(test)).row_ids}
    assert not pool_digits & held_out


def test_an_answer_is_that_of_its_task_s_head():
    source = SyntheticTasks(kind="sparse", noise=0, rows_per_task=20, target_rows=30, test_rows=40).open(Path())
    made = instance("sparse", 0)
    for name, tasks_N in (("pool", source.splits["pool"].facts["task"]), ("test", np.full(40, 24))):
        table = source.splits[name].table
        expected = (table.inputs_ND.astype(np.float64) @ made.weights_DT)[np.arange(len(table)), tasks_N.astype(int)]
        np.testing.assert_allclose(source.splits[name].labels(), expected)
    read = source.splits["test"].read(0, 2)
    assert np.array([text.split() for text in read.payloads], np.float16).tolist() == table.inputs_ND[:2].tolist()


@pytest.mark.parametrize("kind", ["sparse", "repo", "skew"])
def test_instances_are_what_they_are_called(kind: str):
    made = instance(kind, 5)
    np.testing.assert_allclose(np.linalg.norm(made.heads_RM, axis=0), 1)
    np.testing.assert_allclose(made.basis_DR.T @ made.basis_DR, np.eye(3), atol=1e-12)
    if kind == "skew":
        np.testing.assert_allclose(made.heads_RM[0, 1:], 0)
    if kind == "repo":
        np.testing.assert_allclose(made.target_R, made.heads_RM[:, 0])
        assert (made.heads_RM[:, 8:].T @ made.heads_RM[:, 8]).min() > 0.95


def test_a_sample_keeps_every_task():
    assert task_sizes(25, 24, 3000, 300, None).tolist() == [3000] * 24 + [300]
    few = task_sizes(25, 24, 3000, 300, 300)
    assert few.tolist() == [8] * 24 + [100]
    source = SyntheticTasks(kind="skew", max_rows=300).open(Path())
    assert set(source.splits["pool"].facts["task"]) == set(range(25))
    assert len(source.splits["pool"]) <= 300


def test_balanced_rows_are_half_and_half_as_far_as_there_are_such():
    labels = np.arange(20) < 3
    kept = balanced(labels, 10, np.random.default_rng(0))
    assert labels[kept].sum() == 3
    assert len(kept) == 6
