"""A small sweep of the real command, and what its ledger says of it: what several scripts of this folder disturb."""

import os
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks.command import LABELBENCH
from benchmarks.processes import end_members, members, start
from labelbench_ray.ledger.experiments import read_grid
from labelbench_ray.ledger.records import COSTS
from labelbench_ray.ledger.trials import read_history
from labelbench_ray.storage.remote import place

EXPERIMENT = """from labelbench_ray.config import Part, Trial, grid


def small() -> list[Trial]:
    base = Trial(
        dataset={dataset}, encoder={encoder}, strategy="random",
        trainer={trainer}, seed=0, rounds={rounds}, budget=20,
    )
    return [*{before}, *grid(base, strategy={strategies}, seed=range({seeds}))]
"""
NAME = "disturbed.small"
LIMIT_SECONDS = 400.0
SECONDS_BETWEEN_LOOKS = 0.1


@dataclass(frozen=True, slots=True)
class Sweep:
    """Two strategies, some seeds, some rounds."""

    folder: Path
    """Where the experiment, its data, MLflow's database and the logs lie."""
    rounds: int = 3
    seeds: int = 2
    trainer: str = 'Part(name="logistic")'
    dataset: str = 'Part.of("digits", max_rows=400)'
    encoder: str = 'Part(name="pixels")'
    strategies: str = '["random", "margin"]'
    before: str = "[]"
    """Further trials; an expression."""
    options: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def trials(self) -> int:
        """How many there are."""
        return 2 * self.seeds

    def line(self, below: str, verb: str) -> list[str]:
        """The command, with ledgers and embeddings below a folder or URI."""
        file = self.folder / "disturbed.py"
        file.write_text(
            EXPERIMENT.format(
                dataset=self.dataset,
                encoder=self.encoder,
                strategies=self.strategies,
                trainer=self.trainer,
                rounds=self.rounds,
                seeds=self.seeds,
                before=self.before,
            )
        )
        places = [f"--runs={below}/runs", f"--store={below}/store", f"--data-root={self.folder}"]
        tracking = f"--tracking-uri=sqlite:///{self.folder}/mlflow.db"
        return [str(LABELBENCH), verb, f"{file}:small", *places, tracking, *self.options]

    def begin(self, below: str, verb: str = "run") -> "Running":
        """Start it."""
        log = self.folder / f"log-{time.monotonic_ns()}"
        os.environ.update(self.environment)
        os.chdir(self.folder)  # where MLflow's artifacts and the plug-ins of a user lie
        return Running(start(self.line(below, verb), log), log, time.monotonic())

    def run(self, below: str) -> "Ran":
        """Run it to its end."""
        return self.begin(below).end()


@dataclass(frozen=True, slots=True)
class Ran:
    """A command that ended."""

    status: int
    printed: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Running:
    """A command that runs."""

    process: Any
    log: Path
    began: float

    def peaks(self) -> dict[str, int]:
        """Watch it until it ends: the most private bytes that each of its processes held, by title and id."""
        most: dict[str, int] = {}
        while self.process.poll() is None and time.monotonic() - self.began < LIMIT_SECONDS:
            for pid in members(self.process.pid):
                with suppress(psutil.Error):
                    process = psutil.Process(pid)
                    memory, title = process.memory_info(), f"{(process.cmdline() or ['?'])[0]} {pid}"
                    most[title] = max(most.get(title, 0), memory.rss - memory.shared)
            time.sleep(SECONDS_BETWEEN_LOOKS)
        return most

    def end(self) -> Ran:
        """Wait for its end; nothing that it started is left."""
        try:
            status = self.process.wait(LIMIT_SECONDS)
        finally:
            end_members(self.process.pid)
        printed = self.log.read_text()
        print(printed, file=sys.stderr)
        return Ran(status, printed, time.monotonic() - self.began)


def rounds(below: str) -> dict[str, list[dict[str, Any]]]:
    """Every trial's finished rounds without their costs: chosen ids, labels, metrics, hashes of proxies."""
    experiment = place(f"{below}/runs") / NAME
    return {
        entry.fingerprint: [record.model_dump(exclude=COSTS) for record in read_history(folder).records]
        for entry in read_grid(experiment).entries
        for folder in [experiment / entry.fingerprint]
    }


def error_of(below: str, fingerprint: str) -> str:
    """Why a trial failed; "" for one that did not."""
    failure = read_history(place(f"{below}/runs") / NAME / fingerprint).failure
    return failure.error if failure else ""
