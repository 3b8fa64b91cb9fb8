"""Trials with full models of the digits, as a worker runs them, in this process and without Ray."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from labelbench_ray.config import FineTune, Part, Trial
from labelbench_ray.datasets import Source
from labelbench_ray.embeddings.decoding import augment, decode_shard
from labelbench_ray.embeddings.embed import EmbeddingJob, all_shards, embed_shard, read_records
from labelbench_ray.embeddings.finished import close_store, close_view
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.encoders import Network
from labelbench_ray.environment import Environment
from labelbench_ray.ledger.finetunes import FineTuneRecord, read_finetune_records
from labelbench_ray.ledger.records import COSTS
from labelbench_ray.ledger.trials import RoundRecord, read_history
from labelbench_ray.trainers.engine.checkpoints import FileCheckpoints
from labelbench_ray.trial import parts
from labelbench_ray.trial.assembly import FineTuneJob, SelectionJob, finetune_job, selection_job

SHARD_ROWS = 64
MODEL = Part.of("full_model", augmentation=Part.of("images", flip=False), validation_rows=20)
QUICK = {"epochs": 3, "batch_size": 10, "learning_rate": 0.01, "warmup_steps": 0}
TRAINER = Part.of("supervised", **QUICK)
LIGHT = Trial(
    dataset=Part.of("digits", max_rows=150),
    encoder=Part(name="tests.tiny_encoder"),
    strategy=Part(name="margin"),
    trainer=Part.of("supervised", epochs=5, learning_rate=0.05),
    seed=0,
    rounds=3,
    budget=12,
)
DIGITS = Trial(
    dataset=Part.of("digits", max_rows=300),
    encoder=Part(name="pixels"),
    strategy=Part(name="random"),
    trainer=Part(name="logistic"),
    seed=0,
    rounds=2,
    budget=20,
)
"""A trial of a tenth of a second."""


@dataclass(frozen=True)
class Ran:
    """What a run returned and printed."""

    status: int
    printed: str


class Killed(Exception):
    """Stands for the end of a process."""


@dataclass(frozen=True)
class Home:
    """Where a command keeps what it makes."""

    environment: Environment

    @property
    def folder(self) -> Path:
        return self.environment.runs / "tests.grid"

    def job(self, trial: Trial) -> SelectionJob:
        return selection_job(parts.build(trial), self.folder, self.environment)

    def finetune_job(self, trial: Trial) -> FineTuneJob:
        return finetune_job(parts.build(trial), self.folder, self.environment)

    def keys(self, trial: Trial) -> list[str]:
        """The data set's key of every row of a trial's pool."""
        return EmbeddingStore.open(self.environment.store / parts.build(trial).embedding).row_ids()

    def run(self, trial: Trial, stop_after: int | None = None) -> list[RoundRecord]:
        """Run what is missing, at most so many rounds of it; returns all that is recorded."""
        job = self.job(trial)
        list(islice(job.steps(), stop_after))
        return list(read_history(job.directory).records)

    def tune(self, trial: Trial, stop_after: int | None = None) -> dict[int, FineTuneRecord]:
        """Fine-tune at the budgets that are missing, at most so many of them; returns all that is recorded."""
        job = self.finetune_job(trial)
        list(islice(job.steps(), stop_after))
        return read_finetune_records(job.directory)


def make_home(folder: Path, store: Path) -> Home:
    return Home(Environment(runs=folder / "runs", store=store, data_root=folder, tracking_uri="", address=None))


def make_store(trial: Trial, store: Path, data_root: Path) -> None:
    """Embed a trial's data, and the augmented views that its trainer wants, as a job does."""
    built = parts.build(trial)
    source, directory = built.dataset.open(data_root), store / built.embedding
    (directory / "shards").mkdir(parents=True)
    network = built.encoder.load("cpu")
    job = EmbeddingJob(built.encoder, directory, "recipe", "cpu", SHARD_ROWS)
    made = [
        embed_shard(decode_shard(read_records(source, item, SHARD_ROWS), built.encoder), network, job, item)
        for item in all_shards(source, SHARD_ROWS)
    ]
    close_store(built.store_recipe, source, built.encoder.weights(), job, made, 1.0)
    if wanted := built.wanted_views:
        _add_views(EmbeddingStore.open(directory), replace(job, views=wanted), network, source)


def _add_views(store: EmbeddingStore, job: EmbeddingJob, network: Network, source: Source) -> None:
    assert job.views is not None
    for view in range(job.views.count):
        (job.folder(view) / "shards").mkdir(parents=True)
        made = []
        for shard in all_shards(source, SHARD_ROWS, ["pool"]):
            decoded = decode_shard(read_records(source, shard, SHARD_ROWS), job.encoder)
            pair = augment(decoded, job.views.augmentation, view)
            made.append(embed_shard(pair, network, job, shard._replace(view=view)))
        close_view(store, job.views, view, made, 1.0)


def finetune(*budgets: int, model: Part = MODEL, trainer: Part = TRAINER) -> FineTune:
    return FineTune(model=model, trainer=trainer, budgets=budgets)


def kill_after(monkeypatch: pytest.MonkeyPatch, epoch: int) -> Iterator[int]:
    """From now on the process dies with the `epoch`-th checkpoint that it writes; the iterator counts them."""
    count = iter(range(1, 10**6))
    save = FileCheckpoints.save

    def dying(checkpoints: FileCheckpoints, state: dict[str, Any]) -> None:
        save(checkpoints, state)
        if next(count) == epoch:
            raise Killed

    monkeypatch.setattr(FileCheckpoints, "save", dying)
    return count


def run_with_kills(monkeypatch: pytest.MonkeyPatch, go_on: Callable[[], Any], most: int = 20) -> tuple[Any, int]:
    """Kill it at its first checkpoint, again and again, until it ends; returns what it returned, and the kills."""
    for kills in range(most):
        with monkeypatch.context() as deadly:
            kill_after(deadly, 1)
            try:
                return go_on(), kills
            except Killed:
                continue
    raise AssertionError("it never came to its end")


def untimed(records: Any) -> list[dict[str, Any]]:
    """All that must be the same whatever was killed."""
    return [record.model_dump(exclude=COSTS) for record in records]
