"""Rounds of active multi-task learning on made-up tasks: `TaskRelevance` decides how many rows of each task to buy.

Only the pool is replaced: rows are drawn when they are bought, so that no task runs out of them.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.datasets.synthetic_tasks import Instance
from labelbench_ray.pool.task_heads import Heads, TaskHeads
from labelbench_ray.proxies.multitask.fit import Tasks, one_by_one, solve
from labelbench_ray.proxies.multitask.moments import TaskRows
from labelbench_ray.strategies import _relevance as relevance
from labelbench_ray.strategies.task_relevance import TaskRelevance
from labelbench_ray.types import PoolView


@dataclass(frozen=True)
class Setup:
    """How rows are bought: evenly in the first round, then by a rule."""

    rows: int
    """Of all source tasks after the last round."""
    rounds: int = 4
    noise: float = 0.5
    target_rows: int = 300
    explore: float = 0.1


@dataclass(eq=False)
class Bought:
    """Rows of all tasks, the target last; they look like the rows of a pool."""

    inputs_ND: NDArray[np.float64]
    answers_N: NDArray[np.float64]
    tasks_N: NDArray[np.int64]

    @property
    def dimensions(self) -> int:
        return self.inputs_ND.shape[1]

    def standardized(self, ids_B: NDArray[np.int64]) -> NDArray[np.float32]:
        return self.inputs_ND[ids_B].astype(np.float32)

    def tasks(self, number: int) -> Tasks:
        ids = [np.flatnonzero(self.tasks_N == task) for task in range(number + 1)]
        every = [TaskRows(each, self.answers_N[each]) for each in ids]
        return Tasks(number, every[-1], np.arange(number), tuple(every[:-1]))


@dataclass(frozen=True)
class View:
    """What `TaskRelevance` reads of a pool when it decides how many rows of each task to buy: the labeled ones."""

    tasks_N: NDArray[np.int64]
    task_heads: TaskHeads | None

    def map(self, function: Callable[[Any], Any]) -> list[Any]:
        return [function(SimpleNamespace(facts={"task": self.tasks_N}, labeled_S=slice(None)))]


@dataclass
class Outcome:
    """Excess risk of the target: of its representation alone, and in all; and what was bought."""

    representation: float
    total: float
    bought_M: NDArray[np.int64]
    cross_fits: list[float] = field(default_factory=list)


def run(made: Instance, setup: Setup, norm: str, seed: int, known: bool = False, hold: bool = False) -> Outcome:
    """Buy rows round by round; `known`: by the true heads; `hold`: evenly while relevance is not identified."""
    rng, sources, rank = np.random.default_rng([seed, 77]), made.heads_RM.shape[1], made.heads_RM.shape[0]
    strategy = TaskRelevance(target=sources, norm=norm, explore=setup.explore, gate="hold" if hold else "warn")
    tasks_M, bought_M = np.arange(sources), np.zeros(sources, np.int64)
    each, cross_fits = setup.rows // setup.rounds, list[float]()
    data = _drawn(made, np.full(setup.target_rows, sources), setup.noise, rng)
    plenty_M = np.full(sources, each + 1)
    for number in range(setup.rounds):
        found = None
        if number:
            true = Heads(made.heads_RM, made.target_R)
            found = TaskHeads(sources, tasks_M, true, (true, true))
            if norm != "uniform" and not known:
                found = solve(data, data.tasks(sources), rank, 1e-3, False, one_by_one).heads
                assert found is not None
                cross_fits.append(strategy._cross_fit(found, float(each * (number + 1))))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "which tasks are relevant")
            view = cast("PoolView", View(data.tasks_N, found))
            counts_M = strategy._counts(view, tasks_M, plenty_M, each, key=seed)
        bought_M += counts_M
        data = _joined(data, _drawn(made, np.repeat(np.arange(sources), counts_M), setup.noise, rng))
    last, truth_D = solve(data, data.tasks(sources), rank, 1e-3, False, one_by_one), made.basis_DR @ made.target_R
    beyond_D = truth_D - last.basis_DR @ (last.basis_DR.T @ truth_D)
    return Outcome(float(beyond_D @ beyond_D), float(np.square(truth_D - last.weight_D).sum()), bought_M, cross_fits)


def exact_shares(norm: str, heads_RM: NDArray[np.float64], target_R: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares by the exact solution, without a lasso's penalty."""
    nu_M = relevance.least_l1(heads_RM, target_R) if norm == "l1" else relevance.least_l2(heads_RM, target_R)
    weights_M = np.abs(nu_M) if norm == "l1" else nu_M**2
    return weights_M / weights_M.sum()


def _drawn(made: Instance, tasks_N: NDArray[np.int64], noise: float, rng: np.random.Generator) -> Bought:
    inputs_ND = rng.normal(size=(len(tasks_N), len(made.basis_DR)))
    answers_N = np.einsum("nd,dn->n", inputs_ND, made.weights_DT[:, tasks_N]) + noise * rng.normal(size=len(tasks_N))
    return Bought(inputs_ND, answers_N, tasks_N)


def _joined(first: Bought, second: Bought) -> Bought:
    names = ("inputs_ND", "answers_N", "tasks_N")
    return Bought(*(np.concatenate([getattr(first, name), getattr(second, name)]) for name in names))
