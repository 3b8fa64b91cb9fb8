"""More rows of the source tasks that a target task learns from (A-MTRL and L1-A-MTRL)."""

import warnings
from collections.abc import Mapping
from functools import partial
from typing import Annotated, ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, JsonValue, NonNegativeInt, PositiveInt, field_validator

from labelbench_ray.plugins import Part
from labelbench_ray.pool.task_heads import TaskHeads
from labelbench_ray.strategies import _allocation as allocation
from labelbench_ray.strategies import _relevance as relevance
from labelbench_ray.strategies._notes import Chosen, History
from labelbench_ray.strategies._ranking import subkey, tie_hash
from labelbench_ray.strategies._strategy import MemoryStrategy, Want
from labelbench_ray.strategies._task_quotas import rows_by_task
from labelbench_ray.strategies._wrapper import Composed
from labelbench_ray.types import Ask, Ids, PoolView, Shard

MOST_SHOWN: Final = 8
"""Tasks whose share a round's record states, the largest first."""
RELEVANT: Final = 0.01
"""The share of the rows from which on a task counts as relevant."""


class TaskRelevance(Composed, MemoryStrategy):
    """Rows of each source task in proportion to how much the target's head depends on that task's head.

    The first batch has the target's rows and an equal number of each source task. Later rounds read the heads of
    `multitask_linear`. `strategy` chooses within a task; notes hold each row's task.
    """

    wants: ClassVar[tuple[Want, ...]] = ("facts",)
    tasks: ClassVar[tuple[str, ...]] = ("single_label", "regression")
    cost: ClassVar[str] = "N, a linear program of 2M columns and R rows, and that of its strategy on each task"
    guarantee: ClassVar[str] = "least risk for the estimated heads (c-optimal design); relevance is cross-checked"
    source: ClassVar[str] = (
        "A-MTRL, ICML 2022, [2202.00911](https://arxiv.org/abs/2202.00911); L1-A-MTRL, ICML 2023, "
        "[2306.02556](https://arxiv.org/abs/2306.02556)"
    )
    neutral_settings: ClassVar[Mapping[str, JsonValue]] = {"penalty": relevance.PENALTY}
    target: NonNegativeInt = 0
    """The number of the target, as the fact `task` has it."""
    norm: relevance.Norm = "l1"
    """l1: few tasks, the least risk; l2: shares by squares of the least squares solution; uniform: equal shares."""
    penalty: Annotated[float, Field(gt=0, lt=1)] = relevance.PENALTY
    """Of l1's lasso, as a share of the least penalty that leaves no task relevant; a larger one leaves fewer tasks."""
    explore: Annotated[float, Field(ge=0, le=1)] = 0.1
    """The share of all source rows that is spread evenly."""
    floor: NonNegativeInt = 0
    """Rows that each task has at least, as far as an even spread has them."""
    costs: dict[NonNegativeInt, float] = {}
    """What a row of a task costs, by the task's number; 1 where it is not named. The budget still counts rows."""
    target_rows: PositiveInt | None = None
    """Rows of the target in the first batch; None: all, but at most half of the batch."""
    gate: Literal["warn", "hold"] = "warn"
    """What to do while the two halves of the rows disagree on which tasks are relevant: warn, or buy evenly, too."""
    strategy: Part = Part(name="random")
    """Which rows of a task are chosen."""

    @field_validator("costs")
    @classmethod
    def _check_costs(cls, costs: dict[int, float]) -> dict[int, float]:
        for task, cost in costs.items():
            if not (np.isfinite(cost) and cost > 0):
                raise ValueError(
                    f"the cost of task {task} is {cost}; a cost must be a positive number: leave a task out that costs "
                    "the usual 1"
                )
        return costs

    @property
    def facts(self) -> tuple[str, ...]:  # type: ignore[override]  # read of a strategy that is made, never of its class
        return tuple(sorted({*super().facts, "task"}))

    def choose_with_notes(self, view: PoolView, budget: int, key: int, ask: Ask | None, history: History) -> Chosen:
        tasks_T, rows = rows_by_task(view)
        sizes_T = np.array([len(ids) for ids in rows])
        counts_T = self._counts(view, tasks_T, sizes_T, budget, key)
        inner, chosen, notes = self._inner()["strategy"], list[Ids](), list[Ids]()
        for place in np.flatnonzero(counts_T):
            rng = np.random.default_rng(subkey(key, f"task {tasks_T[place]}"))
            chosen.append(inner.select(view.only(rows[place]), int(counts_T[place]), rng, ask))
            notes.append(np.full(counts_T[place], tasks_T[place]))
        return Chosen(np.concatenate(chosen), np.concatenate(notes))

    def round_metrics(self, view: PoolView) -> dict[str, float]:
        """How good the rows bought so far are for the target, as the heads predict it, and which tasks are relevant."""
        found = view.task_heads
        if found is None:
            return {}
        every, costs_M = found.all_rows, self._costs(found.tasks_M)
        bought_M = _bought(view, found.tasks_M).astype(np.float64)
        shares_M = relevance.shares(self.norm, every.heads_RM, every.target_R, costs_M, self.penalty)
        most = 0 if self.norm == "uniform" else MOST_SHOWN
        largest = [place for place in np.argsort(-shares_M, kind="stable")[:most] if shares_M[place] > 0]
        reported = {
            "Source Rows": float(bought_M.sum()),
            "Source Cost": float(bought_M @ costs_M),
            "Predicted Risk": relevance.risk(every.heads_RM, every.target_R, bought_M),
            "Predicted Risk to Even": relevance.risk_ratio(every.heads_RM, every.target_R, bought_M),
            **({"Cross-Fit Risk to Even": self._cross_fit(found, float(bought_M.sum()))} if most else {}),
            "Relevant Tasks": float((shares_M >= RELEVANT).sum()),
            **{f"Share of Task {found.tasks_M[place]}": float(shares_M[place]) for place in largest},
        }
        return {name: value for name, value in reported.items() if np.isfinite(value)}

    def most_target_rows(self, budget: int) -> int:
        """How many rows of the target a first batch has at most."""
        return budget // 2 if self.target_rows is None else min(self.target_rows, budget)

    def _counts(
        self, view: PoolView, tasks_T: Ids, sizes_T: NDArray[np.int64], budget: int, key: int
    ) -> NDArray[np.int64]:
        """(T,) how many rows to buy of each task that has some left."""
        is_target_T, counts_T = tasks_T == self.target, np.zeros(len(tasks_T), np.int64)
        if view.task_heads is None:
            counts_T = np.where(is_target_T, np.minimum(sizes_T, self.most_target_rows(budget)), 0)
        # The target's rows teach no representation: others of them are bought once no source has any left.
        sources_T = np.where(is_target_T, 0, sizes_T)
        left = budget - int(counts_T.sum())
        of_sources = min(left, int(sources_T.sum()))
        bought_T = _bought(view, tasks_T)
        total = float(sum(view.map(partial(_labeled_but, target=self.target))) + of_sources)
        even = view.task_heads is None or self._is_held(view.task_heads, total)
        wanted = partial(_even, total) if even else partial(self._relevant, view, tasks_T, total)
        counts_T += allocation.purchases(wanted, bought_T, sources_T, of_sources, tie_hash(key, tasks_T))
        return counts_T + np.where(is_target_T, left - of_sources, 0)

    def _relevant(self, view: PoolView, tasks_T: Ids, total: float, open_T: NDArray[np.bool_]) -> NDArray[np.float64]:
        found = view.task_heads
        assert found is not None
        wanted_T = np.zeros(len(tasks_T))
        heads_RC, costs_C = _columns(found, tasks_T[open_T]), self._costs(tasks_T[open_T])
        shares_C = relevance.shares(self.norm, heads_RC, found.all_rows.target_R, costs_C, self.penalty)
        wanted_T[open_T] = relevance.cumulative(shares_C, self.explore, self.floor, total)
        return wanted_T

    def _is_held(self, found: TaskHeads, total: float) -> bool:
        """Whether this round buys evenly, because it is not known which tasks are relevant; warns in any case."""
        if self.norm == "uniform" or (risk := self._cross_fit(found, total)) < 1:
            return False
        is_held = self.gate == "hold"
        bought = "this round buys evenly" if is_held else "this round buys by them; gate='hold' buys evenly meanwhile"
        warnings.warn(
            f"which tasks are relevant to task {self.target} is not identified yet: the shares that one half of "
            f"the rows gives leave, by the other half, {risk:.2f} times the risk of equal shares; more rows of the "
            f"target or a larger first batch help; {bought}",
            stacklevel=2,
        )
        return is_held

    def _cross_fit(self, found: TaskHeads, total: float) -> float:
        costs_M, halves = self._costs(found.tasks_M), found.halves
        return relevance.cross_fit(halves, self.norm, costs_M, self.explore, self.floor, total, self.penalty)

    def _costs(self, tasks_T: Ids) -> NDArray[np.float64]:
        return np.array([self.costs.get(task, 1.0) for task in tasks_T.tolist()])


