"""Small pools, stores and plug-in files that several tests and benchmarks share."""

import importlib
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from labelbench_ray.contracts.pools import Pool as Pool
from labelbench_ray.contracts.pools import make_pool as make_pool
from labelbench_ray.contracts.pools import purchases_of as purchases_of
from labelbench_ray.contracts.pools import softmax64 as softmax64
from labelbench_ray.embeddings.manifests import Manifest
from labelbench_ray.embeddings.shards import ShardEntry, ShardId, ShardRows, shard_bytes
from labelbench_ray.embeddings.store import Embedded, EmbeddingStore, SplitArrays
from labelbench_ray.pool.standardization import standardize


def write_module(folder: Path, name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file in a user's own package below `folder`; returns its full module path."""
    package = folder / f"user_{name}"
    package.mkdir(exist_ok=True)
    (package / "__init__.py").touch()
    (package / "part.py").write_text(text)
    monkeypatch.syspath_prepend(str(folder))
    path = f"{package.name}.part"
    for module in (package.name, path):
        monkeypatch.delitem(sys.modules, module, raising=False)
    importlib.invalidate_caches()
    return path


def make_embedded(rows: int = 120, classes: int = 3, dimensions: int = 4, truth: int | None = None) -> Embedded:
    """An embedded data set in memory; with `truth`, every row of the pool is truly of that class."""
    rng = np.random.default_rng(7)
    centers = rng.normal(size=(classes, dimensions))

    def split(size: int) -> SplitArrays:
        labels = rng.integers(0, classes, size)
        embeddings = 1.5 * centers[labels] + rng.normal(size=(size, dimensions))
        return SplitArrays(embeddings.astype(np.float16), labels)

    pool, validation, test = split(rows), split(40), split(50)
    if truth is not None:
        pool = SplitArrays(pool.embeddings_ND, np.full(rows, truth))
    splits = {"pool": pool, "validation": validation, "test": test}
    return Embedded(splits, standardize(pool.embeddings_ND), tuple(f"class {k}" for k in range(classes)))


def make_manifest(key: str, shards: Iterable[ShardEntry], **fields: Any) -> Manifest:
    """A store's manifest; fields that are not given have values that nothing depends on."""
    usual = {
        "dataset": {"name": "digits"},
        "encoder": {"name": "pixels"},
        "signature": "s",
        "weights": "none",
        "preprocessing": "none",
        "compute": "numpy",
        "classes": ("a", "b", "c"),
        "dimensions": 4,
        "rejects": 0,
        "seconds": 1.5,
    }
    return Manifest(**usual | {"key": key, "shards": tuple(shards)} | fields)


def write_store(directory: Path, splits: Mapping[str, Iterable[ShardRows]], **fields: Any) -> EmbeddingStore:
    """A finished store of these shards; `fields` of its manifest as in `make_manifest`."""
    (directory / "shards").mkdir(parents=True, exist_ok=True)
    entries = []
    for split, shards in splits.items():
        for number, rows in enumerate(shards):
            (directory / ShardId(split, number).file).write_bytes(shard_bytes(rows, "recipe", "numpy"))
            entries.append(ShardEntry(split=split, number=number, rows=len(rows.row_ids), sha256=rows.sha256()))
    (directory / "manifest.json").write_text(make_manifest(directory.name, entries, **fields).model_dump_json())
    return EmbeddingStore.open(directory)


def write_images(folder: Path, rows: dict[str, int]) -> None:
    """An image folder of two classes, bright and dark noise, of so many rows a split."""
    rng = np.random.default_rng(0)
    for split, count in rows.items():
        for number in range(count):
            path = folder / split / ("dark", "light")[number % 2] / f"{number:03d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels_HW = rng.integers(0, 200, (8, 8)) + 55 * (number % 2)
            Image.fromarray(pixels_HW.astype(np.uint8)).save(path)
