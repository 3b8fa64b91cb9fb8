"""Another strategy on a random sample of the pool, for strategies whose cost grows too fast."""

from typing import ClassVar

from pydantic import PositiveInt

from labelbench_ray.strategies import Want
from labelbench_ray.strategies._ranking import subkey
from labelbench_ray.strategies._sampling import sample
from labelbench_ray.strategies._wrapper import Wrapper
from labelbench_ray.types import Ask, Ids, PoolView


class Subsample(Wrapper):
    """Lets `strategy` choose among `rows` of the unlabeled rows, drawn anew each round; never fewer than the budget.

    With a budget of `rows` or more that is `random`: set `rows` to several times the budget.
    """

    wants: ClassVar[tuple[Want, ...]] = ()
    cost: ClassVar[str] = "N, and that of its strategy on the sample"
    guarantee: ClassVar[str] = "approximate: only sampled rows can be chosen"
    source: ClassVar[str] = "common practice"
    rows: PositiveInt = 10_000

    def choose(self, view: PoolView, budget: int, key: int, ask: Ask | None) -> Ids:
        ids_C = sample(view.open_ids(), subkey(key, "sample"), max(self.rows, budget))
        return self._choose_among(view.only(ids_C), budget, subkey(key, "strategy"), ask)
