"""D^2 sampling, the seeding of k-means++ (Arthur and Vassilvitskii 2007): exact draws from stale distances.

Rows are proposed by their stale squared distances to the nearest center, which are upper bounds, and accepted with
probability true / stale: each accepted row has exactly the law of sequential D^2 sampling. The stale distances are
brought up to date when the work spent on rejected proposals has paid for it.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.strategies._centers import Factorize, Points, fetch, join, nearest
from labelbench_ray.strategies._ranking import subkey
from labelbench_ray.strategies._sampling import sample
from labelbench_ray.types import Ids, PoolView

MOST_PROPOSALS = 1024
"""Rows proposed at once, at most."""
FETCHING, REFRESHING = 6000, 128
"""The cost of reading a row alone, and with all others, in products of a row with a center (measured)."""


def spread(view: PoolView, factorize: Factorize, count: int, key: int) -> Ids:
    """(count,) distinct open rows by D^2 sampling, the first one uniform."""
    ids_U = view.open_ids()
    first = sample(ids_U, subkey(key, "fill"), 1)[0]
    return draw(view, factorize, ids_U, int(first), count, key)


def draw(view: PoolView, factorize: Factorize, ids_U: Ids, first: int, count: int, key: int) -> Ids:
    """(count,) distinct rows of `ids_U`, the open rows in ascending order: the first as given, the others with
    probability proportional to their squared distance to the nearest row drawn before; uniform when all those are 0.
    """
    drawn = np.fromiter(_draws(view, factorize, ids_U, first, count, key), np.int64)
    if len(drawn) == count:
        return drawn
    return np.concatenate([drawn, sample(np.setdiff1d(ids_U, drawn), subkey(key, "fill"), count - len(drawn))])


def _draws(view: PoolView, factorize: Factorize, ids_U: Ids, first: int, count: int, key: int) -> Iterator[int]:
    rng = np.random.default_rng(subkey(key, "draws"))
    new = fetch(view, factorize, np.array([first]))
    stale_U = np.full(len(ids_U), np.inf, np.float32)
    # A drawn row's distance to itself is 0 by rule, not by arithmetic: its bits depend on the rows it is read with.
    drawn_U = ids_U == first
    left = count - 1
    yield first
    while left:
        np.minimum(stale_U, nearest(view, factorize, np.ones(len(ids_U), np.bool_), new), out=stale_U)
        stale_U[drawn_U] = 0
        sums_U = np.cumsum(stale_U, dtype=np.float64)
        if not sums_U[-1]:
            return
        paid, proposed, accepted = 0, 1, 1
        known: list[Points] = []
        # Both sides in products of a row with a center: those spent on rejected rows, those of bringing all up to date.
        while left and paid <= len(ids_U) * (REFRESHING + accepted):
            size = min(MOST_PROPOSALS, 32 + left * proposed // accepted)
            # The last place where rounding makes a number reach the complete sum.
            places_C = np.minimum(np.searchsorted(sums_U, rng.random(size) * sums_U[-1], side="right"), len(ids_U) - 1)
            points = fetch(view, factorize, ids_U[places_C])
            stale_C = stale_U[places_C]
            true_C = np.minimum(stale_C, points.nearest(join(known))) if known else stale_C.copy()
            true_C[drawn_U[places_C]] = 0
            taken = _accepted(points, true_C, rng.random(size) * stale_C, places_C, left)
            drawn_U[places_C[taken]] = True
            yield from ids_U[places_C[taken]].tolist()
            left -= len(taken)
            known.append(points[taken])
            paid += (size - len(taken)) * (FETCHING + size + accepted)
            proposed, accepted = proposed + size, accepted + len(taken)
        new = join(known)


def _accepted(
    points: Points,
    true_C: NDArray[np.float32],
    thresholds_C: NDArray[np.float64],
    places_C: NDArray[np.intp],
    most: int,
) -> NDArray[np.intp]:
    """Which of the proposals are accepted, one after another: a new center shrinks what comes after it."""
    between_CC = points.squared_distances(points)
    between_CC[places_C[:, None] == places_C] = 0
    true_C = true_C.copy()
    accepted: list[int] = []
    for place in range(len(true_C)):
        if thresholds_C[place] < true_C[place]:
            accepted.append(place)
            if len(accepted) == most:
                break
            np.minimum(true_C, between_CC[place], out=true_C)
    return np.array(accepted, np.intp)
