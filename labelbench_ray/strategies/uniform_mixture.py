"""Each row is chosen by one of several strategies, drawn uniformly: what a bandit over them must beat."""

from typing import ClassVar

import numpy as np

from labelbench_ray.strategies._arms import Arms, in_turns
from labelbench_ray.strategies._notes import Chosen, History
from labelbench_ray.strategies._ranking import subkey
from labelbench_ray.types import Ask, Ids, PoolView


class UniformMixture(Arms):
    """For each row draws an arm uniformly, which gives its best row that is not taken; the note is the arm's number.

    With the arms of `tailor` it is the control: it shows what learning which arm to play adds.
    """

    cost: ClassVar[str] = "one pass for all arms that score rows, and the cost of the others"
    guarantee: ClassVar[str] = (
        "exact draws; an arm that asks chooses the rows of its turns first, in batches where it cannot"
    )
    source: ClassVar[str] = "the control of Zhang et al. 2023, [2302.07317](https://arxiv.org/abs/2302.07317)"

    def choose(self, view: PoolView, budget: int, key: int, ask: Ask | None) -> Ids:
        return self.choose_with_notes(view, budget, key, ask, ()).ids

    def choose_with_notes(self, view: PoolView, budget: int, key: int, ask: Ask | None, history: History) -> Chosen:
        arms = self.playing(view, key)
        turns_B = np.random.default_rng(subkey(key, "turns")).integers(len(arms), size=budget)
        return in_turns(view, arms, turns_B, key, ask)
