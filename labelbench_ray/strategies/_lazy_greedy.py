"""Lazy greedy for `_coverage.py`: bounds for many rows in a space's fast precision, gains in float64 for the few."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.strategies._coverage import (
    COSINE_SLACK,
    SLACK,
    Kernel,
    Targets,
    Weight,
    bounds_of,
    sums_above,
    targets_of,
)
from labelbench_ray.strategies._ranking import leading, tie_hash
from labelbench_ray.strategies._spaces import SPHERE, Space
from labelbench_ray.types import Ids, PoolView

GRID = 1e-9
"""Gains are compared in steps of this share of the largest, so that equal rows tie."""
CHUNK_ROWS, MOST_CHUNK_ROWS, CENTER_ROWS = 256, 2048, 1024


def cover(
    view: PoolView, budget: int, key: int, kernel: Kernel, weight: Weight, targets: int, space: Space = SPHERE
) -> Ids:
    """The rows that the greedy algorithm chooses, in order; equal gains go by hash."""
    goal = targets_of(view, targets, key, kernel, weight, space)
    centers = _Centers(len(view.labeled_L) + budget, goal.units_TD.shape[1], kernel, space)
    if len(view.labeled_L):
        for start in range(0, len(view.labeled_L), CENTER_ROWS):
            units_CD = space.placed(view.embeddings(view.labeled_L[start : start + CENTER_ROWS]), np.float64)
            centers.add(units_CD)
            np.maximum(goal.covered_T, kernel(goal.units_TD @ space.facing(units_CD).T).max(axis=1), out=goal.covered_T)
        return _Search(view, goal, key, centers).choose(budget)
    # Where nothing is covered yet, the first pick changes every gain: all bounds are computed again.
    first = _Search(view, goal, key, centers).choose(1)
    if budget == 1:
        return first
    rest = np.setdiff1d(view.open_ids(), first, assume_unique=True)
    return np.concatenate([first, _Search(view.only(rest), goal, key, centers).choose(budget - 1)])


class _Centers:
    """The labeled and the chosen rows as vectors of a space, in both precisions."""

    def __init__(self, most: int, dimensions: int, kernel: Kernel, space: Space = SPHERE) -> None:
        self.kernel, self.space = kernel, space
        self.exact_XD = np.empty((most, dimensions))
        self.rounded_XD = np.empty((most, dimensions), space.fast)
        self.count = 0

    def add(self, units_CD: NDArray[np.floating]) -> None:
        rows = slice(self.count, self.count + len(units_CD))
        self.exact_XD[rows] = self.rounded_XD[rows] = units_CD
        self.count = rows.stop

    def covered(self, units_CD: NDArray[np.floating]) -> NDArray[np.floating]:
        """(C,) the largest similarity to a center, in the rows' precision; float32: rounded down."""
        units_CD = self.space.facing(units_CD)
        if not self.count:
            return np.zeros(len(units_CD), units_CD.dtype)
        exact = units_CD.dtype == np.float64
        centers_XD = (self.exact_XD if exact else self.rounded_XD)[: self.count]
        cosines_C = np.full(len(units_CD), -np.inf, units_CD.dtype)
        for start in range(0, self.count, CENTER_ROWS):
            # Labels may be many: never all cosines at once.
            np.maximum(cosines_C, (units_CD @ centers_XD[start : start + CENTER_ROWS].T).max(axis=1), out=cosines_C)
        # Above 1 by rounding only.
        return np.minimum(self.kernel(cosines_C if exact else cosines_C - COSINE_SLACK), 1 if exact else 1 - SLACK)


