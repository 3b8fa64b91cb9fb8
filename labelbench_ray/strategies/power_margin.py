"""PowerMargin: power sampling over the margin (Kirsch et al. 2023; Bahri et al. 2022)."""

from functools import partial
from typing import ClassVar

from pydantic import Field

from labelbench_ray.strategies import RankingStrategy, Want
from labelbench_ray.strategies._power import perturbed
from labelbench_ray.strategies._ranking import Score, subkey
from labelbench_ray.strategies.margin import Margin
from labelbench_ray.types import PoolView


class PowerMargin(RankingStrategy):
    """Draws rows without replacement with weights (1 - (p_(1) - p_(2))) ** coldness. Exact.

    `coldness`: towards 0 uniform, towards infinity `margin`.
    """

    wants: ClassVar[tuple[Want, ...]] = ("probabilities",)
    cost: ClassVar[str] = "N·K"
    guarantee: ClassVar[str] = "exact: the law of sampling without replacement"
    source: ClassVar[str] = (
        "Kirsch et al. 2023; compared by Bahri et al., *Is Margin All You Need?*, 2022, "
        "[2210.03822](https://arxiv.org/abs/2210.03822)"
    )
    on_device: ClassVar[bool] = True
    coldness: float = Field(1.0, gt=0)

    def scorer(self, view: PoolView, key: int) -> Score:
        return partial(perturbed, score=Margin().score, coldness=self.coldness, key=subkey(key, "gumbel"))
