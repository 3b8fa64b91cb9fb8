"""Farthest-first traversal (Gonzalez 1985), exact with few distances computed.

Every row has an upper bound of its squared distance to the nearest center, in one of four circles:

    far       all rows: the distance to a few labels, in float32
    near      rows that may be picked: the distance to more and more labels, in float32
    active    rows that are likely picked: float64, and up to date with all centers but the recent ones
    proposals the active rows with the largest bounds: exact

The farthest proposal is the farthest row of all, as long as no row outside has a larger bound. Where one has, the
circles are drawn anew.
"""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.pool import passes
from labelbench_ray.strategies._centers import Factorize, Factors, Points, fetch, join, nearest
from labelbench_ray.strategies._ranking import leading, tie_hash
from labelbench_ray.types import Block, Ids, PoolView

HUBS = 64
"""Labels that bound every row's distance at first."""
LONGER = 4
"""The factor by which a row whose bound is too loose is compared with more labels."""
NEARER, ACTIVATED, PROPOSALS = (4096, 16), (1024, 64), 256
"""The number of rows that join a circle at once, or one in this many of all rows, so that blocks pay off."""
FETCHED_AT_ONCE = 2048
"""Labels whose embeddings the driver holds at once."""
FETCHING, REFRESHING = 2000, 64
"""The cost of reading a row alone, and with all active rows, in distances from a row to a center (measured)."""
GRID = 2.0**-36
"""Squared distances are rounded to this share of a typical one, so that equal ones tie exactly."""
MARGIN = 2.0**-22
"""Times (D + 8) and the squared norms: more than the rounding error of a squared distance in float32."""


