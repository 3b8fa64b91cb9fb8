"""PowerMargin: power sampling over the margin (Kirsch et al. 2023; Bahri et al. 2022)."""

from functools import partial

from pydantic import Field

from labelbench_ray.strategies import RankingStrategy
from labelbench_ray.strategies._power import perturbed
from labelbench_ray.strategies._ranking import Score, subkey
from labelbench_ray.strategies.margin import Margin
from labelbench_ray.types import PoolView


class PowerMargin(RankingStrategy):
    """Draws rows without replacement with weights (1 - (p_(1) - p_(2))) ** coldness. Exact.

    `coldness`: towards 0 uniform, towards infinity `margin`.
    """

    coldness: float = Field(1.0, gt=0)

    def scorer(self, view: PoolView, key: int) -> Score:
        return partial(perturbed, score=Margin().score, coldness=self.coldness, key=subkey(key, "gumbel"))
