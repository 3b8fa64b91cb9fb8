"""The values that pass between rooms, and the legend of the array shape letters.

    N rows of a pool       B rows of a block      S rows of a shard     D dimensions of an embedding
    L labeled rows         U unlabeled rows       K classes             V validation rows

A *pool id* (int64) is a row's place in the store's list of embedded rows, 0 .. N-1; ids are used everywhere, never
positions in a subset. Numeric passes run over blocks of `BLOCK_ROWS` consecutive rows by pool id, and shards are
cut at multiples of a block, so that the same rows give the same bits on any number of shards, actors and nodes.
"""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labelbench_ray import checks, probabilities

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]
Ask = Callable[[Ids], Ids]
"""Pool ids -> the labels that the oracle returns for them; each new id costs one label of the budget."""
Result = TypeVar("Result")

BLOCK_ROWS = 4096


class Model(Protocol):
    """A trained proxy as the scoring of a pool sees it; takes raw embeddings as they lie in the store."""

    @property
    def num_classes(self) -> int:
        """K."""
        ...

    def probabilities(self, raw_BD: NDArray[Any]) -> Floats:
        """(B, K) float32, rows sum to 1."""
        ...

    def features(self, raw_BD: NDArray[Any]) -> Floats:
        """(B, H) float32: what the proxy's last layer sees."""
        ...


class Block:
    """Consecutive rows of a pool by pool id: the unit of every numeric pass. What is not read is not computed."""

    def __init__(
        self,
        ids_B: Ids,
        labeled_B: NDArray[np.bool_],
        probabilities_of: Callable[[], Floats],
        features_of: Callable[[], Floats],
    ) -> None:
        self.ids_B = ids_B
        self.labeled_B = labeled_B
        self._probabilities_of = probabilities_of
        self._features_of = features_of

    @cached_property
    def probabilities_BK(self) -> Floats:
        """(B, K) float32, rows sum to 1; to be read, not written."""
        return self._probabilities_of()

    @cached_property
    def embeddings_BD(self) -> Floats:
        """(B, D) float32: the features that the proxy's last layer sees; to be read, not written."""
        return self._features_of()


@dataclass(frozen=True, slots=True, eq=False)
class Shard(ABC):
    """A stretch of a pool: ascending ids, their raw embeddings, and which of them are labeled."""

    ids_S: Ids
    raw_SD: NDArray[Any]
    labeled_S: NDArray[np.bool_]

    @abstractmethod
    def probabilities(self, rows: slice) -> Floats:
        """(B, K) float32 of these rows of the shard."""

    @abstractmethod
    def features(self, rows: slice) -> Floats:
        """(B, D) float32 of these rows of the shard."""

    def blocks(self) -> Iterator[Block]:
        """The shard's rows in blocks of `BLOCK_ROWS`, by ascending pool id."""
        for start in range(0, len(self.ids_S), BLOCK_ROWS):
            rows = slice(start, min(start + BLOCK_ROWS, len(self.ids_S)))
            yield Block(
                self.ids_S[rows], self.labeled_S[rows], partial(self.probabilities, rows), partial(self.features, rows)
            )


@dataclass(frozen=True, slots=True, eq=False)
class ArrayShard(Shard):
    """A shard whose probabilities were given."""

    probabilities_SK: Floats

    def probabilities(self, rows: slice) -> Floats:
        given_BK = self.probabilities_SK[rows]
        normalized_BK: Floats = given_BK / given_BK.sum(axis=1, keepdims=True)
        return normalized_BK

    def features(self, rows: slice) -> Floats:
        return self.raw_SD[rows].astype(np.float32, copy=False)


@dataclass(frozen=True, slots=True, eq=False)
class ModelShard(Shard):
    """A shard whose probabilities a model computes block by block, and nobody stores."""

    model: Model

    def probabilities(self, rows: slice) -> Floats:
        return self.model.probabilities(self.raw_SD[rows])

    def features(self, rows: slice) -> Floats:
        return self.model.features(self.raw_SD[rows])


@dataclass(frozen=True, slots=True, eq=False)
class LinearModel:
    """softmax(x @ weight + bias); the features are x."""

    weight_DK: Floats
    bias_K: Floats

    @property
    def num_classes(self) -> int:
        return len(self.bias_K)

    def probabilities(self, raw_BD: NDArray[Any]) -> Floats:
        return probabilities.softmax(self.features(raw_BD) @ self.weight_DK + self.bias_K)

    def features(self, raw_BD: NDArray[Any]) -> Floats:
        return raw_BD.astype(np.float32, copy=False)


