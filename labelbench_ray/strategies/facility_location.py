"""Facility location (Cornuejols et al. 1977; in active learning: Wei et al. 2015, DISTIL 2021)."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from labelbench_ray.strategies import Strategy, Want
from labelbench_ray.strategies._coverage import TARGETS, one
from labelbench_ray.strategies._lazy_greedy import cover
from labelbench_ray.types import Ask, Ids, PoolView


class FacilityLocation(Strategy):
    """Rows that, with the labeled ones, are most alike to the pool: sum_i max_{j in L u S} (1 + cos(x_i, x_j)) / 2.

    Exact greedy if the pool has at most `targets` rows, otherwise on gains estimated from that many (`_coverage.py`).
    The shift of the cosine keeps it from being negative and changes no difference between two cosines.
    """

    wants: ClassVar[tuple[Want, ...]] = ("embeddings", "labels")
    cost: ClassVar[str] = "N·4096·D, lazy greedy after it"
    guarantee: ClassVar[str] = (
        "exact greedy on pools of up to 4,096 rows; gains estimated from 4,096 sampled rows above"
    )
    source: ClassVar[str] = (
        "Cornuéjols et al. 1977; Wei et al., *Submodularity in Data Subset Selection and Active Learning*, ICML 2015"
    )
    cold_start: ClassVar[bool] = True
    targets: int = Field(default=TARGETS, gt=0)
    """How many rows of the pool the gains are estimated from."""

    def choose(self, view: PoolView, budget: int, key: int, ask: Ask | None) -> Ids:
        return cover(view, budget, key, shifted_cosine, one, self.targets)


def shifted_cosine(cosines: NDArray[np.floating]) -> NDArray[np.floating]:
    """(1 + cos) / 2, in place."""
    cosines += 1
    cosines *= 0.5
    return cosines
