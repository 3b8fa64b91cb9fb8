"""Whole numbers of rows of each task: exact totals, ties by hash, and tasks that have too few rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as draw

from labelbench_ray.strategies import _allocation as allocation

HASHES = np.array([5, 3, 9, 1], np.uint64)


def fixed(wanted: list[float]):
    return lambda open_T: np.where(open_T, np.array(wanted), 0)


def bought(wanted, before, sizes, budget) -> list[int]:
    return allocation.purchases(fixed(wanted), np.array(before), np.array(sizes), budget, HASHES).tolist()


def test_what_is_missing_is_bought():
    assert bought([10, 20, 30, 40], [0, 0, 0, 0], [99] * 4, 100) == [10, 20, 30, 40]
    assert bought([10, 20, 30, 40], [10, 25, 10, 10], [99] * 4, 50) == [0, 0, 20, 30]


def test_remainders_that_tie_go_by_hash():
    assert bought([1, 1, 1, 1], [0] * 4, [99] * 4, 6) == [1, 2, 1, 2]


def test_an_exhausted_task_gives_all_and_the_others_the_rest():
    assert bought([90, 5, 5, 0], [0] * 4, [30, 99, 99, 99], 100) == [30, 35, 35, 0]
    assert bought([90, 0, 0, 0], [0] * 4, [30, 99, 99, 99], 60) == [30, 10, 10, 10]


@given(draw.data())
def test_totals_are_exact_and_no_task_gives_more_than_it_has(data):
    sizes = data.draw(draw.lists(draw.integers(0, 20), min_size=4, max_size=4))
    budget = data.draw(draw.integers(0, sum(sizes)))
    wanted = data.draw(draw.lists(draw.floats(0, 1e6), min_size=4, max_size=4))
    found = bought(wanted, data.draw(draw.lists(draw.integers(0, 9), min_size=4, max_size=4)), sizes, budget)
    assert sum(found) == budget
    assert all(0 <= count <= size for count, size in zip(found, sizes, strict=True))


@pytest.mark.parametrize("tasks", [3, 24, 7])
def test_6_an_even_split_is_even_to_the_row(tasks: int):
    found = allocation.purchases(
        lambda open_T: np.full(tasks, 100.0),
        np.zeros(tasks, np.int64),
        np.full(tasks, 500),
        20 * tasks + 1,
        np.arange(tasks).astype(np.uint64),
    )
    assert sorted(found) == [20] * (tasks - 1) + [21]
