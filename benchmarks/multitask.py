"""Active multi-task learning: risk of what is bought, the time of an allocation, and of the statistics of tasks.

.venv/bin/python benchmarks/multitask.py [--part risk | allocation | statistics] [--instances 10] [--draws 4]

risk: `task_relevance` and `multitask_linear` on made-up tasks, 6,000 source rows in four equal rounds, 300 rows of the
target, 24 source tasks. What is compared is the part of the target's excess risk that source rows lower, that of the
representation: |(I - B̂ B̂ᵀ) B w|². Each instance is run on several draws of its rows; a ratio is mean over mean, with a
95 % interval by a bootstrap over instances. allocation: shares of 10,000 tasks, 16 dimensions. statistics: the sums of
1,000,000 rows of 512 dimensions in 40 tasks, from a file, in two processes.
"""

import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
from machine import machine, parser, show
from numpy.typing import NDArray
from private_memory import used

from labelbench_ray import strategies
from labelbench_ray.datasets.synthetic_tasks import Instance, Kind, instance
from labelbench_ray.pool.distributions import REAL
from labelbench_ray.pool.task_heads import TaskHeads
from labelbench_ray.proxies.multitask.fit import Solution, Tasks, one_by_one, solve
from labelbench_ray.proxies.multitask.moments import TaskRows, task_moments
from labelbench_ray.strategies import _allocation as allocation
from labelbench_ray.strategies import _relevance as relevance
from labelbench_ray.types import Floats, Ids, PoolView

KINDS: Final[tuple[Kind, ...]] = ("sparse", "repo", "skew")
SOURCES, RANK, ROUND, ROUNDS, TARGET_ROWS, NOISE = 24, 3, 1500, 4, 300, 0.5
TASKS, DIMENSIONS, ROWS, STATISTICS_TASKS = 10_000, 16, 1_000_000, 40
WIDTH: Final = 512


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows of several tasks, the target's with the last number (a `PoolInputs`)."""

    inputs_ND: NDArray[np.float64]
    answers_N: NDArray[np.float64]
    tasks_N: Ids

    @property
    def dimensions(self) -> int:
        return self.inputs_ND.shape[1]

    def standardized(self, ids_B: Ids) -> Floats:
        return self.inputs_ND[ids_B].astype(np.float32)

    def take(self, places: Ids) -> "Rows":
        return Rows(self.inputs_ND[places], self.answers_N[places], self.tasks_N[places])

    def joined(self, other: "Rows") -> "Rows":
        pairs = zip(self._arrays(), other._arrays(), strict=True)
        return Rows(*(np.concatenate(pair) for pair in pairs))

    def _arrays(self) -> tuple[NDArray[Any], ...]:
        return self.inputs_ND, self.answers_N, self.tasks_N

    def solved(self) -> Solution:
        ids = [np.flatnonzero(self.tasks_N == task) for task in range(SOURCES + 1)]
        *sources, target = [TaskRows(each, self.answers_N[each]) for each in ids]
        tasks = Tasks(SOURCES, target, np.arange(SOURCES), tuple(sources))
        return solve(self, tasks, RANK, 1e-3, False, one_by_one)


def drawn(made: Instance, tasks_N: Ids, rng: np.random.Generator) -> Rows:
    """New rows of these tasks."""
    inputs_ND = rng.normal(size=(len(tasks_N), len(made.basis_DR)))
    answers_N = np.einsum("nd,dn->n", inputs_ND, made.weights_DT[:, tasks_N])
    return Rows(inputs_ND, answers_N + NOISE * rng.normal(size=len(tasks_N)), tasks_N)


def view_of(bought: Rows, offered: Rows, found: TaskHeads | None) -> PoolView:
    """A pool whose first rows are bought."""
    both, ids_L = bought.joined(offered), np.arange(len(bought.answers_N))
    inputs_ND = both.inputs_ND.astype(np.float32)
    nothing_N1 = np.zeros((len(inputs_ND), 1), np.float32)
    view = PoolView.from_predictions(REAL, inputs_ND, nothing_N1, ids_L, bought.answers_N, facts={"task": both.tasks_N})
    return replace(view, task_heads=found)


def risk(made: Instance, norm: str, seed: int) -> float:
    """The representation risk after the last round."""
    rng = np.random.default_rng([seed, 13])
    strategy = strategies.create("task_relevance", target=SOURCES, norm=norm, gate="warn")
    bought = drawn(made, np.full(TARGET_ROWS, SOURCES), rng)
    for number in range(ROUNDS):
        # Every task has as many rows left as the round buys, so that none is exhausted.
        offered = drawn(made, np.repeat(np.arange(SOURCES), ROUND), rng)
        found = bought.solved().heads if number else None
        view = view_of(bought, offered, found)
        ids = strategy.select(view, ROUND, np.random.default_rng([seed, number]))
        bought = bought.joined(offered.take(ids - len(bought.answers_N)))
    truth_D, basis_DR = made.basis_DR @ made.target_R, bought.solved().basis_DR
    beyond_D = truth_D - basis_DR @ (basis_DR.T @ truth_D)
    return float(beyond_D @ beyond_D)


def risks(instances: int, draws: int) -> dict[str, Any]:
    """Ratios of l1 and l2 to uniform, by kind."""
    found: dict[str, Any] = {}
    for kind in KINDS:
        by_norm = {}
        for norm in ("uniform", "l1", "l2"):
            print(f"{kind}, {norm}", file=sys.stderr)
            by_norm[norm] = np.array(
                [
                    [risk(instance(kind, seed), norm, seed + 1000 * draw) for draw in range(draws)]
                    for seed in range(instances)
                ]
            )
        found[kind] = {norm: ratio(by_norm[norm], by_norm["uniform"]) for norm in ("l1", "l2")}
        found[kind] |= {
            f"{norm}, first draw": ratio(by_norm[norm][:, :1], by_norm["uniform"][:, :1]) for norm in ("l1", "l2")
        }
    return found


