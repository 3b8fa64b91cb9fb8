"""The values that pass between packages, and the legend of the array shape letters.

    N rows of a pool       B rows of a block      S rows of a shard     D dimensions of an embedding
    L labeled rows         U unlabeled rows       K classes             V validation rows

A *pool id* (int64) is a row's place in the store's list of embedded rows, 0 .. N-1; ids are used everywhere, never
positions in a subset. Numeric passes run over blocks of `BLOCK_ROWS` consecutive rows by pool id, and shards are
cut at multiples of a block, so that the same rows give the same bits on any number of shards, actors and nodes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labelbench_ray.pool import checks
from labelbench_ray.pool.blocks import (
    BLOCK_ROWS,
    ArrayShard,
    Block,
    Floats,
    Ids,
    LinearModel,
    Model,
    ModelShard,
    Rows,
    Shard,
    cuts,
)
from labelbench_ray.pool.distributions import BERNOULLI, CATEGORICAL, Distribution
from labelbench_ray.pool.facts import Facts, checked_facts
from labelbench_ray.pool.task_heads import TaskHeads

__all__ = ["BLOCK_ROWS", "Ask", "Block", "Examples", "Floats", "Ids", "Labels", "Model", "PoolView", "Rows", "Shard"]

Labels = NDArray[Any]
"""Labels of rows as their task holds them: (N,) int64 or float64, an (N, K) int8 matrix, or (N, W) int64."""
Ask = Callable[[Ids], Labels]
"""Pool ids -> the labels that the oracle returns for them; each new id costs one label of the budget."""
Result = TypeVar("Result")
NO_FACTS: Mapping[str, ArrayLike] = {}


@dataclass(frozen=True, slots=True, eq=False)
class PoolView:
    """All that a strategy may look at: the pool in shards, and the labels that were paid for.

    Labels of unlabeled rows are not in here. A strategy is written as maps over shards and small reductions of what
    they return; a view over Ray actors overrides `map` and `only`, and nothing else.
    """

    shards: tuple[Shard, ...]
    num_rows: int
    num_unlabeled: int
    """U: the rows that may be chosen."""
    num_classes: int
    labeled_L: Ids
    labels_L: Labels
    """What the oracle returned: (L,) class numbers or answers; (L, K) of independent classes, 1, 0 or -1 (unknown)."""
    distribution: Distribution
    """Whether a row is of one class of several, each class is independent of the others, or a number is predicted."""
    fact_names: tuple[str, ...] = field(default=(), kw_only=True)
    """The facts that its shards and blocks have, in `facts`."""
    task_heads: TaskHeads | None = field(default=None, kw_only=True)
    """What the proxy learned of each task, if it is a model of several tasks."""

    def map(self, function: Callable[..., Result], *each: Sequence[Any]) -> list[Result]:
        """`function` of every shard, in the order of the shards; with an item of every `each` for every shard."""
        return [function(shard, *items) for shard, *items in zip(self.shards, *each, strict=True)]

    def only(self, ids: Ids) -> Self:
        """The same pool and labels, where only rows of these ids (distinct, unlabeled) may be chosen."""
        ascending_C = np.sort(ids)
        shards = tuple(shard.only(ascending_C) for shard in self.shards)
        return replace(self, shards=shards, num_unlabeled=len(ascending_C))

    def open_ids(self) -> Ids:
        """(U,) ascending ids of the rows that may be chosen."""
        return np.concatenate([np.empty(0, np.int64), *self.map(_open_ids)])

    def embeddings(self, ids_C: Ids) -> Floats:
        """(C, D) float32 features of these rows, in the order asked for."""
        return self._rows(ids_C, _embeddings)

    def probabilities(self, ids_C: Ids) -> Floats:
        """(C, K) float32 probabilities of these rows, in the order asked for."""
        return self._rows(ids_C, _probabilities)

    def _rows(self, ids_C: Ids, read: Callable[[Block], Floats]) -> Floats:
        found = [block for blocks in self.map(partial(_read, ids_C=ids_C, read=read)) for block in blocks]
        assert found, "no row was asked for"
        ascending_C = np.concatenate([ids_B for ids_B, _ in found])
        places_C = np.searchsorted(ascending_C, ids_C)
        rows_CX: Floats = np.concatenate([rows_BX for _, rows_BX in found])[places_C]
        return rows_CX

    @classmethod
    def from_arrays(
        cls,
        embeddings: ArrayLike,
        probabilities: ArrayLike,
        labeled: ArrayLike,
        labels: ArrayLike,
        shards: int = 1,
        ids: ArrayLike | None = None,
        facts: Mapping[str, ArrayLike] = NO_FACTS,
    ) -> Self:
        """A view of arrays in memory.

        Args:
            embeddings: (N, D) float32 or float16.
            probabilities: (N, K) float32; rows sum to 1 within 1e-3 and are renormalized.
            labeled: (L,) int64 pool ids already labeled, may be empty.
            labels: (L,) int64 what the oracle returned for them.
            shards: how many shards to cut the pool into, at most (cuts lie at multiples of `BLOCK_ROWS`).
            ids: (N,) int64 pool ids, distinct; None means 0 .. N-1.
            facts: by name, (N,) floats, integers or booleans: what else is known of each row.

        Raises:
            ValueError: a shape, dtype, id or label out of range, NaN, or rows that are no distribution.
        """
        return cls.from_predictions(CATEGORICAL, embeddings, probabilities, labeled, labels, shards, ids, facts)

    @classmethod
    def from_multi_label(
        cls,
        embeddings: ArrayLike,
        probabilities: ArrayLike,
        labeled: ArrayLike,
        labels: ArrayLike,
        shards: int = 1,
        ids: ArrayLike | None = None,
        facts: Mapping[str, ArrayLike] = NO_FACTS,
    ) -> Self:
        """The same of a pool whose rows may have several labels: each class is independent of the others.

        Args:
            embeddings: (N, D) float32 or float16.
            probabilities: (N, K) float32, each entry in 0 .. 1; rows need not sum to 1.
            labeled: (L,) int64 pool ids already labeled, may be empty.
            labels: (L, K) integers: 1 for a class that is there, 0 for one that is not, -1 where that is unknown.
            shards: how many shards to cut the pool into, at most.
            ids: (N,) int64 pool ids, distinct; None means 0 .. N-1.
            facts: by name, (N,) floats, integers or booleans: what else is known of each row.

        Raises:
            ValueError: a shape, dtype, id, label or probability out of range, or NaN.
        """
        return cls.from_predictions(BERNOULLI, embeddings, probabilities, labeled, labels, shards, ids, facts)

    @classmethod
    def from_predictions(
        cls,
        distribution: Distribution,
        embeddings: ArrayLike,
        probabilities: ArrayLike | None,
        labeled: ArrayLike,
        labels: ArrayLike,
        shards: int = 1,
        ids: ArrayLike | None = None,
        facts: Mapping[str, ArrayLike] = NO_FACTS,
    ) -> Self:
        """The same of what any distribution predicts, such as numbers: `REAL` of `pool.distributions`."""
        embeddings_ND = checks.embeddings(embeddings)
        ids_N, order_N = checks.ascending(ids, len(embeddings_ND))
        probabilities_NK = distribution.checked(probabilities, len(embeddings_ND))[order_N]
        raw_ND, facts_N = embeddings_ND[order_N], checked_facts(facts, len(embeddings_ND)).take(order_N)

        def cut(rows: slice, labeled_S: NDArray[np.bool_]) -> Shard:
            return ArrayShard(
                ids_N[rows],
                raw_ND[rows],
                labeled_S,
                ~labeled_S,
                probabilities_NK[rows],
                distribution,
                facts=facts_N.take(rows),
            )

        num_classes, names = probabilities_NK.shape[1], tuple(facts_N)
        return cls._assemble(ids_N, num_classes, distribution, labeled, labels, shards, cut, names)

    @classmethod
    def from_linear(
        cls,
        embeddings: ArrayLike,
        weight_DK: ArrayLike,
        bias_K: ArrayLike,
        labeled: ArrayLike,
        labels: ArrayLike,
        shards: int = 1,
    ) -> Self:
        """The same for a linear proxy: softmax(embeddings @ weight + bias), block by block, never stored whole.

        Args:
            embeddings: (N, D) float32 or float16.
            weight_DK: (D, K) float32.
            bias_K: (K,) float32.
            labeled: (L,) int64.
            labels: (L,) int64.
            shards: how many shards to cut the pool into, at most.

        Raises:
            ValueError: as `from_arrays`.
        """
        embeddings_ND = checks.embeddings(embeddings)
        weight, bias = np.asarray(weight_DK, np.float32), np.asarray(bias_K, np.float32)
        if weight.ndim != 2 or weight.shape[0] != embeddings_ND.shape[1] or bias.shape != (weight.shape[1],):
            raise ValueError(
                f"weight_DK, bias_K: shapes {weight.shape}, {bias.shape} must be ({embeddings_ND.shape[1]}, K), (K,)"
            )
        if len(bias) < 2:
            raise ValueError(f"bias_K: {len(bias)} classes; at least 2 are needed")
        if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
            raise ValueError("weight_DK, bias_K: hold NaN or infinity; every entry must be finite")
        return cls.from_model(embeddings_ND, LinearModel(weight, bias), labeled, labels, shards)

    @classmethod
    def from_model(
        cls,
        embeddings_ND: NDArray[Any],
        model: Model,
        labeled: ArrayLike,
        labels: ArrayLike,
        shards: int = 1,
        facts: Facts | None = None,
    ) -> Self:
        """The same for any model of raw embeddings, which were checked when they were stored, as `facts` were."""
        ids_N, facts_N = np.arange(len(embeddings_ND)), Facts() if facts is None else facts

        def cut(rows: slice, labeled_S: NDArray[np.bool_]) -> Shard:
            return ModelShard(ids_N[rows], embeddings_ND[rows], labeled_S, ~labeled_S, model, facts=facts_N.take(rows))

        return cls._assemble(ids_N, model.num_classes, model.distribution, labeled, labels, shards, cut, tuple(facts_N))

    @classmethod
    def _assemble(
        cls,
        ids_N: Ids,
        num_classes: int,
        distribution: Distribution,
        labeled: ArrayLike,
        labels: ArrayLike,
        shards: int,
        cut: Callable[[slice, NDArray[np.bool_]], Shard],
        fact_names: tuple[str, ...],
    ) -> Self:
        labeled_L, labels_L = distribution.checked_labels(labeled, labels, num_classes)
        places_L = np.searchsorted(ids_N, labeled_L)
        known_L = places_L < len(ids_N)
        known_L[known_L] = ids_N[places_L[known_L]] == labeled_L[known_L]
        if not known_L.all():
            raise ValueError(
                f"labeled: id {labeled_L[~known_L][0]} is out of range; it must be one of the pool's {len(ids_N)} ids"
            )
        labeled_N = np.zeros(len(ids_N), np.bool_)
        labeled_N[places_L] = True
        if labeled_N.sum() != len(labeled_L):
            ids, counts = np.unique(labeled_L, return_counts=True)
            raise ValueError(f"labeled: id {ids[counts > 1][0]} is repeated; give each labeled row once")
        return cls(
            tuple(cut(rows, labeled_N[rows]) for rows in cuts(len(ids_N), shards)),
            len(ids_N),
            len(ids_N) - len(labeled_L),
            num_classes,
            labeled_L,
            labels_L,
            distribution,
            fact_names=fact_names,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Labeled rows: embeddings (B, D) float32, standardized; labels (B, ...) as their task holds them."""

    embeddings_BD: Floats
    labels_B: Labels


def _open_ids(shard: Shard) -> Ids:
    return shard.open_ids


def _embeddings(block: Block) -> Floats:
    return block.embeddings_BD


def _probabilities(block: Block) -> Floats:
    return block.probabilities_BK


def _read(shard: Shard, ids_C: Ids, read: Callable[[Block], Floats]) -> list[tuple[Ids, Floats]]:
    return [(block.ids_B, read(block)) for block in shard.among(ids_C)]