class Traversal:
    """The state of one traversal; every array is by ascending id of the rows that may be chosen."""

    def __init__(self, view: PoolView, key: int) -> None:
        self._view = view
        self._ids_U = view.open_ids()
        self._hashes_U = tie_hash(key, self._ids_U)
        self._bounds_U = np.full(len(self._ids_U), np.inf)
        self._compared_U = np.zeros(len(self._ids_U), np.int64)
        """How many labels a row's bound has seen."""
        self._active_U = np.zeros(len(self._ids_U), np.bool_)
        self._labeled_L = view.labeled_L[np.argsort(tie_hash(key, view.labeled_L))]
        self._first = int(self._hashes_U.argmin())
        hubs_L = self._labeled_L[:HUBS] if len(self._labeled_L) else self._ids_U[[self._first]]
        self._origin_D = view.embeddings(hubs_L).mean(axis=0, dtype=np.float64).astype(np.float32)
        self._chosen: list[int] = []
        self._centers: list[Points] = []
        """The chosen rows; the active rows' bounds have not seen those from `_seen` on."""
        self._seen = 0
        self._unit = 0.0

    def run(self, budget: int) -> Ids:
        """(budget,) ids, each farthest from the labeled rows and those before it; ties by the keyed hash."""
        self._bound_all()
        while len(self._chosen) < budget:
            self._widen()
            self._pick_among_active(budget)
        return self._ids_U[self._chosen]

    def _add(self, places: list[int], points: Points) -> None:
        self._chosen += places
        self._centers.append(points)
        self._bounds_U[places] = -1

    def _bound_all(self) -> None:
        every_U = np.ones(len(self._ids_U), np.bool_)
        if len(self._labeled_L):
            nearest_U = self._compare(every_U, self._fetch(self._labeled_L[:HUBS], np.float32))
            self._compared_U[:] = min(HUBS, len(self._labeled_L))
        else:
            self._add([self._first], self._fetch(self._ids_U[[self._first]], np.float64))
            nearest_U = self._compare(every_U, self._fetch(self._ids_U[[self._first]], np.float32))
            self._bounds_U[self._first] = -1
        # Of the median, since a single far row must not decide what counts as equal among the others.
        self._unit = GRID * float(np.median(nearest_U) or nearest_U.max())

    def _fetch(self, ids_C: Ids, dtype: type[np.floating]) -> Points:
        return fetch(self._view, self._factorize(dtype), ids_C)

    def _factorize(self, dtype: type[np.floating]) -> Factorize:
        return partial(_shifted, origin_D=self._origin_D, dtype=dtype)

    def _widen(self) -> None:
        """Let rows come nearer until none outside may be farther than every active one."""
        resting = np.flatnonzero(~self._active_U)
        while len(resting) and self._bounds_U[resting].max() >= self._bounds_U[self._active_U].max(initial=-1):
            next_ones = resting[leading(self._bounds_U[resting], self._hashes_U[resting], self._share(ACTIVATED))]
            if (self._compared_U[next_ones] == len(self._labeled_L)).all():
                self._activate(next_ones)
                resting = np.flatnonzero(~self._active_U)
            else:
                far = np.flatnonzero(self._compared_U < len(self._labeled_L))
                self._bring_near(far[leading(self._bounds_U[far], self._hashes_U[far], self._share(NEARER))])

    def _bring_near(self, places: NDArray[np.intp]) -> None:
        """Compare each of these rows with this many times the labels that it was compared with."""
        for compared in np.unique(self._compared_U[places]):
            some = places[self._compared_U[places] == compared]
            stop = min(LONGER * compared, len(self._labeled_L))
            self._compare_with_labels(self._mask(some), slice(compared, stop), np.float32)
            self._compared_U[some] = stop

    def _activate(self, places: NDArray[np.intp]) -> None:
        new_U = self._mask(places)
        self._bounds_U[new_U & (self._bounds_U >= 0)] = np.inf
        self._compare_with_labels(new_U, slice(0, len(self._labeled_L)), np.float64)
        if self._seen:
            self._compare(new_U, join(self._centers)[: self._seen])
        self._active_U |= new_U

    def _share(self, least: tuple[int, int]) -> int:
        return max(least[0], len(self._ids_U) // least[1])

    def _mask(self, places: NDArray[np.intp]) -> NDArray[np.bool_]:
        mask_U = np.zeros(len(self._ids_U), np.bool_)
        mask_U[places] = True
        return mask_U

    def _compare_with_labels(self, rows_U: NDArray[np.bool_], labels: slice, dtype: type[np.floating]) -> None:
        for start in range(labels.start, labels.stop, FETCHED_AT_ONCE):
            stop = min(start + FETCHED_AT_ONCE, labels.stop)
            self._compare(rows_U, self._fetch(self._labeled_L[start:stop], dtype))

    def _compare(self, rows_U: NDArray[np.bool_], centers: Points) -> NDArray[np.float64]:
        """Lower the bounds of these rows to their distances to these centers, which are returned."""
        dtype = centers.norms_B.dtype.type
        nearest_R = nearest(self._view, self._factorize(dtype), rows_U, centers).astype(np.float64)
        if dtype == np.float32:
            # |x|^2 <= 2 (distance + |c|^2), so the margin needs no norms of rows.
            margin = 3 * MARGIN * (centers.factors[0].shape[1] + 8)
            bounds_R = nearest_R + margin * (nearest_R + float(centers.norms_B.max()))
        else:
            bounds_R = self._on_grid(nearest_R)
        self._bounds_U[rows_U] = np.minimum(self._bounds_U[rows_U], bounds_R)
        return nearest_R

    def _on_grid(self, squared: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.rint(squared / self._unit) * self._unit if self._unit else squared

    def _pick_among_active(self, budget: int) -> None:
        """Pick until a row that rests may be farther than every active one."""
        active = np.flatnonzero(self._active_U)
        resting = float(self._bounds_U[~self._active_U].max(initial=-1))
        paid = 0
        while len(self._chosen) < budget and self._bounds_U[active].max() > resting:
            recent = len(self._chosen) - self._seen
            if paid > len(active) * (REFRESHING + recent):
                self._compare(self._active_U, join(self._centers)[self._seen :])
                self._seen, paid = len(self._chosen), 0
            else:
                picked = self._pick_among_proposals(active, resting, budget)
                paid += (PROPOSALS - picked) * (FETCHING + recent)

    def _pick_among_proposals(self, active: NDArray[np.intp], resting: float, budget: int) -> int:
        """Pick among the active rows with the largest bounds; returns how many."""
        best = active[leading(self._bounds_U[active], self._hashes_U[active], PROPOSALS + 1)]
        outside = (self._bounds_U[best[-1]], -int(self._hashes_U[best[-1]])) if len(best) > PROPOSALS else (-1.0, 0)
        # By ascending hash, so that the first of equal distances is the one that the hash prefers.
        places = np.sort(best[:PROPOSALS])
        places = places[np.argsort(self._hashes_U[places])]
        points = self._fetch(self._ids_U[places], np.float64)
        exact_C = self._bounds_U[places]
        if self._seen < len(self._chosen):
            np.minimum(exact_C, self._on_grid(points.nearest(join(self._centers)[self._seen :])), out=exact_C)
        between_CC = self._on_grid(points.squared_distances(points))
        picked: list[int] = []
        while len(self._chosen) + len(picked) < budget:
            place = int(exact_C.argmax())
            key = (exact_C[place], -int(self._hashes_U[places[place]]))
            if key[0] <= resting or key < outside:
                break
            picked.append(place)
            np.minimum(exact_C, between_CC[place], out=exact_C)
            exact_C[place] = -1
        self._bounds_U[places] = exact_C
        if picked:
            self._add(places[picked].tolist(), points[np.array(picked)])
        return len(picked)


def _shifted(block: Block, origin_D: NDArray[np.float32], dtype: type[np.floating]) -> Factors:
    """Embeddings about an origin among them: far from the origin of their space, products would lose the distances."""
    if dtype == np.float32:
        rows_BD = block.device_embeddings_BD
        return (rows_BD - passes.beside(origin_D, rows_BD),)
    return (block.embeddings_BD.astype(dtype, copy=False) - origin_D,)
