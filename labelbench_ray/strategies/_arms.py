"""Strategies that let others, their arms, choose row by row; the note of a row is the number of the arm that chose it.

Whose turn it is for each row of a batch is known before a label arrives. An arm that asks for labels therefore chooses
as many rows as it has turns, and first; where answers come after the batch, by the labels known before it. Every other
arm ranks as many rows as the batch has, and in its turns gives the next one that is not taken. No arm can run out of
rows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from pydantic import PositiveInt, model_validator

from labelbench_ray import plugins
from labelbench_ray.plugins import Part
from labelbench_ray.strategies._notes import Chosen
from labelbench_ray.strategies._ranking import best_rows_of, subkey
from labelbench_ray.strategies._rare_classes import below_mean, class_counts
from labelbench_ray.strategies._strategy import PACKAGE, RankingStrategy, Strategy, Want
from labelbench_ray.strategies._wrapper import Composed
from labelbench_ray.types import Ask, Ids, PoolView


@dataclass(frozen=True, slots=True)
class Arm:
    """A strategy that may choose rows of a batch, and its number."""

    number: int
    strategy: Strategy


class Arms(Composed):
    """The base of strategies that choose by arms."""

    wants: ClassVar[tuple[Want, ...]] = ("labels",)
    tasks: ClassVar[tuple[str, ...]] = ("single_label", "multi_label")
    arms: tuple[Part, ...] = (Part(name="random"), Part(name="confidence"), Part(name="margin"), Part(name="entropy"))
    """Strategies that choose among all rows."""
    per_class: tuple[Part, ...] = (Part(name="most_likely_positive"),)
    """Strategies with a setting `classes`: each is one arm for every class with fewer labels than the mean class."""
    max_arms: PositiveInt = 64
    """The largest number of arms; where there are more, arms of the classes with the most labels are left out."""

    @model_validator(mode="after")
    def _refuse_too_few_or_too_many(self) -> Self:
        if not self.arms:
            raise ValueError("arms: there is none; name at least one strategy")
        if len(self.arms) > self.max_arms:
            raise ValueError(f"max_arms: {self.max_arms} is less than the {len(self.arms)} arms; raise it")
        for part in self.per_class:
            if "classes" not in plugins.load(Strategy, PACKAGE, part.name).model_fields:
                raise ValueError(
                    f"per_class: {part.name!r} has no setting 'classes', so it cannot look for one class; use "
                    "'most_likely_positive', or name it in `arms`"
                )
        return self

    @classmethod
    def table_row(cls) -> dict[str, str]:
        return super().table_row() | {"asks": "where it can, if an arm asks"}

    @property
    def needs_ask(self) -> bool:  # type: ignore[override]  # read of a strategy that is made, never of its class
        return any(arm.needs_ask and not arm.batched for arm in self._inner().values())

    def arm_names(self, num_classes: int) -> tuple[str, ...]:
        """What each arm is called, by its number."""
        of_class = (_part_of_class(part, label) for part in self.per_class for label in range(num_classes))
        return tuple(map(str, (*self.arms, *of_class)))

    def playing(self, view: PoolView, key: int) -> tuple[Arm, ...]:
        """The arms of this round, by number: all of `arms`, and those of rare classes while there is room."""
        inner = self._inner()
        always = [Arm(place, inner[f"arms.{place}"]) for place in range(len(self.arms))]
        room = (self.max_arms - len(self.arms)) // max(1, len(self.per_class))
        rare_C = below_mean(class_counts(view), subkey(key, "rarest"))[:room]
        of_class = [
            Arm(len(self.arms) + place * view.num_classes + label, _of_class(part, label))
            for place, part in enumerate(self.per_class)
            for label in np.sort(rare_C).tolist()
        ]
        return (*always, *of_class)


def in_turns(view: PoolView, arms: Sequence[Arm], turns_B: Ids, key: int, ask: Ask | None) -> Chosen:
    """Let each row of the batch be chosen by the arm at its place of `turns_B`; notes are the arms' numbers."""
    budget = len(turns_B)
    taken: set[int] = set()
    orders: dict[int, Ids] = {}
    played = np.unique(turns_B).tolist()
    for place in played:
        if _asks(arms[place].strategy):
            left = view.only(np.setdiff1d(view.open_ids(), list(taken))) if taken else view
            orders[place] = _chosen_by(arms[place], left, int((turns_B == place).sum()), key, ask)
            taken |= set(orders[place].tolist())
    asked = {place: iter(order.tolist()) for place, order in orders.items()}
    rankings = _rankings(view, {place: arms[place] for place in played if place not in asked}, budget, key)
    following = asked | {place: _untaken(order, taken) for place, order in rankings.items()}
    chosen: list[int] = []
    for place in turns_B.tolist():
        chosen.append(next(following[place]))
        taken.add(chosen[-1])
    return Chosen(np.array(chosen, np.int64), np.array([arm.number for arm in arms], np.int64)[turns_B])


def _asks(strategy: plugins.Plugin) -> bool:
    """Whether it, or an arm of it, asks where it can."""
    asks = isinstance(strategy, Strategy) and (strategy.needs_ask or strategy.batched)
    return asks or any(map(_asks, strategy.inner_plugins().values()))


def _untaken(order_B: Ids, taken: set[int]) -> Iterator[int]:
    """An order's rows that are not taken when it is their turn."""
    return (row for row in order_B.tolist() if row not in taken)


def _rankings(view: PoolView, arms: dict[int, Arm], budget: int, key: int) -> dict[int, Ids]:
    """Each arm's order of its best rows; those that rank by a score share one pass over the pool."""
    ranking = {place: arm.strategy for place, arm in arms.items() if isinstance(arm.strategy, RankingStrategy)}
    scores = []
    for place, strategy in ranking.items():
        strategy.check_view(view)
        own = subkey(key, f"arm {arms[place].number}")
        scores.append((own, strategy.scorer(view, own)))
    found = {place: best.ids_C for place, best in zip(ranking, best_rows_of(view, budget, scores), strict=True)}
    others = {place: arm for place, arm in arms.items() if place not in ranking}
    return found | {place: _chosen_by(arm, view, budget, key, None) for place, arm in others.items()}


def _chosen_by(arm: Arm, view: PoolView, budget: int, key: int, ask: Ask | None) -> Ids:
    rng = np.random.default_rng(subkey(key, f"arm {arm.number}"))
    if arm.strategy.batched and ask is None:
        arm.strategy.check_view(view)
        return arm.strategy.choose_batched(view, budget, int(rng.integers(2**64, dtype=np.uint64)))
    return arm.strategy.select(view, budget, rng, ask)


def _of_class(part: Part, label: int) -> Strategy:
    return plugins.build(Strategy, PACKAGE, _part_of_class(part, label))


def _part_of_class(part: Part, label: int) -> Part:
    return Part(name=part.name, settings=part.settings | {"classes": [label]})
