"""The rows most surely of a rare class, against the definition."""

import numpy as np
import pytest

from labelbench_ray import strategies
from labelbench_ray.types import PoolView

PROBABILITIES = np.random.default_rng(5).dirichlet(np.full(4, 0.5), 200).astype(np.float32)


def select(labels: list[int], budget: int = 30, probabilities: np.ndarray = PROBABILITIES, **settings: object):
    view = PoolView.from_arrays(np.zeros((len(probabilities), 1)), probabilities, np.arange(len(labels)), labels)
    strategy = strategies.create("most_likely_positive", **settings)
    return strategy.select(view, budget, np.random.default_rng(0))


def best(rare: list[int], labeled: int, budget: int = 30) -> np.ndarray:
    scores = (PROBABILITIES.astype(np.float64) / PROBABILITIES.sum(axis=1, dtype=np.float64)[:, None])[:, rare]
    order = np.argsort(-scores.max(axis=1), kind="stable")
    return order[order >= labeled][:budget]


@pytest.mark.parametrize(
    ("labels", "rare"),
    [
        ([], [0, 1, 2, 3]),
        ([0, 1, 2, 3], [0, 1, 2, 3]),
        ([0, 0, 0, 1, 1, 1, 2, 3, 3], [2, 3]),
        ([0, 0, 1, 1, 2, 2, 3], [3]),
        ([1, 1, 1], [0, 2, 3]),
    ],
    ids=["no labels", "as many of each", "fewer than the median", "one below the others", "most have none"],
)
def test_takes_the_classes_with_few_labels(labels: list[int], rare: list[int]):
    np.testing.assert_array_equal(select(labels), best(rare, len(labels)))


def test_takes_the_classes_that_are_given():
    np.testing.assert_array_equal(select([0, 0, 1], classes=(0, 2)), best([0, 2], 3))


def test_rows_whose_probability_reads_one_keep_their_order():
    rest = np.random.default_rng(0).permutation(np.logspace(-9, -14, 60)).astype(np.float32)
    probabilities = np.stack([np.ones_like(rest), rest], axis=1)
    np.testing.assert_array_equal(select([], probabilities=probabilities, classes=[0]), np.argsort(rest)[:30])


@pytest.mark.parametrize(("classes", "message"), [([4], "4 is not a class; there are 4"), ([-1], "classes.*-1")])
def test_a_class_that_does_not_exist_is_refused(classes: list[int], message: str):
    with pytest.raises(ValueError, match=message):
        select([], classes=classes)
