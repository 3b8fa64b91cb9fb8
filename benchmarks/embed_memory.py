"""Readers and the actor of an embedding, without Ray: memory of a reader, and the share of time in the network.

.venv/bin/python benchmarks/embed_memory.py [--rows 1024] [--shards 24] [--scale 1.0]

The reader is a fresh process that decodes one shard of synthetic JPEGs of 224 x 224 by `efficientnet_lite0` and lays
out what Ray takes over; its USS (private pages, of /proc/self/smaps_rollup) is read then. What Ray adds in a worker is
not in it. Two more decode 448 x 448, whole and in the slices that a GPU's readers send (the largest USS of them). The
actor is `EmbedActor`, called in as many threads as Ray calls it, with a stand-in that takes 205 ms for 1,024 rows, as
an H100 would; shards are there when it wants them. The share is the time in the network over the wall time of all
calls, for two stand-ins: a network that sleeps in `embed`; and a device behind `BatchesAhead`, as a GPU is, with
batches of 256, into whose buffers the images are copied and which goes on while the actor waits. The first and the last
shard count. Readers at once on 16 CPUs follow from the CPUs that a reader asks for. `--rows` and `--scale` make both
smaller; `--tiny` does in seconds what the suite runs.
"""

import io
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
from machine import parser, show
from numpy.typing import NDArray
from PIL import Image

from labelbench_ray.cluster import pipeline, shard_columns
from labelbench_ray.cluster.cpu_shares import CPUS_PER_READER
from labelbench_ray.cluster.slices import SLICE_BYTES, slice_rows
from labelbench_ray.datasets import Records
from labelbench_ray.embeddings.decoding import DecodedShard, decode_slices
from labelbench_ray.embeddings.embed import EmbeddingJob
from labelbench_ray.embeddings.shards import ShardId
from labelbench_ray.encoders import Decoded
from labelbench_ray.encoders.efficientnet_lite0 import EfficientnetLite0

ROWS, SIDE, SECONDS, DIMENSIONS = 1024, 224, 0.205, 512
MOST_USS_MB, LEAST_SHARE, CPUS, READERS = 350, 0.9, 16, 16


class Sleeping:
    """Takes as long as a GPU would, and no CPU."""

    compute = "asleep"

    def __init__(self, scale: float) -> None:
        self._scale = scale
        self.seconds = 0.0

    def embed(self, decoded: Sequence[Decoded]) -> NDArray[np.float32]:
        """Random embeddings."""
        start = time.perf_counter()
        time.sleep(self._scale * SECONDS * len(decoded) / ROWS)
        self.seconds += time.perf_counter() - start
        return np.ones((len(decoded), DIMENSIONS), np.float32)


def main(given: Sequence[str] | None = None) -> None:
    """Measure both and show."""
    options = parser(__doc__)
    options.add_argument("--rows", type=int, default=ROWS)
    options.add_argument("--shards", type=int, default=24)
    options.add_argument("--scale", type=float, default=1.0)
    options.add_argument("--tiny", action="store_true", help="few rows and a quick network")
    arguments = options.parse_args(given)
    if arguments.tiny:
        arguments.rows, arguments.shards, arguments.scale = 16, 4, 1.0
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        reader = pool.apply(memory_of_reader, (arguments.rows,))
    large = {}
    for name, slice_bytes in (("448_whole", sys.maxsize), ("448_sliced", SLICE_BYTES)):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            found = pool.apply(memory_of_reader, (arguments.rows, 2 * SIDE, slice_bytes))
        large |= {f"{key}_{name}": found[key] for key in ("uss_mb", "largest_mb")}
    from late_device import OnLateDevice  # torch, which the reader's process must not import

    sleeping, late = (
        share_in_network(network, arguments.rows, arguments.shards)
        for network in (Sleeping(arguments.scale), OnLateDevice(arguments.scale * SECONDS / ROWS, DIMENSIONS))
    )
    at_once = int(CPUS / CPUS_PER_READER)
    shares = {"share_in_network": sleeping, "share_on_late_device": late}
    measured = {"rows": arguments.rows, **reader, **large, **shares, "readers_on_16_cpus": at_once}
    most_mb = SLICE_BYTES / 1e6
    target = {
        "uss_mb_at_most": MOST_USS_MB,
        "largest_mb_448_sliced_at_most": most_mb,
        "share_at_least": LEAST_SHARE,
        "readers_on_16_cpus": READERS,
    }
    is_light = reader["uss_mb"] <= MOST_USS_MB and not reader["torch"] and large["largest_mb_448_sliced"] <= most_mb
    met = is_light and min(shares.values()) >= LEAST_SHARE and at_once == READERS
    show("embed_memory", measured, target, met=met)


