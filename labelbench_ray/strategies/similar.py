"""SIMILAR with FLQMI: rows whose gradients are like those of labeled rows of rare classes (Kothawade et al. 2021)."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from labelbench_ray.strategies import Strategy, Want
from labelbench_ray.strategies._ranking import leading, subkey, tie_hash
from labelbench_ray.strategies._rare_classes import below_mean, class_counts
from labelbench_ray.strategies._sampling import sample
from labelbench_ray.types import Ask, Floats, Ids, PoolView, Shard

GRID: Final = 1e-9
"""Gains are compared in steps of this share of the largest, so that equal rows tie."""
FRONT_ROWS: Final = 256
"""Rows whose likenesses to all queries are held at a time."""

Likeness = NDArray[np.float64]


class Similar(Strategy):
    """Greedy maximization of the facility location mutual information of the batch and rows of rare classes.

    The queries are the labeled rows of the classes with fewer labels than the mean class (of the classes with the
    fewest labels, where those have none). The batch A maximizes the sum over the queries of the largest likeness to a
    row of A, plus `relevance` times the sum over A of the largest likeness to a query. A likeness is the cosine of two
    gradients of the last layer (weights and bias), negative ones counting as 0: of a query at its label, of any other
    row at its predicted class. Without a label all rows are alike.
    """

    wants: ClassVar[tuple[Want, ...]] = ("embeddings", "probabilities", "labels")
    cost: ClassVar[str] = "N·queries·(D + K), then lazy greedy"
    guarantee: ClassVar[str] = "exact greedy, at least 1 - 1/e of the best; cosines below 0 count as 0"
    source: ClassVar[str] = (
        "Kothawade et al., *SIMILAR: Submodular Information Measures Based Active Learning in Realistic Scenarios*, "
        "NeurIPS 2021, [2107.00717](https://arxiv.org/abs/2107.00717)"
    )
    bytes_per_row: ClassVar[int] = 64
    queries: PositiveInt = 5000
    """The largest number of queries; of more, a random sample is taken in each round."""
    relevance: Annotated[float, Field(ge=0)] = 1.0
    """How much a chosen row's own likeness to the nearest query counts beside covering all queries."""

    def choose(self, view: PoolView, budget: int, key: int, ask: Ask | None) -> Ids:
        ids_U = view.open_ids()
        queries = queries_of(view, self.queries, key)
        if queries is None:
            return sample(ids_U, subkey(key, "ties"), budget)
        gains_U = np.concatenate(view.map(partial(_first_gains, queries=queries, relevance=self.relevance)))
        return _Greedy(view, ids_U, queries, self.relevance, gains_U, subkey(key, "ties")).choose(budget)


@dataclass(frozen=True, slots=True, eq=False)
class Gradients:
    """Unit gradients of the last layer in factors: a row's gradient is the outer product of its two; 0 for none."""

    residuals_BK: Likeness
    features_BX: Likeness

    def likeness(self, queries: "Gradients") -> Likeness:
        """(B, Q) cosines, those below 0 as 0."""
        cosines_BQ = self.residuals_BK @ queries.residuals_BK.T
        cosines_BQ *= self.features_BX @ queries.features_BX.T
        return np.maximum(cosines_BQ, 0, out=cosines_BQ)


def gradients(features_BD: Floats, probabilities_BK: Floats, labels_B: Ids) -> Gradients:
    """The gradients of the loss at these labels."""
    residuals_BK = probabilities_BK.astype(np.float64)
    places_B = np.arange(len(labels_B))
    # p_y - 1, written so that rows with p_y = 1.0 keep their digits.
    residuals_BK[places_B, labels_B] = 0
    residuals_BK[places_B, labels_B] = -residuals_BK.sum(axis=1)
    features_BX = np.concatenate([features_BD.astype(np.float64), np.ones((len(features_BD), 1))], axis=1)
    return Gradients(_unit(residuals_BK), _unit(features_BX))


