"""Ledgers of a large experiment with made-up numbers, written without running anything."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.config import Trial, digest, grid
from labelbench_ray.ledger.experiments import write_grid
from labelbench_ray.ledger.records import Entry, Grid, Header, RoundRecord, Traits
from labelbench_ray.storage.checksummed import to_checked_json
from labelbench_ray.storage.versions import versions

POOL_ROWS, CLASSES = 1_257, 10
"""Those of digits."""
STAGES = ("fit", "score", "select", "evaluate", "oracle")
SPLITS = ("Pool", "Validation", "Test")
KINDS = ("Accuracy", "Macro F1", "Loss", "Expected Calibration Error", "Accuracy Present Classes")
OTHERS = 24
"""Metrics beside those: a record of a real trial has 39."""


def trials(strategies: int, seeds: int, rounds: int, budget: int) -> list[Trial]:
    """A grid: random and strategies with names of their own."""
    base = Trial(dataset="digits", encoder="pixels", strategy="random", seed=0, rounds=rounds, budget=budget)
    names = ["random", *(f"my_package.strategy_{number:02d}" for number in range(1, strategies))]
    return grid(base, strategy=names, seed=range(seeds))


def _digest(trial: Trial) -> str:
    return digest(trial.model_dump(mode="json"))


def write_ledgers(
    folder: Path, every: list[Trial], identity: Callable[[Trial], str] = _digest, store: str = "0" * 16
) -> None:
    """One folder a trial, every round recorded, and `experiment.json`.

    Args:
        identity: a trial's fingerprint; the strategies of `trials` do not exist, so that theirs cannot be asked for.
        store: content hash of the store that the rounds are made from.
    """
    entries = [Entry(fingerprint=identity(trial), trial=trial) for trial in every]
    for number, entry in enumerate(entries):
        _write_trial(folder / entry.fingerprint, entry, store, np.random.default_rng(number))
    write_grid(folder, Grid(experiment=folder.name, entries=tuple(entries), versions=versions()))


def _write_trial(directory: Path, entry: Entry, store: str, rng: np.random.Generator) -> None:
    (directory / "rounds").mkdir(parents=True)
    trial, fingerprint = entry.trial, entry.fingerprint
    header = Header(
        fingerprint=fingerprint, trial=trial, store=store, compute="numpy", traits=Traits(), versions=versions()
    )
    (directory / "trial.json").write_bytes(header.model_dump_json(indent=1).encode())
    ids = _chosen(trial, rng)
    skill = 0.01 * int(trial.strategy.name[-2:]) if trial.strategy.name[-2:].isdigit() else 0.0
    for number, chosen_B in enumerate(ids):
        record = _record(fingerprint, number, chosen_B, skill + 0.01 * trial.seed, rng)
        (directory / "rounds" / f"{number:03d}.json").write_bytes(to_checked_json(record))


def _chosen(trial: Trial, rng: np.random.Generator) -> NDArray[np.int64]:
    """(rounds, budget) rows; all trials of a seed have the same first batch."""
    order = np.random.default_rng(trial.seed).permutation(POOL_ROWS)
    first, rest = order[: trial.budget], order[trial.budget :]
    others = rng.choice(rest, (trial.rounds - 1) * trial.budget, replace=False)
    return np.concatenate([first, others]).reshape(trial.rounds, trial.budget)


def _record(
    fingerprint: str, number: int, chosen_B: NDArray[np.int64], skill: float, rng: np.random.Generator
) -> RoundRecord:
    accuracy = 1 - 0.5 * np.exp(-0.2 * number - skill) + rng.normal(0, 0.003)
    values = {f"{split} {kind}": _share(accuracy + rng.normal(0, 0.001)) for split in SPLITS for kind in KINDS}
    seconds = {stage: float(rng.random()) for stage in STAGES}
    return RoundRecord(
        fingerprint=fingerprint,
        round=number,
        chosen=tuple(chosen_B.tolist()),
        labels=tuple(rng.integers(0, CLASSES, len(chosen_B)).tolist()),
        num_labeled=len(chosen_B) * (number + 1),
        metrics=values | {f"Other Metric {place}": float(rng.random()) for place in range(OTHERS)},
        seconds=seconds,
        cpu_seconds=sum(seconds.values()),
        cpu=seconds,
        gpu=dict.fromkeys(STAGES, 0.0),
        bytes_written=10_000,
        finished=1_795_000_000_000 + number * 60_000,
        proxy="0" * 64,
        versions=versions(),
    )


def _share(value: float) -> float:
    return min(1.0, max(0.0, value))
