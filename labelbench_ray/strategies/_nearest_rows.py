"""Rows on both sides of a threshold in each class's order, nearest first, in one pass over the pool."""

from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.strategies._class_orders import losses
from labelbench_ray.strategies._ranking import tie_hash
from labelbench_ray.types import Floats, Ids, PoolView, Shard

MOST_HELD = 2**20
"""Rows gathered before all but the nearest of each side are let go."""
SPARE = 32
"""Rows kept on each side beyond the quota, for those that another class takes first."""


@dataclass(frozen=True, slots=True, eq=False)
class Near:
    """Rows near thresholds: on side 2g losses up to the threshold of class g, on side 2g + 1 those above it.

    A smaller key is nearer: the loss on an upper side, its negative on a lower one. A difference from the threshold
    would round away the order of small losses.
    """

    sides_H: NDArray[np.intp]
    keys_H: Floats
    ids_H: Ids
    hashes_H: NDArray[np.uint64]

    @classmethod
    def none(cls) -> Self:
        """No row."""
        return cls(np.empty(0, np.intp), np.empty(0, np.float32), np.empty(0, np.int64), np.empty(0, np.uint64))

    @classmethod
    def nearest(cls, parts: list[Self], keep: int) -> Self:
        """The `keep` nearest rows of each side, by ascending side and key."""
        sides_H = np.concatenate([part.sides_H for part in parts])
        keys_H = np.concatenate([part.keys_H for part in parts])
        ids_H = np.concatenate([part.ids_H for part in parts])
        hashes_H = np.concatenate([part.hashes_H for part in parts])
        order_H = np.lexsort((hashes_H, keys_H, sides_H))
        ascending_H = sides_H[order_H]
        kept = order_H[np.arange(len(order_H)) - np.searchsorted(ascending_H, ascending_H) < keep]
        return cls(sides_H[kept], keys_H[kept], ids_H[kept], hashes_H[kept])

    def ids_of(self, side: int) -> Ids:
        """The rows of a side, nearest first."""
        start, stop = np.searchsorted(self.sides_H, [side, side + 1])
        return self.ids_H[start:stop]

    def furthest(self, num_sides: int, keep: int) -> Floats:
        """(sides,) the last key of each side that holds `keep` rows; of the others more than any key."""
        stops = np.searchsorted(self.sides_H, np.arange(num_sides), side="right")
        full = np.flatnonzero(np.diff(stops, prepend=0) == keep)
        keys = np.full(num_sides, np.finfo(np.float32).max)
        keys[full] = self.keys_H[stops[full] - 1]
        return keys


def alternately(view: PoolView, classes_G: Ids, thresholds_G: Floats, quotas_G: Ids, taken: Ids, key: int) -> Ids:
    """The rows nearest to each class's threshold, one class after another, as many as its quota: one from the side
    of smaller losses, one from the other, and so on. A row that is taken, by an earlier class too, is passed over.
    """
    keep, done = int(quotas_G.max(initial=0)) + SPARE, 0
    while done < len(classes_G):
        search = partial(
            _near, classes_G=classes_G[done:], thresholds_G=thresholds_G[done:], taken=taken, keep=keep, key=key
        )
        near = Near.nearest(view.map(search), keep)
        for place, quota in enumerate(quotas_G[done:]):
            rows = _in_turns(near.ids_of(2 * place), near.ids_of(2 * place + 1), taken, keep)[:quota]
            if len(rows) < quota:
                break  # earlier classes took what was kept for this one: look again, for it and those behind it
            taken = np.concatenate([taken, rows])
            done += 1
        keep *= 2
    return taken


def _in_turns(lower: Ids, upper: Ids, taken: Ids, keep: int) -> Ids:
    """Those not taken, from either side in turns, as far as the rows kept of each side show which is next."""
    sides = [side[~np.isin(side, taken)] for side in (lower, upper)]
    places = np.concatenate([np.arange(len(side)) for side in sides])
    merged = np.concatenate(sides)[np.argsort(places, kind="stable")]
    known = len(merged)
    if len(lower) == keep:  # there may be more
        known = min(known, len(sides[0]) + min(len(sides[0]), len(sides[1])))
    if len(upper) == keep:
        known = min(known, len(sides[1]) + min(len(sides[0]), len(sides[1]) + 1))
    return merged[:known]


def _near(shard: Shard, classes_G: Ids, thresholds_G: Floats, taken: Ids, keep: int, key: int) -> Near:
    """The `keep` rows of a shard that are nearest on each side, and all that tie with them in a block."""
    num_sides = 2 * len(classes_G)
    bounds = Near.none().furthest(num_sides, keep)
    parts, held = [Near.none()], 0
    for block in shard.candidates(~np.isin(shard.open_ids, taken)):
        losses_GB = np.ascontiguousarray(losses(block, classes_G))
        lower_GB = losses_GB <= thresholds_G[:, None]
        for side, keys_GB in enumerate((np.where(lower_GB, -losses_GB, np.inf), np.where(lower_GB, np.inf, losses_GB))):
            bounds_G = bounds[side::2]
            if keep <= keys_GB.shape[1]:
                np.minimum(bounds_G, np.partition(keys_GB, keep - 1, axis=1)[:, keep - 1], out=bounds_G)
            rows_H, columns_H = np.nonzero(keys_GB <= bounds_G[:, None])
            ids_H = block.ids_B[columns_H]
            parts.append(Near(2 * rows_H + side, keys_GB[rows_H, columns_H], ids_H, tie_hash(key, ids_H)))
            held += len(ids_H)
        if held > max(MOST_HELD, 2 * num_sides * keep):
            parts = [Near.nearest(parts, keep)]
            bounds, held = parts[0].furthest(num_sides, keep), len(parts[0].ids_H)
    return Near.nearest(parts, keep)
