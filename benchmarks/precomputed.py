"""Embeddings that were made elsewhere: CPU seconds, memory and disk until a pool of them is ready to select.

.venv/bin/python benchmarks/precomputed.py [--rows N] [--dimensions D] [--pairs 3]
                                           [--formats npy parquet] [--tiny]

Ready to select: the data set is opened, its store is made (the files are hashed, every row is checked), and its arrays
are mapped with the pool's standardization. In each pair the same process first reads the same bytes one after the other
and hashes them by SHA-256; the median ratio counts. Imports are not part of either. `disk_mib`: what the store holds
beside the data. One thread; files are in the page cache.
"""

import os
import statistics
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
import torch  # noqa: E402
from machine import parser, show  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from private_memory import used  # noqa: E402

from labelbench_ray.config import Part, Trial  # noqa: E402
from labelbench_ray.embeddings.complete import complete_store  # noqa: E402
from labelbench_ray.embeddings.local import LocalEmbedder  # noqa: E402
from labelbench_ray.environment import Environment  # noqa: E402
from labelbench_ray.trial import parts  # noqa: E402

FORMATS = ("npy", "parquet")
HELD_OUT = 10_000
BLOCK = 1 << 20
WRITTEN_ROWS = 65_536


def main(arguments: list[str] | None = None) -> None:
    """Measure, and print the answer."""
    options = parser(__doc__)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--dimensions", type=int, default=512)
    options.add_argument("--pairs", type=int, default=3)
    options.add_argument("--formats", nargs="+", choices=FORMATS, default=FORMATS)
    options.add_argument("--tiny", action="store_true", help="5,000 x 16, one pair")
    given = options.parse_args(arguments)
    rows, dimensions, pairs = (5_000, 16, 1) if given.tiny else (given.rows, given.dimensions, given.pairs)
    torch.set_num_threads(1)
    measured = {}
    for form in given.formats:
        with tempfile.TemporaryDirectory(prefix="precomputed-") as folder:
            write(Path(folder) / "data", form, rows, dimensions)
            measured[form] = compared(Path(folder), form, pairs)
    target = {"ratio": 2.0, "extra_mib": 1024, "disk_mib": "no copy of the rows where they are mapped"}
    met = all(each["ratio"] <= 2 and each["extra_mib"] <= 1024 for each in measured.values())
    show("precomputed", {"rows": rows, "dimensions": dimensions, **measured}, target, met=met)


def write(folder: Path, form: str, rows: int, dimensions: int) -> None:
    """Embeddings with labels: `train` of so many rows, `validation` and `test` of 10,000 or a tenth."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    held_out = min(HELD_OUT, rows // 10)
    for part, count in {"train": rows, "validation": held_out, "test": held_out}.items():
        blocks = (min(WRITTEN_ROWS, count - start) for start in range(0, count, WRITTEN_ROWS))
        made = (rng.standard_normal((block, dimensions), np.float32).astype(np.float16) for block in blocks)
        labels_N = rng.integers(0, 10, count)
        (_write_npy if form == "npy" else _write_parquet)(folder / part, made, labels_N, dimensions)


def _write_npy(stem: Path, blocks: Iterator[NDArray[np.float16]], labels_N: NDArray[np.int64], dimensions: int) -> None:
    with stem.with_suffix(".npy").open("wb") as file:
        header = {"descr": "<f2", "fortran_order": False, "shape": (len(labels_N), dimensions)}
        np.lib.format.write_array_header_1_0(file, header)
        for block_BD in blocks:
            file.write(block_BD.data)
    np.save(stem.with_suffix(".labels.npy"), labels_N)


def _write_parquet(
    stem: Path, blocks: Iterator[NDArray[np.float16]], labels_N: NDArray[np.int64], dimensions: int
) -> None:
    schema = pa.schema([("embedding", pa.list_(pa.float16(), dimensions)), ("label", pa.int64())])
    start = 0
    with pq.ParquetWriter(stem.with_suffix(".parquet"), schema, compression="none", use_dictionary=False) as file:
        for block_BD in blocks:
            stop = start + len(block_BD)
            lists = pa.FixedSizeListArray.from_arrays(pa.array(block_BD.reshape(-1)), dimensions)
            file.write_table(pa.table([lists, pa.array(labels_N[start:stop])], schema=schema))
            start = stop


def compared(folder: Path, form: str, pairs: int) -> dict[str, Any]:
    """The two sides of a format, as often as asked."""
    files = sorted((folder / "data").iterdir())
    ready(folder / "warm", folder / "data")  # what is imported on the way counts for neither
    read, made = [], []
    for number in range(pairs):
        read.append(used(partial(read_and_hash, files)))
        made.append(used(partial(ready, folder / f"store-{number}", folder / "data")))
    ratios = [ours["cpu_seconds"] / max(1e-9, theirs["cpu_seconds"]) for ours, theirs in zip(made, read, strict=True)]
    held = sum(path.stat().st_size for path in (folder / "store-0").rglob("*") if path.is_file())
    return {
        "data_mib": round(sum(path.stat().st_size for path in files) / 2**20, 1),
        "read_and_sha256_cpu_seconds": [round(each["cpu_seconds"], 2) for each in read],
        "ready_cpu_seconds": [round(each["cpu_seconds"], 2) for each in made],
        "ratio": round(statistics.median(ratios), 2),
        "extra_mib": round(max(each["extra_mib"] for each in made), 1),
        "disk_mib": round(held / 2**20, 1),
    }


def read_and_hash(files: list[Path]) -> None:
    """One sequential read of all bytes, with SHA-256."""
    buffer = memoryview(bytearray(BLOCK))
    for path in files:
        hashed = sha256()
        with path.open("rb", buffering=0) as file:
            while count := file.readinto(buffer):
                hashed.update(buffer[:count])


def ready(store: Path, data: Path) -> object:
    """Make the store of the embeddings in a folder, and map it."""
    trial = Trial(
        dataset=Part.of("embeddings", path=data.name),
        encoder=Part.of("precomputed"),
        strategy=Part.of("margin"),
        trainer=Part.of("logistic"),
        budget=10,
        rounds=1,
        seed=0,
    )
    environment = Environment(store / "runs", store, data.parent, "")
    progress: Callable[[int, int], None] = lambda done, total: None  # noqa: E731
    return complete_store(parts.build(trial).store_recipe, None, environment, LocalEmbedder(), progress).arrays()


if __name__ == "__main__":
    main()
