"""Synthetic pools on disk, each with a linear probe fitted to its labels: what the selection benchmarks choose from."""

import json
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from labelbench_ray.pool.standardization import Standardization
from labelbench_ray.proxies import Classifier
from labelbench_ray.proxies.linear import Linear
from labelbench_ray.trainers.engine.data import embedded_data
from labelbench_ray.trainers.logistic import Logistic
from labelbench_ray.types import Examples, Floats, Ids, PoolView

CHUNK_ROWS = 1 << 14
TAIL = 100.0
"""How many times larger the largest cluster is than the smallest."""
FIT_PRODUCTS = 1e12
"""Multiplications that fitting a probe may take, about: 1,000 classes get fewer iterations."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A recipe of a pool: rows scattered around centers, whose sizes fall geometrically to a hundredth."""

    rows: int
    dimensions: int
    classes: int
    labeled: int = 1000
    dtype: str = "float32"
    clusters: int = 0
    """How many centers; 0 means one a class. Center c belongs to class c modulo K."""
    spread: float = 5.0
    """Standard deviation of a row around its center, as a multiple of the centers' own."""

    @property
    def name(self) -> str:
        """Of its folder."""
        text = f"{self.rows}x{self.dimensions}-{self.dtype}-K{self.classes}-L{self.labeled}"
        return f"{text}-clusters{self.clusters}" if self.clusters else text


TIGHT = {"clusters": 500, "spread": 0.05}


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """A pool with its probe, and the truth that an oracle would answer."""

    embeddings_ND: NDArray[Any]
    truth_N: Ids
    labeled_L: Ids
    model: Classifier

    def linear(self, shards: int = 1) -> PoolView:
        """A view that was checked, as `PoolView.from_linear` makes it."""
        ((weight_DK, bias_K),) = self.model.layers
        labels_L = self.truth_N[self.labeled_L]
        return PoolView.from_linear(self.embeddings_ND, weight_DK, bias_K, self.labeled_L, labels_L, shards)

    def mapped(self, shards: int = 1) -> PoolView:
        """The view that a trial has of a store: the memory map stays as it is, nothing is read yet."""
        return PoolView.from_model(self.embeddings_ND, self.model, self.labeled_L, self.truth_N[self.labeled_L], shards)

    def ask(self, ids: Ids) -> Ids:
        """The oracle."""
        return self.truth_N[ids]


def made(folder: Path, shape: Shape) -> Path:
    """The folder of such a pool below `folder`; made where it is missing."""
    place = folder / shape.name
    if not (place / "shape.json").is_file():
        place.mkdir(parents=True, exist_ok=True)
        _make(place, shape)
        (place / "shape.json").write_text(json.dumps(asdict(shape)))  # last: without it the pool is made again
    assert json.loads((place / "shape.json").read_text()) == asdict(shape), f"{place} holds another pool: delete it"
    return place


def opened(place: Path, *, mapped: bool) -> Pool:
    """The pool of a folder: its embeddings in memory, or memory-mapped."""
    embeddings_ND = np.load(place / "embeddings.npy", mmap_mode="r" if mapped else None)
    weight_DK, bias_K = np.load(place / "weight.npy"), np.load(place / "bias.npy")
    as_they_are = _as_they_are(len(weight_DK))
    return Pool(
        embeddings_ND,
        np.load(place / "truth.npy"),
        np.load(place / "labeled.npy"),
        Classifier(as_they_are, ((weight_DK, bias_K),)),
    )


def _make(place: Path, shape: Shape) -> None:
    embeddings_ND = np.lib.format.open_memmap(
        place / "embeddings.npy", mode="w+", dtype=np.dtype(shape.dtype), shape=(shape.rows, shape.dimensions)
    )
    truth_N = np.empty(shape.rows, np.int64)
    clusters = shape.clusters or shape.classes
    centers_CD = np.random.default_rng(0).standard_normal((clusters, shape.dimensions), np.float32)
    share_C = TAIL ** -np.linspace(0, 1, clusters)
    for start in range(0, shape.rows, CHUNK_ROWS):
        # A stream a chunk: a smaller pool is the beginning of a larger one.
        rng = np.random.default_rng([1, start])
        cluster_B = rng.choice(clusters, CHUNK_ROWS, p=share_C / share_C.sum())
        rows_BD = rng.standard_normal((CHUNK_ROWS, shape.dimensions), np.float32)
        rows_BD *= shape.spread / np.hypot(shape.spread, 1)
        rows_BD += centers_CD[cluster_B] / np.float32(np.hypot(shape.spread, 1))
        kept = min(CHUNK_ROWS, shape.rows - start)
        embeddings_ND[start : start + kept] = rows_BD[:kept]
        truth_N[start : start + kept] = cluster_B[:kept] % shape.classes
    labeled_L = np.random.default_rng(2).choice(shape.rows, shape.labeled, replace=False)
    weight_DK, bias_K = _fit(embeddings_ND[labeled_L].astype(np.float32), truth_N[labeled_L], shape.classes)
    arrays = {"truth": truth_N, "labeled": labeled_L, "weight": weight_DK, "bias": bias_K}
    for name, array in arrays.items():
        np.save(place / f"{name}.npy", array)
    embeddings_ND.flush()


def _fit(rows_LD: Floats, labels_L: Ids, classes: int) -> tuple[Floats, Floats]:
    examples = Examples(rows_LD, labels_L)
    iterations = int(np.clip(FIT_PRODUCTS / (4 * rows_LD.size * classes), 10, 1000))
    ids_L = np.arange(len(labels_L))
    data = embedded_data(rows_LD, labels_L, examples, classes, _as_they_are(rows_LD.shape[1]), ids_L)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a probe that is nearly fitted serves as well
        (layer,) = Logistic(max_iterations=iterations).fit(Linear(), data, seed=0).layers
    return layer


def _as_they_are(dimensions: int) -> Standardization:
    return Standardization(np.zeros(dimensions, np.float32), np.ones(dimensions, np.float32))