def queries_of(view: PoolView, most: int, key: int) -> Gradients | None:
    """The gradients of the labeled rows of rare classes; None where nothing is labeled."""
    if not len(view.labeled_L):
        return None
    counts_K = class_counts(view)
    wanted_L = np.isin(view.labels_L, below_mean(counts_K, key))
    if not wanted_L.any():
        wanted_L = counts_K[view.labels_L] == counts_K[counts_K > 0].min()
    ids_Q = np.sort(sample(view.labeled_L[wanted_L], subkey(key, "queries"), most))
    order_L = np.argsort(view.labeled_L)
    labels_Q = view.labels_L[order_L][np.searchsorted(view.labeled_L[order_L], ids_Q)]
    return gradients(view.embeddings(ids_Q), view.probabilities(ids_Q), labels_Q)


class _Greedy:
    """Lazy greedy: a gain never grows, so gains of earlier steps are bounds of later ones."""

    def __init__(
        self, view: PoolView, ids_U: Ids, queries: Gradients, relevance: float, gains_U: Likeness, key: int
    ) -> None:
        self.view, self.ids_U, self.queries, self.relevance = view, ids_U, queries, relevance
        self.hashes_U = tie_hash(key, ids_U)
        self.step = GRID * float(gains_U.max()) or 1.0
        self.bounds_U = np.rint(gains_U / self.step)
        """What a row gains at most, in steps; -1 where it is chosen."""
        self.covered_Q = np.zeros(len(queries.residuals_BK))

    def choose(self, budget: int) -> Ids:
        chosen: list[np.intp] = []
        while len(chosen) < budget:
            front_C = leading(self.bounds_U, self.hashes_U, FRONT_ROWS + 1)
            last = front_C[-1]
            outside = (
                (-self.bounds_U[last], self.hashes_U[last]) if len(front_C) > FRONT_ROWS else (np.inf, np.uint64(0))
            )
            front_C = front_C[:FRONT_ROWS]
            front_C = front_C[self.bounds_U[front_C] >= 0]
            chosen += self._picks(front_C, outside, budget - len(chosen))
        return self.ids_U[chosen]

    def _picks(self, front_C: NDArray[np.intp], outside: tuple[float, np.uint64], most: int) -> list[np.intp]:
        """Rows of the front, in order, while none outside can gain more; what the others gain is noted."""
        ids_C, picked = self.ids_U[front_C], list[np.intp]()
        likeness_CQ = _of_rows(self.view.embeddings(ids_C), self.view.probabilities(ids_C)).likeness(self.queries)
        own_C = self.relevance * likeness_CQ.max(axis=1)
        while len(picked) < min(most, len(front_C)):
            gains_C = np.rint((np.maximum(likeness_CQ - self.covered_Q, 0).sum(axis=1) + own_C) / self.step)
            # Bounds were rounded at other places of a product; they must never rise.
            self.bounds_U[front_C] = np.minimum(self.bounds_U[front_C], gains_C)
            best = int(leading(self.bounds_U[front_C], self.hashes_U[front_C], 1)[0])
            place = front_C[best]
            if (-self.bounds_U[place], self.hashes_U[place]) > outside:
                break
            picked.append(place)
            self.bounds_U[place] = -1
            np.maximum(self.covered_Q, likeness_CQ[best], out=self.covered_Q)
        return picked


def _first_gains(shard: Shard, queries: Gradients, relevance: float) -> Likeness:
    gains = [np.empty(0)]
    for block in shard.candidates():
        for start in range(0, len(block.ids_B), FRONT_ROWS):
            rows = slice(start, start + FRONT_ROWS)
            likeness_CQ = _of_rows(block.embeddings_BD[rows], block.probabilities_BK[rows]).likeness(queries)
            gains.append(likeness_CQ.sum(axis=1) + relevance * likeness_CQ.max(axis=1))
    return np.concatenate(gains)


def _of_rows(features_BD: Floats, probabilities_BK: Floats) -> Gradients:
    return gradients(features_BD, probabilities_BK, probabilities_BK.argmax(axis=1))


def _unit(rows_BX: Likeness) -> Likeness:
    lengths_B = np.linalg.norm(rows_BX, axis=1, keepdims=True)
    unit_BX: Likeness = np.divide(rows_BX, lengths_B, out=np.zeros_like(rows_BX), where=lengths_B > 0)
    return unit_BX
