"""Embedding augmented views: two views against one, and against the un-augmented pool, of the same images.

.venv/bin/python benchmarks/views.py [--data-root DIR] [--rows 2000] [--repeats 1]

Each view is a weak and a strong image of every row, so one view is at least twice the work of the un-augmented pool.
EfficientNet-Lite0 at 96 px on CIFAR-10, or on made-up images where that is not below --data-root. Measured:

- CPU seconds in this process, on one thread and without Ray: read, decode, augment, embed and write all rows as the
  workers do; making the network is not counted. The medians of `repeats`, in turn.
- Wall seconds of `embeddings.complete.complete_store`, which adds the views to a finished store: what a user waits.
  Starting Ray and making the store are not counted, starting the actors is, in every figure.
- Milliseconds of CPU an image that each form of the augmentation takes.

Both ratios, two views to one, are to stay below the target; on a busy machine only that of CPU seconds says much.
"""

import io
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from command import Places, environment, not_provided
from embed import First
from machine import parser, show
from PIL import Image
from pydantic import PositiveInt
from study import STUDY

from labelbench_ray import plugins
from labelbench_ray.augmentations import WantedViews
from labelbench_ray.augmentations.images import Images
from labelbench_ray.cluster.embed import RayEmbedder
from labelbench_ray.cluster.session import connected
from labelbench_ray.datasets import Dataset, Records, Rows, Source, Split
from labelbench_ray.embeddings.complete import complete_store
from labelbench_ray.embeddings.decoding import augment, decode_shard
from labelbench_ray.embeddings.embed import EmbeddingJob, all_shards, embed_shard, read_records
from labelbench_ray.embeddings.manifests import SHARD_ROWS
from labelbench_ray.environment import ONE_THREAD, Environment
from labelbench_ray.planning.experiment import load
from labelbench_ray.trainers.logistic import Logistic
from labelbench_ray.trial.parts import Parts, build

TARGET_RATIO = 2.1
VIEWS = (0, 1, 2)
"""0: the un-augmented pool alone."""
AUGMENTATION = Images()


class MadeUp(Dataset):
    """Images of random colors; one row each of validation and test."""

    rows: PositiveInt

    def load(self, root: Path) -> Source:
        table = MadeUpTable(self.rows)
        rows = {"pool": range(self.rows - 2), "validation": [self.rows - 2], "test": [self.rows - 1]}
        splits = {name: Split(table, np.asarray(numbers)) for name, numbers in rows.items()}
        return Source(("a", "b"), splits, f"made up {self.rows}")


@dataclass(frozen=True, slots=True)
class MadeUpTable:
    """JPEGs of 32 x 32 pixels, as CIFAR-10's are here."""

    rows: int

    def __len__(self) -> int:
        return self.rows

    def read(self, rows: Rows) -> Records:
        return Records([f"{row:06d}" for row in rows], [_jpeg(row) for row in rows], np.asarray(rows) % 2)


class Viewed(Logistic):
    """A trainer that wants so many views."""

    views: PositiveInt

    def wanted_views(self) -> WantedViews:
        return WantedViews(AUGMENTATION, plugins.recipe("images", AUGMENTATION), self.views)


def main() -> None:
    """Measure all and show."""
    options = parser(__doc__)
    options.add_argument("--rows", type=int, default=2_000)
    options.add_argument("--repeats", type=int, default=1)
    arguments = options.parse_args()
    os.environ.update(ONE_THREAD)
    made_up = bool(not_provided(STUDY, arguments.data_root))
    dataset = MadeUp(rows=arguments.rows) if made_up else First(rows=arguments.rows)
    parts = replace(build(load(STUDY).trials[0]), dataset=dataset)
    root = arguments.data_root.resolve()
    cpu = [cpu_seconds(parts, root) for _ in range(arguments.repeats)]
    wall = [wall_seconds(parts, root) for _ in range(arguments.repeats)]
    ratios = {name: _ratio(taken) for name, taken in (("cpu", cpu), ("wall", wall))}
    measured = {
        "rows": arguments.rows,
        "images": "made up" if made_up else "CIFAR-10",
        "two_views_to_one_cpu": ratios["cpu"],
        "two_views_to_one_wall": ratios["wall"],
        "cpu_seconds_by_views": _medians(cpu),
        "wall_seconds_by_views": _medians(wall),
        "one_view_to_twice_the_pool_cpu": statistics.median(taken[1] / (2 * taken[0]) for taken in cpu),
        "milliseconds_an_image": {form: milliseconds(parts, root, form) for form in ("weak", "strong")},
    }
    show("views", measured, {"ratios_at_most": TARGET_RATIO}, met=max(ratios.values()) <= TARGET_RATIO)


def cpu_seconds(parts: Parts, root: Path) -> list[float]:
    """Of embedding the pool, then one view, then two, in this process."""
    source = parts.dataset.open(root)
    network = parts.encoder.load("cpu")
    taken = []
    for views in VIEWS:
        with tempfile.TemporaryDirectory(prefix="labelbench-") as folder:
            wanted = Viewed(views=max(VIEWS)).wanted_views()
            job = EmbeddingJob(parts.encoder, Path(folder), "recipe", "cpu", SHARD_ROWS, views=wanted)
            for view in [None, *range(views)]:
                (job.folder(view) / "shards").mkdir(parents=True)
            started = time.process_time()
            for shard in all_shards(source, SHARD_ROWS, ["pool"]):
                decoded = decode_shard(read_records(source, shard, SHARD_ROWS), parts.encoder)
                if not views:
                    embed_shard(decoded, network, job, shard)
                for view in range(views):
                    embed_shard(augment(decoded, AUGMENTATION, view), network, job, shard._replace(view=view))
            taken.append(time.process_time() - started)
    return taken


def wall_seconds(parts: Parts, root: Path) -> list[float]:
    """Of the same through Ray; the pool's own embeddings are there when views are added."""
    with tempfile.TemporaryDirectory(prefix="labelbench-") as folder, connected(None):
        taken = []
        for views in VIEWS:
            where = environment(Places(root, Path(folder) / "runs", Path(folder) / f"store-{views}"))
            started = time.perf_counter()
            embed(parts, where)
            if views:
                started = time.perf_counter()
                embed(replace(parts, trainer=Viewed(views=views)), where)
            taken.append(time.perf_counter() - started)
    return taken


def milliseconds(parts: Parts, root: Path, form: str) -> float:
    """CPU milliseconds of augmenting one decoded image; the median of five passes over 200."""
    payloads = parts.dataset.open(root).splits["pool"].read(0, 200).payloads
    images = [parts.encoder.decode(payload) for payload in payloads]
    change, passes = getattr(AUGMENTATION, form), []
    for _ in range(5):
        started = time.process_time()
        for number, image in enumerate(images):
            change(image, number)
        passes.append((time.process_time() - started) / len(images) * 1000)
    return statistics.median(passes)


def embed(parts: Parts, where: Environment) -> None:
    """Embed what the store lacks, through Ray."""
    complete_store(parts.store_recipe, parts.wanted_views, where, RayEmbedder(), lambda done, total: None)


def _ratio(taken: Sequence[Sequence[float]]) -> float:
    return statistics.median(each[2] / each[1] for each in taken)


def _medians(taken: Sequence[Sequence[float]]) -> list[float]:
    return [statistics.median(each[views] for each in taken) for views in VIEWS]


def _jpeg(row: int) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(row).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((32, 32)).save(buffer, "JPEG")
    return buffer.getvalue()


if __name__ == "__main__":
    main()
