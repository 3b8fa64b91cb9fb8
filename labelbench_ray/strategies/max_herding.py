"""MaxHerding (Bae et al. 2024, "Generalized Coverage for More Robust Low-Budget Active Learning")."""

from functools import partial
from typing import ClassVar

from pydantic import Field

from labelbench_ray.strategies import Strategy, Want
from labelbench_ray.strategies._coverage import TARGETS, one, radial
from labelbench_ray.strategies._lazy_greedy import cover
from labelbench_ray.types import Ask, Ids, PoolView


class MaxHerding(Strategy):
    """Rows that, with the labeled ones, cover the most: sum_i max_{j in L u S} exp(-(|x_i - x_j| / sigma)^2).

    Features are scaled to length 1. Exact greedy if the pool has at most `targets` rows, otherwise on gains estimated
    from that many (`_coverage.py`).
    """

    wants: ClassVar[tuple[Want, ...]] = ("embeddings", "labels")
    labels_as_places: ClassVar[bool] = True
    cost: ClassVar[str] = "N·4096·D, lazy greedy after it"
    guarantee: ClassVar[str] = (
        "exact greedy on pools of up to 4,096 rows; gains estimated from 4,096 sampled rows above"
    )
    source: ClassVar[str] = (
        "Bae et al., *Generalized Coverage for More Robust Low-Budget Active Learning*, ECCV 2024, "
        "[2407.12212](https://arxiv.org/abs/2407.12212)"
    )
    cold_start: ClassVar[bool] = True
    tasks: ClassVar[tuple[str, ...]] = ("single_label", "multi_label", "regression", "response")
    sigma: float = Field(default=1.0, ge=1e-6)
    """The distance at which a row is covered by 1/e."""
    targets: int = Field(default=TARGETS, gt=0)
    """How many rows of the pool the gains are estimated from."""

    def choose(self, view: PoolView, budget: int, key: int, ask: Ask | None) -> Ids:
        return cover(view, budget, key, partial(radial, sigma=self.sigma), one, self.targets)
