"""Made-up pools with their hidden truth, on which the laws of strategies are tried."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.pool.distributions import BERNOULLI, CATEGORICAL, REAL, Distribution
from labelbench_ray.trial.purchases import Purchases
from labelbench_ray.types import PoolView

Array = NDArray[Any]


@dataclass(frozen=True)
class Pool:
    """A pool in memory, with the hidden truth that an oracle would answer. Labels are (L,), or (L, K) if several."""

    embeddings: Array
    probabilities: Array
    labeled: Array
    labels: Array
    truth: Array
    facts: Mapping[str, Array] = field(default_factory=dict)

    def view(self, shards: int = 1, ids: Array | None = None) -> PoolView:
        """The pool as strategies see it, its rows numbered or under these ids."""
        labeled = self.labeled if ids is None else ids[self.labeled]
        return PoolView.from_predictions(
            self.distribution, self.embeddings, self.probabilities, labeled, self.labels, shards, ids, self.facts
        )

    @property
    def distribution(self) -> Distribution:
        """What kind of labels it has: several a row, numbers, or classes."""
        if self.truth.ndim > 1:
            return BERNOULLI
        return REAL if self.truth.dtype.kind == "f" else CATEGORICAL

    @property
    def unlabeled(self) -> NDArray[np.int64]:
        """The rows that may be chosen."""
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


def make_multi_label_pool(rows: int, classes: int = 4, labeled: int = 20, seed: int = 0) -> Pool:
    """Rows that may have several labels; one entry in ten of the labels bought is unknown."""
    rng = np.random.default_rng(seed)
    truth = (rng.random((rows, classes)) < 0.3).astype(np.int8)
    logits = 2.0 * truth - 1 + rng.normal(size=truth.shape)
    bought = rng.choice(rows, labeled, replace=False)
    labels = np.where(rng.random((labeled, classes)) < 0.1, -1, truth[bought]).astype(np.int8)
    embeddings = np.concatenate([logits, rng.normal(size=(rows, 2))], axis=1).astype(np.float32)
    return Pool(embeddings, (1 / (1 + np.exp(-logits))).astype(np.float32), bought, labels, truth)


def make_regression_pool(rows: int, labeled: int = 20, seed: int = 0) -> Pool:
    """Rows whose answers are numbers, with predictions that are near them."""
    rng = np.random.default_rng(seed)
    embeddings = rng.normal(size=(rows, 6)).astype(np.float32)
    truth = embeddings.astype(np.float64) @ rng.normal(size=6)
    predicted = (truth + 0.3 * rng.normal(size=rows)).astype(np.float32)[:, None]
    bought = rng.choice(rows, labeled, replace=False)
    return Pool(embeddings, predicted, bought, truth[bought], truth)


def softmax64(logits: Array) -> Array:
    """Softmax in float64, as a textbook has it."""
    exponentials: Array = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    probabilities: Array = exponentials / exponentials.sum(axis=1, keepdims=True)
    return probabilities


def without_labels(pool: Pool) -> Pool:
    """The pool before a label was bought."""
    return replace(pool, labeled=np.empty(0, np.int64), labels=pool.labels[:0])


def unlearned(pool: Pool) -> Pool:
    """The pool before the first round, with what a model predicts that has learned nothing."""
    uninformed = pool.distribution.uninformed(*pool.probabilities.shape)
    return replace(without_labels(pool), probabilities=uninformed)


def identical_rows(pool: Pool) -> Pool:
    """A pool of the same size without labels, in which every row is the first one."""
    rows = len(pool.truth)
    return replace(
        without_labels(pool),
        embeddings=np.repeat(pool.embeddings[:1], rows, axis=0),
        probabilities=np.repeat(pool.probabilities[:1], rows, axis=0),
        truth=np.repeat(pool.truth[:1], rows, axis=0),
        facts={name: np.ones(rows) for name in pool.facts},
    )


def _with_class_missing(pool: Pool) -> Pool:
    kept = pool.labels != 0
    return replace(pool, labeled=pool.labeled[kept], labels=pool.labels[kept])


def _one_hot(pool: Pool) -> Pool:
    return replace(pool, probabilities=np.eye(pool.probabilities.shape[1], dtype=np.float32)[pool.truth])


def _with_outlier(pool: Pool) -> Pool:
    scale = np.where(np.arange(len(pool.embeddings)) == pool.unlabeled[7], 1e6, 1)
    return replace(pool, embeddings=(pool.embeddings * scale[:, None]).astype(np.float32))


PLAIN: Final = make_pool(150)
POOLS: Final[Mapping[str, Pool]] = {
    "plain": PLAIN,
    "no labels yet": without_labels(PLAIN),
    "a class without labels": _with_class_missing(PLAIN),
    "labels of one class": replace(PLAIN, labels=np.zeros_like(PLAIN.labels)),
    "two classes": make_pool(150, classes=2),
    "1,000 classes": make_pool(150, classes=1000, labeled=40),
    "every row identical": identical_rows(make_pool(150, classes=3)),
    "every row certain": _one_hot(PLAIN),
    "float16": replace(PLAIN, embeddings=PLAIN.embeddings.astype(np.float16)),
    "one dimension": make_pool(150, dimensions=1),
    "an outlier": _with_outlier(PLAIN),
    "an offset": replace(PLAIN, embeddings=PLAIN.embeddings + np.float32(1000)),
    "embeddings of zero": replace(PLAIN, embeddings=np.zeros((150, 6), np.float32)),
}
"""Pools of one label a row, ordinary and odd, by what is special about them."""
MULTI_LABEL_POOLS: Final[Mapping[str, Pool]] = {
    "several labels a row": make_multi_label_pool(150),
    "several labels a row, none yet": without_labels(make_multi_label_pool(150)),
    "several labels a row, two classes": make_multi_label_pool(150, classes=2),
}
REGRESSION_POOLS: Final[Mapping[str, Pool]] = {
    "numbers as answers": make_regression_pool(150),
    "numbers as answers, none yet": without_labels(make_regression_pool(150)),
}
