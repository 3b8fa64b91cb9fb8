"""A round over scorers without Ray: what Ray would send is pickled, counted and unpickled."""

import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ray import cloudpickle

from labelbench_ray import strategies
from labelbench_ray.cluster.scorers import Scorer
from labelbench_ray.embeddings.manifests import Manifest, publish_manifest
from labelbench_ray.embeddings.shard_table import ShardTable
from labelbench_ray.embeddings.shards import ShardEntry, ShardRows, shard_bytes
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.pool.blocks import cuts
from labelbench_ray.proxies import Classifier
from labelbench_ray.trial.fit_light import OpenView, TrainedModel, in_process
from labelbench_ray.trial.loop import measure
from labelbench_ray.types import Ids, Labels, Model, PoolView

CLASSES, DIMENSIONS = 10, 4
ROWS_PER_SHARD = 65_536


@dataclass(slots=True, eq=False)
class Wire:
    """Between a trial's worker and its scorers."""

    sent: int = 0
    """Bytes."""

    def send(self, value: Any) -> Any:  # noqa: ANN401  its copy at the other end
        """Pickle a value as Ray does, and make it anew from the bytes."""
        buffers: list[pickle.PickleBuffer] = []
        data = cloudpickle.dumps(value, protocol=5, buffer_callback=buffers.append)
        self.sent += len(data) + sum(buffer.raw().nbytes for buffer in buffers)
        return pickle.loads(data, buffers=buffers)  # noqa: S301  we wrote it


@dataclass(frozen=True, slots=True, eq=False)
class WiredView(PoolView):
    """A view over scorers behind a wire; every call carries all that it needs."""

    actors: tuple[Any, ...]
    model: Model
    number: int
    wire: Wire

    def map(self, function: Callable[..., Any], *each: Sequence[Any]) -> list[Any]:
        """`function` of every shard, in the order of the shards."""
        return [
            actor.apply(self.number, *self.wire.send((self.model, self.labeled_L, None, function, *items)))
            for actor, *items in zip(self.actors, *each, strict=True)
        ]


def one_round(folder: Path, rows: int, budget: int, actors: int = 2) -> dict[str, Any]:
    """Choose rows of a synthetic pool by `margin`, and measure a proxy on it, over scorers and in this process."""
    store, wire = synthetic(folder / "synthetic", rows), Wire()
    arrays, labeled_L = store.arrays(), np.arange(budget) * 3
    scorer: Any = Scorer
    made = [
        scorer.__ray_metadata__.modified_class(store.directory, part.start, part.stop) for part in cuts(rows, actors)
    ]
    weight = np.random.default_rng(1).normal(size=(DIMENSIONS, CLASSES)).astype(np.float32)
    classifier = Classifier(arrays.standardization, ((weight, np.zeros(CLASSES, np.float32)),))

    def over_wire(model: Model, labeled_L: Ids, labels_L: Labels) -> PoolView:
        return WiredView(
            shards=(),
            num_rows=rows,
            num_unlabeled=rows - len(labeled_L),
            num_classes=model.num_classes,
            labeled_L=labeled_L,
            labels_L=labels_L,
            distribution=model.distribution,
            actors=tuple(made),
            model=model,
            number=0,
            wire=wire,
        )

    def a_round(open_view: OpenView) -> tuple[list[int], dict[str, float]]:
        view = open_view(classifier, labeled_L, arrays.pool.labels_N[labeled_L])
        chosen = strategies.create("margin").select(view, budget, np.random.default_rng(0))
        return chosen.tolist(), measure(view, TrainedModel(classifier, arrays, open_view), 0).metrics

    found = a_round(over_wire)
    return {"sent_mb": wire.sent / 1e6, "same_as_in_process": found == a_round(in_process(arrays))}


def synthetic(directory: Path, rows: int) -> EmbeddingStore:
    """A finished store of random rows."""
    rng, entries = np.random.default_rng(0), list[ShardEntry]()
    (directory / "shards").mkdir(parents=True)
    for split, count in {"pool": rows, "validation": 50, "test": 50}.items():
        for number, first in enumerate(range(0, count, ROWS_PER_SHARD)):
            ids = [f"{row:09d}" for row in range(first, min(first + ROWS_PER_SHARD, count))]
            embeddings_BD = rng.standard_normal((len(ids), DIMENSIONS), np.float32).astype(np.float16)
            shard = ShardRows(ids, rng.integers(0, CLASSES, len(ids)), embeddings_BD, {})
            entry = ShardEntry(split=split, number=number, rows=len(ids), sha256=shard.sha256())
            (directory / entry.file).write_bytes(shard_bytes(shard, "recipe", "numpy"))
            entries.append(entry)
    write_manifest(directory, entries)
    return EmbeddingStore.open(directory)


def write_manifest(directory: Path, entries: Sequence[ShardEntry]) -> None:
    """The manifest of a synthetic store."""
    manifest = Manifest(
        key=directory.name,
        dataset={"name": "synthetic"},
        encoder={"name": "synthetic"},
        signature="",
        weights="",
        preprocessing="",
        compute="numpy",
        classes=tuple(map(str, range(CLASSES))),
        dimensions=DIMENSIONS,
        rejects=0,
        seconds=0,
        shards=ShardTable.of(entries),
    )
    publish_manifest(directory, manifest)
