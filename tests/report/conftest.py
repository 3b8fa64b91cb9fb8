"""Ledgers with planted accuracies."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from labelbench_ray.config import Trial, digest, vary
from labelbench_ray.costs import Cost
from labelbench_ray.ledger.experiments import write_grid
from labelbench_ray.ledger.records import Entry, Grid, Stopped, Traits
from labelbench_ray.ledger.stopped import write_stopped
from labelbench_ray.ledger.trials import Failure, Header, Ledger, write_failure
from labelbench_ray.trial.traits import shipped_traits

BASE = Trial(dataset="digits", encoder="pixels", strategy="random", seed=0, rounds=5, budget=10)


@dataclass
class Experiment:
    """An experiment's folder under construction."""

    folder: Path
    base: Trial = BASE
    entries: list[Entry] = field(default_factory=list)

    def add(
        self,
        strategy: str | dict[str, object],
        seed: int,
        accuracies: Sequence[float],
        *,
        error: str = "",
        stopped: bool = False,
        extra: dict[str, float] | None = None,
        extra_by_round: Sequence[dict[str, float]] | None = None,
        groups: dict[str, dict[str, float]] | None = None,
        first: int | None = None,
        store: str = "store",
        views: str = "",
        spent: dict[str, Cost] | None = None,
        scored_on: Sequence[str] = (),
        traits: Traits | None = None,
        hits: NDArray[np.bool_] | None = None,
        **fields: object,
    ) -> Path:
        """A trial with these test accuracies; more rounds asked for than given: unfinished, stopped or failed.

        `hits`: (rounds, rows), whose means are the accuracies.
        """
        trial = vary(self.base, strategy=strategy, seed=seed, **fields)
        fingerprint = digest(trial.model_dump(mode="json", exclude={"rounds"}))
        self.entries.append(Entry(fingerprint=fingerprint, trial=trial))
        header = Header(
            fingerprint=fingerprint,
            trial=trial,
            store=store,
            views=views,
            compute="onnx",
            traits=shipped_traits(trial) if traits is None else traits,
            versions={},
        )
        ids = np.random.default_rng(seed if first is None else first).permutation(1_000).astype(np.int64)
        with Ledger.open(self.folder / fingerprint, header) as ledger:
            for number, accuracy in enumerate(accuracies):
                chosen = ids[number * trial.budget : (number + 1) * trial.budget]
                ledger.publish(
                    number,
                    chosen,
                    np.zeros(trial.budget, np.int64),
                    (number + 1) * trial.budget,
                    {"Test Accuracy": accuracy, "Pool Accuracy": accuracy - 0.01}
                    | (extra_by_round[number] if extra_by_round else extra or {}),
                    {"fit": Cost(1.0, 0.75), "score": Cost(0.5, 0.5)} if spent is None else spent,
                    {"weight": np.zeros(1, np.float32)},
                    groups=groups or {},
                    scored_on=scored_on[number] if scored_on else "",
                    hits={} if hits is None else {"Test": hits[number]},
                )
            if error:
                write_failure(ledger.directory, Failure(error=error, traceback="..."))
            if stopped:
                write_stopped(
                    ledger.directory, Stopped(rounds_done=len(accuracies), rounds=trial.rounds, rule="behind")
                )
        return self.folder / fingerprint

    def plan(self, strategy: str, seed: int, **fields: object) -> None:
        """A trial of the grid that has not started."""
        trial = vary(self.base, strategy=strategy, seed=seed, **fields)
        self.entries.append(Entry(fingerprint=digest(trial.model_dump(mode="json", exclude={"rounds"})), trial=trial))

    def write(self) -> Path:
        """Note the grid; the folder."""
        write_grid(self.folder, Grid(experiment="test.grid", entries=tuple(self.entries)))
        return self.folder


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    return Experiment(tmp_path / "test.grid")


RANDOM = np.array([0.50, 0.60, 0.70, 0.75, 0.80])
CURVES = {
    "random": RANDOM,
    "margin": np.array([0.50, 0.70, 0.90, 0.91, 0.92]),  # crosses 0.80 at 25 of 50 labels
    "entropy": np.array([0.50, 0.65, 0.75, 0.80, 0.85]),  # reaches it at 40
    "coreset": np.array([0.50, 0.55, 0.60, 0.65, 0.70]),  # does not
}


@pytest.fixture
def planted(experiment: Experiment) -> Callable[..., Path]:
    """Build a grid whose mean curves are `CURVES`: seeds move all strategies alike, plus a little of their own."""

    def build(strategies: Sequence[str] = tuple(CURVES), seeds: int = 5, own: float = 0.002) -> Path:
        for strategy in strategies:
            wobble = own * np.random.default_rng(len(strategy)).normal(size=(seeds, 5))
            wobble -= wobble.mean(axis=0)
            wobble[:, 0] = 0
            for seed in range(seeds):
                shared = 0.01 * (seed - (seeds - 1) / 2)
                experiment.add(strategy, seed, (CURVES[strategy] + shared + wobble[seed]).tolist())
        return experiment.write()

    return build
