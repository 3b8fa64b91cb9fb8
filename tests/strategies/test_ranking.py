"""The best rows of a pool: the same in any stretches and shards, in memory that does not grow with the pool."""

import tracemalloc

import numpy as np
import pytest

from labelbench_ray import strategies
from labelbench_ray.strategies import _ranking
from labelbench_ray.types import Block, PoolView

KEY = 7
ROWS = 5 * 4096 + 100


def few_values(block: Block) -> np.ndarray:
    """Most rows tie, and the best rows lie anywhere."""
    return (block.ids_B * 2654435761 % 1009 % 5).astype(np.float64)


def rising(block: Block) -> np.ndarray:
    """Every row is better than all before it."""
    return block.ids_B.astype(np.float64)


def zeros(block: Block) -> np.ndarray:
    return np.zeros(len(block.ids_B))


def pool(rows: int, shards: int = 1) -> PoolView:
    labeled = np.arange(0, rows, 97)
    return PoolView.from_linear(
        np.broadcast_to(np.zeros((1, 2), np.float16), (rows, 2)),
        np.zeros((2, 3), np.float32),
        np.zeros(3, np.float32),
        labeled,
        np.zeros_like(labeled),
        shards,
    )


@pytest.mark.parametrize("score", [few_values, rising, zeros])
@pytest.mark.parametrize("budget", [1, 50, 6000, 19_999, ROWS])
@pytest.mark.parametrize("shards", [1, 3])
def test_best_rows_are_the_first_of_all_rows_sorted(score, budget, shards, monkeypatch):
    monkeypatch.setattr(_ranking, "STRETCH_ROWS", 1)  # a block at a time
    open_U = np.setdiff1d(np.arange(ROWS), np.arange(0, ROWS, 97))
    scores_U = score(Block(open_U, np.zeros(len(open_U), bool), list, list))
    expected = open_U[np.lexsort((_ranking.tie_hash(KEY, open_U), -scores_U))][:budget]
    np.testing.assert_array_equal(_ranking.best_rows(pool(ROWS, shards), budget, KEY, score).ids_C, expected)


def test_random_needs_no_more_memory_in_a_larger_pool():
    def peak(rows: int) -> int:
        view = pool(rows)
        tracemalloc.start()
        strategies.create("random").select(view, 1000, np.random.default_rng(0))
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    assert peak(1_600_000) < 1.1 * peak(200_000) < 16 * 2**20