def _even(total: float, open_T: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.where(open_T, total / max(1, int(open_T.sum())), 0.0)


def _columns(found: TaskHeads, tasks_C: Ids) -> NDArray[np.float64]:
    """(R, C) heads of these tasks; zeros for one without labeled rows, which gets its even part only."""
    place_of = {task: place for place, task in enumerate(found.tasks_M.tolist())}
    heads_RC = np.zeros((len(found.all_rows.target_R), len(tasks_C)))
    for column, task in enumerate(tasks_C.tolist()):
        if task in place_of:
            heads_RC[:, column] = found.all_rows.heads_RM[:, place_of[task]]
    return heads_RC


def _bought(view: PoolView, tasks_T: Ids) -> NDArray[np.int64]:
    """(T,) how many labeled rows these tasks (ascending) have."""
    return sum(view.map(partial(_labeled_of, tasks_T=tasks_T)), np.zeros(len(tasks_T), np.int64))


def _labeled_of(shard: Shard, tasks_T: Ids) -> NDArray[np.int64]:
    task_L = shard.facts["task"][shard.labeled_S]
    places_L = np.minimum(np.searchsorted(tasks_T, task_L), max(len(tasks_T) - 1, 0))
    known_L = tasks_T[places_L] == task_L if len(tasks_T) else np.zeros(len(task_L), np.bool_)
    counts_T: NDArray[np.int64] = np.bincount(places_L[known_L], minlength=len(tasks_T))
    return counts_T


def _labeled_but(shard: Shard, target: int) -> int:
    return int((shard.facts["task"][shard.labeled_S] != target).sum())