class _Search:
    """Lazy greedy over the open rows: the driver's numbers for each, and the loop."""

    def __init__(self, view: PoolView, goal: Targets, key: int, centers: _Centers) -> None:
        self.view, self.goal, self.centers = view, goal, centers
        self.ids_U = view.open_ids()
        self.hashes_U = tie_hash(key, self.ids_U)
        parts = view.map(partial(bounds_of, goal=goal))
        self.weights_U = np.concatenate([weights for _, weights in parts])
        bounds_U = np.concatenate([bounds for bounds, _ in parts])
        self.step = GRID * bounds_U.max() or 1.0
        self.bounds_U = np.ceil(bounds_U / self.step)
        """What a row gains at most, in steps; -1 where it is chosen."""
        self.order_U = np.argsort(-self.bounds_U)
        self.reached = 0

    def choose(self, budget: int) -> Ids:
        chosen: list[np.intp] = []
        size = CHUNK_ROWS
        while len(chosen) < budget:
            places_C, outside = self._front(size)
            picks = self._picks(places_C, outside, budget - len(chosen))
            chosen += picks
            # Where none or many were picked, the next chunk may as well be larger.
            size = min(2 * size, MOST_CHUNK_ROWS) if not picks or 2 * len(picks) > size else CHUNK_ROWS
        return self.ids_U[chosen]

    def _front(self, size: int) -> tuple[NDArray[np.intp], tuple[float, float]]:
        """Places of the `size` rows of the largest bounds; and (-bound, hash) of the best row outside them."""
        while True:
            near_A = self.order_U[: self.reached]
            if self.reached == len(self.order_U) or self.reached > size:
                best_A = near_A[leading(self.bounds_U[near_A], self.hashes_U[near_A], size + 1)]
                left = self.order_U[self.reached] if self.reached < len(self.order_U) else None
                if left is None or self.bounds_U[best_A[-1]] > self.bounds_U[left]:
                    break
            self.reached = min(max(2 * self.reached, 4 * size), len(self.order_U))
        if len(best_A) <= size:
            return best_A, (np.inf, np.inf)
        return best_A[:size], (-self.bounds_U[best_A[size]], self.hashes_U[best_A[size]])

    def _picks(self, places_C: NDArray[np.intp], outside: tuple[float, float], most: int) -> list[np.intp]:
        """Bound the gains of a chunk of rows anew, and pick among them while no row outside can gain more."""
        places_C = places_C[self.bounds_U[places_C] >= 0]
        units_CD = self.goal.space.placed(self.view.embeddings(self.ids_U[places_C]), np.float64)
        self._bound(places_C, units_CD.astype(self.goal.space.fast, copy=False))
        leads_C = self.bounds_U[places_C] >= -outside[0]
        if not leads_C.any():
            return []
        places_C, units_CD = places_C[leads_C], units_CD[leads_C]
        chunk = _Chunk(units_CD, self.ids_U[places_C], self.weights_U[places_C], self.goal, self.centers)
        picked: list[int] = []
        while True:
            gains_C = np.maximum(np.rint(chunk.gains() / self.step), 0)
            gains_C[picked] = -1
            best = int(leading(gains_C, self.hashes_U[places_C], 1)[0])
            done = len(picked) in (most, len(places_C))
            if done or (-gains_C[best], self.hashes_U[places_C[best]]) > outside:
                break
            picked.append(best)
            chunk.pick(best)
        self.bounds_U[places_C] = gains_C
        self.centers.add(units_CD[picked])
        return [places_C[place] for place in picked]

    def _bound(self, places_C: NDArray[np.intp], units_CD: NDArray[np.floating]) -> None:
        ids_C = self.ids_U[places_C]
        own_C = self.weights_U[places_C] * (1 - self.centers.covered(units_CD).astype(np.float64))
        sums_C = sums_above(units_CD, ids_C, self.goal)
        bounds_C = np.ceil((self.goal.scale(ids_C) * sums_C + own_C) / self.step)
        self.bounds_U[places_C] = np.minimum(self.bounds_U[places_C], bounds_C)


class _Chunk:
    """Candidates whose gains are known, and kept while some of them are picked."""

    def __init__(
        self,
        units_CD: NDArray[np.floating],
        ids_C: Ids,
        weights_C: NDArray[np.float64],
        goal: Targets,
        centers: _Centers,
    ) -> None:
        self.units_CD, self.weights_C, self.scale_C = units_CD, weights_C, goal.scale(ids_C)
        self.goal, self.own = goal, goal.own(ids_C)
        self.similar_TC = goal.kernel(goal.units_TD @ goal.space.facing(units_CD).T)
        self.similar_TC[self.own[::-1]] = 0
        self.sums_C = goal.weights_T @ np.maximum(self.similar_TC - goal.covered_T[:, None], 0)
        self.covered_C = centers.covered(units_CD)

    def gains(self) -> NDArray[np.float64]:
        gains_C: NDArray[np.float64] = self.scale_C * self.sums_C + self.weights_C * (1 - self.covered_C)
        return gains_C

    def pick(self, place: int) -> None:
        """Cover the targets by this candidate, and take what that covers from the gains of all."""
        covered_T = self.goal.covered_T
        similar_T = self.similar_TC[:, place].copy()
        similar_T[self.own[1][self.own[0] == place]] = 1
        nearer_X = np.flatnonzero(similar_T > covered_T)
        before, after = covered_T[nearer_X, None], similar_T[nearer_X, None]
        self.sums_C -= self.goal.weights_T[nearer_X] @ (np.clip(self.similar_TC[nearer_X], before, after) - before)
        covered_T[nearer_X] = similar_T[nearer_X]
        similar_C = self.goal.kernel(self.units_CD @ self.goal.space.facing(self.units_CD[place]))
        np.maximum(self.covered_C, np.minimum(similar_C, 1), out=self.covered_C)
