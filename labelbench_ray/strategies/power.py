"""Power sampling over any score, as in PowerMargin, PowerEntropy and PowerBALD (Kirsch et al. 2023)."""

from collections.abc import Mapping
from functools import partial
from typing import ClassVar

from pydantic import Field, field_validator

from labelbench_ray import plugins
from labelbench_ray.plugins import Part
from labelbench_ray.strategies import PACKAGE, RankingStrategy, Strategy, Want
from labelbench_ray.strategies._power import perturbed
from labelbench_ray.strategies._ranking import Score, subkey
from labelbench_ray.strategies._wrapper import Composed
from labelbench_ray.strategies.power_margin import PowerMargin
from labelbench_ray.types import PoolView


class Power(Composed, RankingStrategy):  # type: ignore[override]  # `bytes_per_row` as of any wrapper
    """Draws rows without replacement with weights score ** coldness, instead of taking the best scores. Exact.

    `strategy` scores the rows, with scores of at least 0: a `RowStrategy`, `bald` or the like.
    `coldness`: towards 0 uniform, towards infinity the strategy's own best.
    """

    wants: ClassVar[tuple[Want, ...]] = ()
    cost: ClassVar[str] = "that of its strategy"
    guarantee: ClassVar[str] = "exact: the law of sampling without replacement"
    source: ClassVar[str] = (
        "Kirsch et al., *Stochastic Batch Acquisition*, TMLR 2023, [2106.12059](https://arxiv.org/abs/2106.12059)"
    )
    needs_ask: ClassVar[bool] = False  # a strategy that scores rows asks for nothing
    renamed_settings: ClassVar[Mapping[str, str]] = {"base": "strategy"}
    strategy: Part = Part(name="margin")
    coldness: float = Field(1.0, gt=0)

    @field_validator("strategy")
    @classmethod
    def _refuse_what_scores_no_rows(cls, strategy: Part) -> Part:
        kind = plugins.load(Strategy, PACKAGE, strategy.name)
        if issubclass(kind, (Power, PowerMargin)):
            raise ValueError(f"{strategy.name!r} draws at random already; take the strategy that scores its rows")
        if not issubclass(kind, RankingStrategy):
            raise ValueError(f"{strategy.name!r} gives rows no score; take a strategy that does, such as 'margin'")
        return strategy

    def scorer(self, view: PoolView, key: int) -> Score:
        scoring = self._inner()["strategy"]
        assert isinstance(scoring, RankingStrategy)
        score = scoring.scorer(view, subkey(key, "base"))
        return partial(perturbed, score=score, coldness=self.coldness, key=subkey(key, "gumbel"))