def ratio(above_SC: NDArray[np.float64], below_SC: NDArray[np.float64]) -> dict[str, float]:
    """Mean over mean, its interval over instances, and the instances in which it is below 1."""
    above_S, below_S = above_SC.mean(axis=1), below_SC.mean(axis=1)
    again = np.random.default_rng(0).integers(0, len(above_S), (10_000, len(above_S)))
    low, high = np.quantile(above_S[again].mean(axis=1) / below_S[again].mean(axis=1), (0.025, 0.975))
    return {"ratio": above_S.mean() / below_S.mean(), "low": low, "high": high, "wins": int((above_S < below_S).sum())}


def allocated() -> dict[str, float]:
    """CPU seconds of the shares of many tasks, and of the whole numbers of rows."""
    rng = np.random.default_rng(0)
    heads_RM, target_R = rng.normal(size=(DIMENSIONS, TASKS)), rng.normal(size=DIMENSIONS)
    costs_M, none_M = rng.uniform(0.5, 2, TASKS), np.zeros(TASKS, np.int64)
    relevance.shares("l1", heads_RM[:, :100], target_R, costs_M[:100])  # imports
    seconds = {}
    for name, norm in (("l1", "l1"), ("l2", "l2"), ("linear program", "")):
        start = time.process_time()
        if norm:
            shares_M = relevance.shares(norm, heads_RM, target_R, costs_M)  # type: ignore[arg-type]
        else:
            nu_M = relevance.least_l1(heads_RM / np.sqrt(costs_M), target_R)
            shares_M = np.abs(nu_M) / np.abs(nu_M).sum()
        wanted_M = relevance.cumulative(shares_M, 0.1, 0, 1e6)
        plenty_M, hashes_M = np.full(TASKS, 10**6), np.arange(TASKS).astype(np.uint64)
        counts_M = allocation.purchases(lambda _, wanted=wanted_M: wanted, none_M, plenty_M, 10**6, hashes_M)
        assert counts_M.sum() == 10**6
        seconds[name] = time.process_time() - start
    return seconds


@dataclass(frozen=True, slots=True)
class FileInputs:
    """Rows of a file of float16 (a `PoolInputs`)."""

    path: Path
    dimensions: int = WIDTH

    def standardized(self, ids_B: Ids) -> Floats:
        return np.load(self.path, mmap_mode="r")[ids_B].astype(np.float32)


def task_cost(path: Path, task: int) -> dict[str, float]:
    """CPU seconds and private memory of one task's statistics."""
    ids_L = np.arange(task, ROWS, STATISTICS_TASKS)
    answers_L = np.random.default_rng(task).normal(size=len(ids_L))
    return used(lambda: task_moments(FileInputs(path), TaskRows(ids_L, answers_L)))


def statistics() -> dict[str, float]:
    """Wall seconds of all tasks in two processes, CPU seconds of all, the largest private memory of both together."""
    with TemporaryDirectory(prefix="labelbench-") as folder:
        path, rng = Path(folder) / "rows.npy", np.random.default_rng(0)
        rows_ND = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=(ROWS, WIDTH))
        for start in range(0, ROWS, 1 << 16):
            part_BD = rows_ND[start : start + (1 << 16)]
            part_BD[:] = rng.standard_normal(part_BD.shape, np.float32)
        rows_ND.flush()
        del rows_ND
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            list(pool.map(task_cost, [path] * 2, range(2)))  # imports
            start_wall = time.perf_counter()
            costs = list(pool.map(task_cost, [path] * STATISTICS_TASKS, range(STATISTICS_TASKS)))
            wall = time.perf_counter() - start_wall
    return {
        "wall_seconds": wall,
        "cpu_seconds": sum(each["cpu_seconds"] for each in costs),
        "mib_of_two_processes": 2 * max(each["extra_mib"] for each in costs),
        "mib_of_results": STATISTICS_TASKS * 2 * WIDTH * WIDTH * 8 / 2**20,
    }


def main() -> int:
    """Measure, and print the answer."""
    options = parser(__doc__)
    options.add_argument("--part", choices=("risk", "allocation", "statistics"), help="default: all of them")
    options.add_argument("--instances", type=int, default=10)
    options.add_argument("--draws", type=int, default=4)
    arguments = options.parse_args()
    parts = [arguments.part] if arguments.part else ["risk", "allocation", "statistics"]
    measured: dict[str, Any] = {"machine": machine()}
    met = True
    if "risk" in parts:
        measured["risk"] = found = risks(arguments.instances, arguments.draws)
        met &= all(found[kind]["l1"]["ratio"] < 0.65 for kind in KINDS)
        met &= all(found[kind]["l1"]["ratio"] < found[kind]["l2"]["ratio"] for kind in ("sparse", "repo"))
    if "allocation" in parts:
        measured["allocation_cpu_seconds"] = seconds = allocated()
        met &= max(seconds.values()) <= 1
    if "statistics" in parts:
        measured["statistics"] = cost = statistics()
        met &= cost["wall_seconds"] <= 180 and cost["mib_of_two_processes"] + cost["mib_of_results"] <= 1024
    target = {
        "l1 over uniform": 0.65,
        "l1 over l2 on sparse and repo": 1,
        "allocation": 1,
        "statistics": "180 s, 1 GiB",
    }
    show("multitask", measured, target, met=met)
    return 0


if __name__ == "__main__":
    sys.exit(main())
