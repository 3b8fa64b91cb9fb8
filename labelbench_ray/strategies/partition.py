"""Another strategy on random parts of the pool, one after the other (Citovsky et al. 2021, A.1, for BADGE)."""

from typing import ClassVar

import numpy as np
from pydantic import PositiveInt

from labelbench_ray.strategies import Want
from labelbench_ray.strategies._ranking import subkey
from labelbench_ray.strategies._sampling import sample
from labelbench_ray.strategies._wrapper import Wrapper
from labelbench_ray.types import Ask, Ids, PoolView


class Partition(Wrapper):
    """Splits the unlabeled rows at random into `parts`, and lets `strategy` choose its share of the budget in each.

    A part sees all labels, and nothing of what is chosen in the others. Parts and shares differ by one row at most.
    """

    wants: ClassVar[tuple[Want, ...]] = ()
    cost: ClassVar[str] = "that of its strategy, with N and b divided by the parts"
    guarantee: ClassVar[str] = "approximate: nothing is known of what other parts choose"
    source: ClassVar[str] = "as Citovsky et al. 2021 do for BADGE, [2107.14263](https://arxiv.org/abs/2107.14263), A.1"
    parts: PositiveInt = 10

    def choose(self, view: PoolView, budget: int, key: int, ask: Ask | None) -> Ids:
        shuffled_U = sample(view.open_ids(), subkey(key, "parts"), view.num_unlabeled)
        shares = [len(share) for share in np.array_split(np.arange(budget), self.parts)]
        chosen = [
            self._choose_among(view.only(ids_C), share, subkey(key, f"part {number}"), ask)
            for number, (ids_C, share) in enumerate(zip(np.array_split(shuffled_U, self.parts), shares, strict=True))
            if share
        ]
        return np.concatenate(chosen)
