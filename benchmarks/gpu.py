"""What a GPU does: embedding by open_clip's ViT-B-32 at random weights, and fits of full models, on made-up images.

.venv/bin/python benchmarks/gpu.py [--tiny] [--shards 24] [--epochs 2]

Measured on one GPU, sized to take less than eight minutes: images a second of the network on shards of 1,024 images of
224 x 224, as an embedding actor calls it, with each of its settings (the first shard does not count); the same with one
batch at a time instead of two in flight; and images a second, seconds and validation accuracy of two fits of the full
model in bfloat16, by `supervised` and by `flexmatch`, with augmentation on the host's cores. Peak memory of the GPU is
that of the process. `--tiny` runs the same on a small network, a CPU and a few images. It was not run on a GPU yet,
so its figures have no target.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from machine import parser, show_measured, show_skipped
from numpy.typing import NDArray

from labelbench_ray.embeddings.images import DecodedImages
from labelbench_ray.embeddings.store import Embedded, SplitArrays
from labelbench_ray.encoders import Network
from labelbench_ray.encoders.open_clip import OpenClip
from labelbench_ray.pool.standardization import Standardization
from labelbench_ray.proxies.full_model import FullModel
from labelbench_ray.trainers.engine.checkpoints import NoCheckpoints
from labelbench_ray.trainers.engine.descent import Descent
from labelbench_ray.trainers.engine.device import Device
from labelbench_ray.trainers.flexmatch import Flexmatch
from labelbench_ray.trainers.supervised import Supervised
from labelbench_ray.trial.fit_full import FullFitter
from labelbench_ray.trial.fit_light import FitRequest

CLASSES = 10
SETTINGS: tuple[dict[str, Any], ...] = (
    {},
    {"precision": "bfloat16"},
    {"batch_size": 512},
    {"torch_compile": True},
)
TINY_MODEL = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 24, "vocab_size": 64, "width": 16, "heads": 2, "layers": 1},
}


class Size(NamedTuple):
    """How much is run."""

    model: str
    shard_rows: int
    shards: int
    pool: int
    labels: int
    batch: int
    epochs: int


def main(given: Sequence[str] | None = None) -> None:
    """Embed, fit, and show."""
    options = parser(__doc__)
    options.add_argument("--tiny", action="store_true", help="a small network, few images, on a CPU")
    options.add_argument("--shards", type=int, default=24)
    options.add_argument("--epochs", type=int, default=2)
    arguments = options.parse_args(given)
    if not arguments.tiny and not torch.cuda.is_available():
        show_skipped("gpu", "it needs a GPU; --tiny runs the same steps on a CPU")
        return
    with tempfile.TemporaryDirectory(prefix="labelbench-") as folder:
        size = Size("ViT-B-32", 1024, arguments.shards, 4096, 512, 64, arguments.epochs)
        if arguments.tiny:
            path = Path(folder) / "labelbench-tiny-vit.json"
            path.write_text(json.dumps(TINY_MODEL))
            size = Size(str(path), 20, 3, 48, 20, 10, 1)
        device, settings = ("cpu", SETTINGS[:2]) if arguments.tiny else ("cuda", SETTINGS)
        show_measured("gpu", measured(size, device, settings))


def measured(size: Size, device: Any, settings: Sequence[dict[str, Any]]) -> dict[str, Any]:  # noqa: ANN401  cpu or cuda
    """All figures."""
    shape = OpenClip(model=size.model, pretrained="random").shape()
    pool, labels = images(size.pool, shape)
    embedding = {}
    for each in settings:
        network = OpenClip(model=size.model, pretrained="random", **each).load(device)
        embedding[json.dumps(each)] = {"compute": network.compute, **embedded(network, pool, size)}
    alone: Any = OpenClip(model=size.model, pretrained="random").load(device)
    if device == "cuda":
        alone._ahead._queue = OneAtATime(alone._ahead._queue)
    embedding["one batch at a time"] = {"compute": alone.compute, **embedded(alone, pool, size)}
    fits = {trainer.__class__.__name__: fit(trainer, size, device, pool, labels) for trainer in trainers(size)}
    gpu = (
        {}
        if device == "cpu"
        else {"gpu": torch.cuda.get_device_name(), "peak_gib": torch.cuda.max_memory_allocated() / 2**30}
    )
    return {"device": device, **gpu, "embedding": embedding, "fits": fits}


class OneAtATime:
    """The queue of a GPU, where each batch is waited for before the next begins."""

    def __init__(self, queue: Any) -> None:  # noqa: ANN401  a `Queue`
        self.pinned = queue.pinned
        self._queue = queue

    def begin(self, *arguments: Any) -> Any:  # noqa: ANN401  as `Queue.begin`
        """Wait at once."""
        features_BD = self._queue.begin(*arguments)()
        return lambda: features_BD


def images(rows: int, shape: tuple[int, int, int]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Noise around one color for each class."""
    generator = np.random.default_rng(0)
    labels_N = generator.integers(0, CLASSES, rows)
    colors_K3 = generator.integers(40, 215, (CLASSES, 3))
    pixels = np.empty((rows, *shape), np.uint8)
    for row, label in enumerate(labels_N):
        pixels[row] = colors_K3[label] + generator.integers(-40, 41, shape, dtype=np.int16)
    return pixels, labels_N