def memory_of_reader(rows: int, side: int = SIDE, slice_bytes: int = SLICE_BYTES) -> dict[str, Any]:
    """Largest USS, images that travel together and peak, in MB, of a process that decodes a shard."""
    encoder = EfficientnetLite0(size=side)
    generator = np.random.default_rng(0)
    payloads = [_jpeg(generator, side) for _ in range(rows)]
    records = Records([f"{row:06d}" for row in range(rows)], payloads, np.zeros(rows, np.int64))
    uss, images = 0.0, []
    for decoded in decode_slices(records, encoder, rows=slice_rows(encoder, "cuda", 1, slice_bytes)):
        batch = shard_columns.one_row(shard_columns.columns_of(decoded))
        uss = max(uss, _kib("smaps_rollup", ("Private_Clean", "Private_Dirty")) * 1024 / 1e6)
        images.append(batch["form_1"].nbytes)
        del decoded, batch
    assert sum(images) == rows * side * side * 3
    peak = _kib("status", ("VmHWM",)) * 1024 / 1e6
    return {"uss_mb": uss, "largest_mb": max(images) / 1e6, "peak_resident_mb": peak, "torch": "torch" in sys.modules}


def _jpeg(generator: np.random.Generator, side: int) -> bytes:
    coarse = Image.fromarray(generator.integers(0, 256, (14, 14, 3), dtype=np.uint8))
    file = io.BytesIO()
    coarse.resize((side, side)).save(file, "JPEG", quality=90)
    return file.getvalue()


def _kib(file: str, names: Sequence[str]) -> float:
    lines = Path(f"/proc/self/{file}").read_text().splitlines()
    return sum(float(line.split()[1]) for line in lines if line.partition(":")[0] in names)


def share_in_network(network: Any, rows: int, shards: int) -> float:  # noqa: ANN401  one of the two stand-ins
    """The time in the network over the wall time of an actor whose shards are there."""
    images = np.zeros((rows, 224, 224, 3), np.uint8)
    row_ids = [f"{row:06d}" for row in range(rows)]
    columns = shard_columns.columns_of(DecodedShard(row_ids, np.zeros(rows, np.int64), (images,), {}))
    with tempfile.TemporaryDirectory(prefix="labelbench-") as folder:
        for name in ("shards", "marks"):
            (Path(folder) / name).mkdir()
        job = EmbeddingJob(EfficientnetLite0(), Path(folder), "recipe", "cpu", rows, marks=Path(folder) / "marks")
        context = SimpleNamespace(get_actor_id=lambda: "actor")
        with (
            patch.object(pipeline.ray, "get_runtime_context", lambda: context),
            patch.object(EfficientnetLite0, "load", lambda self, device: network),
        ):
            actor = pipeline.EmbedActor(job)
        arrived = [columns | {"shard": json.dumps(ShardId("pool", n)), "error": "", "cpu": 0.0} for n in range(shards)]
        start = time.perf_counter()
        with ThreadPoolExecutor(pipeline.CALLS_AT_ONCE) as calls:
            made = list(calls.map(actor, arrived))
        wall = time.perf_counter() - start
    assert not any(each["error"] for each in made)
    return network.seconds / wall


if __name__ == "__main__":
    main()