@dataclass(frozen=True, slots=True, eq=False)
class PoolView:
    """All that a strategy may look at: the pool in shards, and the labels that were paid for.

    Labels of unlabeled rows are not in here. A strategy is written as maps over shards and small reductions of what
    they return; a view over Ray actors overrides `map` and nothing else.
    """

    shards: tuple[Shard, ...]
    num_rows: int
    num_classes: int
    labeled_L: Ids
    labels_L: Ids

    @property
    def num_unlabeled(self) -> int:
        """U."""
        return self.num_rows - len(self.labeled_L)

    def map(self, function: Callable[[Shard], Result]) -> list[Result]:
        """`function` of every shard, in the order of the shards."""
        return [function(shard) for shard in self.shards]

    @classmethod
    def from_arrays(
        cls,
        embeddings: ArrayLike,
        probabilities: ArrayLike,
        labeled: ArrayLike,
        labels: ArrayLike,
        shards: int = 1,
        ids: ArrayLike | None = None,
    ) -> Self:
        """A view of arrays in memory.

        Args:
            embeddings: (N, D) float32 or float16.
            probabilities: (N, K) float32; rows sum to 1 within 1e-3 and are renormalized.
            labeled: (L,) int64 pool ids already labeled, may be empty.
            labels: (L,) int64 what the oracle returned for them.
            shards: how many shards to cut the pool into, at most (cuts lie at multiples of `BLOCK_ROWS`).
            ids: (N,) int64 pool ids, distinct; None means 0 .. N-1.

        Raises:
            ValueError: a shape, dtype, id or label out of range, NaN, or rows that are no distribution.
        """
        embeddings_ND = checks.embeddings(embeddings)
        ids_N, order_N = checks.ascending(ids, len(embeddings_ND))
        probabilities_NK = checks.distributions(probabilities, len(embeddings_ND))[order_N]
        raw_ND = embeddings_ND[order_N]

        def cut(rows: slice, labeled_S: NDArray[np.bool_]) -> Shard:
            return ArrayShard(ids_N[rows], raw_ND[rows], labeled_S, probabilities_NK[rows])

        return cls._assemble(ids_N, probabilities_NK.shape[1], labeled, labels, shards, cut)

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
        cls, embeddings_ND: NDArray[Any], model: Model, labeled: ArrayLike, labels: ArrayLike, shards: int = 1
    ) -> Self:
        """The same for any model of raw embeddings that were checked when they were stored."""
        ids_N = np.arange(len(embeddings_ND))

        def cut(rows: slice, labeled_S: NDArray[np.bool_]) -> Shard:
            return ModelShard(ids_N[rows], embeddings_ND[rows], labeled_S, model)

        return cls._assemble(ids_N, model.num_classes, labeled, labels, shards, cut)

    @classmethod
    def _assemble(
        cls,
        ids_N: Ids,
        num_classes: int,
        labeled: ArrayLike,
        labels: ArrayLike,
        shards: int,
        cut: Callable[[slice, NDArray[np.bool_]], Shard],
    ) -> Self:
        labeled_L, labels_L = checks.labels(labeled, labels, num_classes)
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
            raise ValueError("labeled: an id is repeated; each row is labeled once")
        return cls(
            tuple(cut(rows, labeled_N[rows]) for rows in cuts(len(ids_N), shards)),
            len(ids_N),
            num_classes,
            labeled_L,
            labels_L,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Labeled rows: embeddings (B, D) float32, standardized; labels (B,) int64."""

    embeddings_BD: Floats
    labels_B: Ids


def cuts(num_rows: int, shards: int) -> list[slice]:
    """At most `shards` stretches of nearly equal length, cut at multiples of `BLOCK_ROWS`.

    Raises:
        ValueError: `shards` is below 1.
    """
    if shards < 1:
        raise ValueError(f"shards: {shards} must be at least 1")
    blocks = -(-num_rows // BLOCK_ROWS)
    parts = max(1, min(shards, blocks))
    edges = [min(num_rows, part * blocks // parts * BLOCK_ROWS) for part in range(parts + 1)]
    return [slice(start, stop) for start, stop in itertools.pairwise(edges)]