def embedded(network: Network, pool: NDArray[np.uint8], size: Size) -> dict[str, float]:
    """Images a second over shards, after a first one."""

    def shard(number: int) -> Any:  # noqa: ANN401  images
        first = number * size.shard_rows % max(1, len(pool) - size.shard_rows)
        return pool[first : first + size.shard_rows]

    network.embed(shard(0))
    start = time.perf_counter()
    for number in range(size.shards):
        assert np.isfinite(network.embed(shard(number))).all()
    seconds = time.perf_counter() - start
    return {"images_per_second": size.shards * size.shard_rows / seconds, "seconds": seconds}


def trainers(size: Size) -> tuple[Descent, ...]:
    """Two fits of the same labels."""
    settings: dict[str, Any] = {"epochs": size.epochs, "batch_size": size.batch, "learning_rate": 1e-4}
    return Supervised(**settings), Flexmatch(**settings)


def fit(
    trainer: Descent, size: Size, device: str, pool: NDArray[np.uint8], labels: NDArray[np.int64]
) -> dict[str, float]:
    """One fit of the full model."""
    validation = slice(0, len(pool) // 4)
    rows = {"pool": slice(None), "validation": validation}
    splits = {
        name: SplitArrays(np.zeros((len(pool[each]), 1), np.float16), labels[each]) for name, each in rows.items()
    }
    nothing = Standardization(np.zeros(1, np.float32), np.ones(1, np.float32))
    fitter = FullFitter(
        FullModel(precision="float32" if device == "cpu" else "bfloat16"),
        trainer,
        OpenClip(model=size.model, pretrained="random"),
        Embedded(splits, nothing, tuple(map(str, range(CLASSES)))),
        DecodedImages({name: pool[each] for name, each in rows.items()}),
        Device(device, "float32" if device == "cpu" else "bfloat16", threads=len(os.sched_getaffinity(0))),
        lambda request: NoCheckpoints(),
    )
    labeled_L = np.arange(len(pool) - size.labels, len(pool))
    start = time.perf_counter()
    trained = fitter.fit(FitRequest(labeled_L, labels[labeled_L], (), 0, lambda found: None))
    seconds = time.perf_counter() - start
    opened = fitter.open(trained)
    held_out = opened.embedded.splits["validation"]
    right = opened.classifier.logits(held_out.embeddings_ND).argmax(axis=1) == held_out.labels_N
    return {
        "seconds": seconds,
        "labeled_images_per_second": size.epochs * size.labels / seconds,
        "open_seconds": time.perf_counter() - start - seconds,
        "validation_accuracy": float(right.mean()),
    }


if __name__ == "__main__":
    sys.exit(main())
