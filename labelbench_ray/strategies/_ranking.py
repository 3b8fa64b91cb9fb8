"""The best rows of a pool by a score: each shard's best, merged; ties broken by a keyed hash of the pool id."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.pool import passes
from labelbench_ray.types import BLOCK_ROWS, Block, Ids, PoolView, Shard

Score = Callable[[Block], NDArray[np.floating]]
"""A block of rows that may be chosen -> (B,) finite floats; larger is more worth labeling."""


REAL = "fiub"
"""Kinds of dtype that are real numbers."""
STRETCH_ROWS: Final = 16 * BLOCK_ROWS
"""Rows whose scores are held at a time; few enough for a processor's cache, many enough to sort rarely."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Rows that may be chosen: pool ids, scores, and the hashes that break their ties; best first."""

    ids_C: Ids
    scores_C: NDArray[np.float64]
    hashes_C: NDArray[np.uint64]


NO_CANDIDATES: Final = Candidates(np.empty(0, np.int64), np.empty(0), np.empty(0, np.uint64))


def best_rows(view: PoolView, budget: int, key: int, score: Score) -> Candidates:
    """The `budget` rows of the largest scores (all that may be chosen, if they are fewer), best first.

    Raises:
        ValueError: a score is NaN or infinite.
    """
    return best_rows_of(view, budget, [(key, score)])[0]


def best_rows_of(view: PoolView, budget: int, keyed: Sequence[tuple[int, Score]]) -> list[Candidates]:
    """The same for several scores, each with its key, in one pass over the pool."""
    if not keyed:
        return []
    parts = view.map(partial(_best_of_shard, budget=budget, keyed=tuple(keyed)))
    return [best(list(each), budget) for each in zip(*parts, strict=True)]


def best(parts: list[Candidates], budget: int) -> Candidates:
    """The `budget` best of all candidates, best first."""
    ids_C = np.concatenate([part.ids_C for part in parts])
    scores_C = np.concatenate([part.scores_C for part in parts])
    hashes_C = np.concatenate([part.hashes_C for part in parts])
    order_C = np.lexsort((hashes_C, -scores_C))[:budget]
    return Candidates(ids_C[order_C], scores_C[order_C], hashes_C[order_C])


def leading(scores_C: NDArray[np.floating], hashes_C: NDArray[np.uint64], count: int) -> NDArray[np.intp]:
    """Places of the `count` largest scores, best first, ties by the smaller hash."""
    places_C = np.arange(len(scores_C))
    if count < len(scores_C):
        # Everything that ties with the last of the best stays in, for the hashes to decide.
        places_C = np.flatnonzero(scores_C >= np.partition(scores_C, -count)[-count])
    return places_C[np.lexsort((hashes_C[places_C], -scores_C[places_C]))[:count]]


def scores_of(shard: Shard, score: Score) -> NDArray[np.float64]:
    """(U,) scores of the shard's rows that may be chosen, by ascending id.

    Raises:
        ValueError: a score is NaN or infinite.
    """
    return np.concatenate([np.empty(0), *(scored(block, score) for block in shard.candidates())])


def scored(block: Block, score: Score) -> NDArray[np.float64]:
    """(B,) the block's scores as float64.

    Raises:
        ValueError: they are not one finite real number a row.
    """
    returned, name = passes.array(score(block)), name_of(score)
    try:
        scores_B = np.asarray(returned)
    except ValueError:  # lists of several lengths
        scores_B = np.empty((), object)
    if scores_B.shape != block.ids_B.shape or scores_B.dtype.kind not in REAL:
        what = type(returned).__name__ if scores_B.dtype == object else f"{scores_B.dtype} of shape {scores_B.shape}"
        raise ValueError(
            f"{name} returned {what} for {len(block.ids_B)} rows; it must return (B,) floats, one for each row of the "
            "block"
        )
    wrong_B = ~np.isfinite(scores_B)
    if wrong_B.any():
        raise ValueError(
            f"{name} returned {scores_B[wrong_B][0]} for row {block.ids_B[wrong_B][0]}; scores must be finite "
            "(did the proxy's training diverge?)"
        )
    return scores_B.astype(np.float64, copy=False)


def name_of(score: Score) -> str:
    """A score as messages call it: `Own.score`."""
    return getattr(score, "__qualname__", "the score")


def tie_hash(key: int, ids: Ids) -> NDArray[np.uint64]:
    """A 64-bit hash of (key, id) for each id: SplitMix64's finalizer (Steele et al. 2014), which is a bijection."""
    with np.errstate(over="ignore"):
        return _mix(_mix(ids.astype(np.uint64)) + np.uint64(key))


def uniforms(key: int, ids: Ids) -> NDArray[np.float64]:
    """(B,) numbers in (0, 1), independent for each (key, id), from the hash's upper 52 bits."""
    return ((tie_hash(key, ids) >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def subkey(key: int, purpose: str) -> int:
    """Another 64-bit key, for noise that must not depend on what else the key is used for."""
    return int(np.random.default_rng([key, *purpose.encode()]).integers(2**64, dtype=np.uint64))


def _best_of_shard(shard: Shard, budget: int, keyed: Sequence[tuple[int, Score]]) -> list[Candidates]:
    """A shard's best by each score. Beside the budget, memory is held for one stretch of rows only."""
    kept = [_Best(budget, key, score) for key, score in keyed]
    for block in shard.candidates():
        for each in kept:
            each.add(block)
    return [each.found() for each in kept]


class _Best:
    """The best rows by a score of the blocks so far."""

    def __init__(self, budget: int, key: int, score: Score) -> None:
        self._budget, self._key, self._score = budget, key, score
        self._rows = max(budget, STRETCH_ROWS)
        self._best = NO_CANDIDATES
        self._ids: list[Ids] = []
        self._scores: list[NDArray[np.float64]] = []
        self._waiting = 0

    def add(self, block: Block) -> None:
        self._scores.append(scored(block, self._score))
        self._ids.append(block.ids_B)
        self._waiting += len(block.ids_B)
        if self._waiting >= self._rows:
            self._sort()

    def found(self) -> Candidates:
        if self._waiting:
            self._sort()
        return self._best

    def _sort(self) -> None:
        ids_U, scores_U = np.concatenate(self._ids), np.concatenate(self._scores)
        self._best = _better(self._best, ids_U, scores_U, self._budget, self._key)
        self._ids, self._scores, self._waiting = [], [], 0


def _better(found: Candidates, ids_U: Ids, scores_U: NDArray[np.float64], budget: int, key: int) -> Candidates:
    """The `budget` best of those found and of further rows."""
    if budget < len(scores_U):
        # As in `leading`, before the hashes are computed.
        floor = np.partition(scores_U, -budget)[-budget]
        if len(found.ids_C) == budget:
            floor = max(floor, found.scores_C[-1])
        kept_U = scores_U >= floor
        ids_U, scores_U = ids_U[kept_U], scores_U[kept_U]
    hashes_U = tie_hash(key, ids_U)
    if len(found.ids_C) == budget:
        # Where many rows tie, as all do for `random`, only few of them are sorted.
        last, last_hash = found.scores_C[-1], found.hashes_C[-1]
        kept_U = (scores_U > last) | ((scores_U == last) & (hashes_U < last_hash))
        ids_U, scores_U, hashes_U = ids_U[kept_U], scores_U[kept_U], hashes_U[kept_U]
    return best([found, Candidates(ids_U, scores_U, hashes_U)], budget)


def _mix(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    bits = bits + np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
