"""Small pools and plug-in files that several tests share."""

import importlib
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelbench_ray.embeddings.store import Embedded, SplitArrays
from labelbench_ray.pool.standardization import standardize
from labelbench_ray.trial.purchases import Purchases
from labelbench_ray.types import PoolView


@dataclass(frozen=True)
class Pool:
    """A pool in memory, with the hidden truth that an oracle would answer."""

    embeddings: np.ndarray
    probabilities: np.ndarray
    labeled: np.ndarray
    labels: np.ndarray
    truth: np.ndarray

    def view(self, shards: int = 1) -> PoolView:
        return PoolView.from_arrays(self.embeddings, self.probabilities, self.labeled, self.labels, shards=shards)

    @property
    def unlabeled(self) -> np.ndarray:
        return np.setdiff1d(np.arange(len(self.embeddings)), self.labeled)


def purchases_of(pool: Pool, budget: int) -> Purchases:
    """Answers with the truth of a pool's rows, within a budget."""
    return Purchases(lambda ids: pool.truth[ids], len(pool.truth), budget, pool.labeled, pool.labels)


def make_pool(rows: int, classes: int = 4, dimensions: int = 6, labeled: int = 20, seed: int = 0) -> Pool:
    """Rows scattered around one center a class, with probabilities that mostly agree with the truth."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, rows)
    centers = rng.normal(size=(classes, dimensions))
    embeddings = (2 * centers[truth] + rng.normal(size=(rows, dimensions))).astype(np.float32)
    bought = rng.choice(rows, labeled, replace=False)
    return Pool(embeddings, softmax64(embeddings @ centers.T).astype(np.float32), bought, truth[bought], truth)


def softmax64(logits: np.ndarray) -> np.ndarray:
    """Softmax in float64, as a textbook has it."""
    exponentials = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


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
    return Embedded(
        pool, validation, test, standardize(pool.embeddings_ND), tuple(f"class {k}" for k in range(classes))
    )


def write_images(folder: Path, rows: dict[str, int]) -> None:
    """An image folder of two classes, bright and dark noise, of so many rows a split."""
    rng = np.random.default_rng(0)
    for split, count in rows.items():
        for number in range(count):
            path = folder / split / ("dark", "light")[number % 2] / f"{number:03d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels_HW = rng.integers(0, 200, (8, 8)) + 55 * (number % 2)
            Image.fromarray(pixels_HW.astype(np.uint8)).save(path)
