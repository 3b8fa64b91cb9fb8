"""How a pool is computed on: blocks of consecutive rows, in shards.

Numeric passes run over blocks of `BLOCK_ROWS` consecutive rows by pool id, and shards are cut at multiples of a block,
so that the same rows give the same bits on any number of shards, actors and nodes. Where only some rows of a block are
wanted, which ones they are is decided by what they hold, never by the shard that they lie in.
"""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.pool import passes
from labelbench_ray.pool.distributions import CATEGORICAL, Distribution
from labelbench_ray.pool.facts import Facts

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]
Rows = slice | NDArray[np.intp]

BLOCK_ROWS = 4096
WHOLE_BLOCK = 0.75
"""Where more than this share of a block's rows is wanted, probabilities of all are computed: cheaper than a copy."""


class Model(Protocol):
    """A trained proxy as the scoring of a pool sees it; takes raw embeddings as they lie in the store."""

    @property
    def num_classes(self) -> int:
        """K."""
        ...

    @property
    def distribution(self) -> Distribution:
        """How the probabilities of a row belong together."""
        ...

    def probabilities(self, raw_BD: NDArray[Any]) -> Floats:
        """(B, K) float32 of this distribution."""
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
        distribution: Distribution = CATEGORICAL,
        facts: Facts | None = None,
    ) -> None:
        self.ids_B = ids_B
        self.labeled_B = labeled_B
        self.distribution = distribution
        self.facts = Facts() if facts is None else facts
        self._probabilities_of = probabilities_of
        self._features_of = features_of

    @cached_property
    def probabilities_BK(self) -> Floats:
        """(B, K) float32 of `distribution`; to be read, not written. `ValueError` where they are not finite."""
        return passes.array(self.device_probabilities_BK)

    @cached_property
    def device_probabilities_BK(self) -> Any:  # noqa: ANN401  one kind of array for every caller of `distribution`
        """The same where the model computed them: an array, or a tensor on its device."""
        rows_BK = self._probabilities_of()
        if isinstance(rows_BK, np.ndarray) or not rows_BK.sum().isfinite():
            return self._finite("probabilities", passes.array(rows_BK))
        return rows_BK

    @cached_property
    def embeddings_BD(self) -> Floats:
        """(B, D) float32: the features that the proxy's last layer sees; to be read, not written. `ValueError` where
        they are not finite.
        """
        return passes.array(self.device_embeddings_BD)

    @cached_property
    def device_embeddings_BD(self) -> Any:  # noqa: ANN401  as above
        """The same where the model computed them: an array, or a tensor on its device."""
        rows_BD = self._features_of()
        if isinstance(rows_BD, np.ndarray) or not rows_BD.sum().isfinite():
            return self._finite("embeddings", passes.array(rows_BD))
        return rows_BD

    def _finite(self, what: str, rows_BX: Floats) -> Floats:
        # The sum first: one pass, and NaN or infinity of any entry shows in it.
        if not np.isfinite(np.add.reduce(rows_BX, axis=None)):
            finite_B = np.isfinite(rows_BX).all(axis=1)
            if not finite_B.all():
                raise ValueError(
                    f"{what}: row {self.ids_B[~finite_B][0]} holds NaN or infinity; every entry must be finite "
                    "(did the proxy's training diverge?)"
                )
        return rows_BX


@dataclass(frozen=True, slots=True, eq=False)
class Shard(ABC):
    """A stretch of a pool: ascending ids, their raw embeddings, which are labeled, and which may be chosen."""

    ids_S: Ids
    raw_SD: NDArray[Any]
    """Or `GatheredRows`: rows that are read by `numpy.asarray`."""
    labeled_S: NDArray[np.bool_]
    open_S: NDArray[np.bool_]
    """May be chosen: unlabeled, and not left out by `PoolView.only`."""
    facts: Facts = field(default_factory=Facts, kw_only=True)
    """(S,) float64 for each fact of the pool's rows, by its name."""

    @property
    @abstractmethod
    def distribution(self) -> Distribution:
        """How the probabilities of a row belong together."""

    @abstractmethod
    def probabilities(self, rows: Rows) -> Floats:
        """(B, K) float32 of these rows of the shard."""

    @abstractmethod
    def features(self, rows: Rows) -> Floats:
        """(B, D) float32 of these rows of the shard."""

    @property
    def open_ids(self) -> Ids:
        """(U,) ascending ids of the rows that may be chosen."""
        return self.ids_S[self.open_S]

    def blocks(self) -> Iterator[Block]:
        """The shard's rows in blocks of `BLOCK_ROWS`, by ascending pool id."""
        for rows in self._cuts():
            yield self._block(rows)

    def candidates(self, where_U: NDArray[np.bool_] | None = None) -> Iterator[Block]:
        """The same blocks with only the rows that may be chosen, or with those of them where `where_U` is true.

        Blocks without such a row are left out.
        """
        wanted_S = self.open_S
        if where_U is not None:
            wanted_S = np.zeros_like(wanted_S)
            wanted_S[self.open_S] = where_U
        return self._blocks_of(wanted_S)

    def among(self, ids_C: Ids) -> Iterator[Block]:
        """The same blocks with only the rows of these ids, as far as they lie in this shard, labeled ones too."""
        wanted_S = np.zeros(len(self.ids_S), np.bool_)
        places_C = np.searchsorted(self.ids_S, ids_C)
        inside_C = places_C < len(self.ids_S)
        inside_C[inside_C] = self.ids_S[places_C[inside_C]] == ids_C[inside_C]
        wanted_S[places_C[inside_C]] = True
        return self._blocks_of(wanted_S)

    def only(self, ids_C: Ids) -> Self:
        """The same shard, where only rows of these ascending ids may still be chosen."""
        return replace(self, open_S=self.open_S & np.isin(self.ids_S, ids_C, assume_unique=True))

    def _cuts(self) -> Iterator[slice]:
        for start in range(0, len(self.ids_S), BLOCK_ROWS):
            yield slice(start, min(start + BLOCK_ROWS, len(self.ids_S)))

    def _blocks_of(self, wanted_S: NDArray[np.bool_]) -> Iterator[Block]:
        for rows in self._cuts():
            wanted_B = wanted_S[rows]
            if wanted_B.all():
                yield self._block(rows)
            elif wanted_B.any():
                yield self._part(rows, wanted_B)

    def _block(self, rows: Rows) -> Block:
        return Block(
            self.ids_S[rows],
            self.labeled_S[rows],
            partial(self.probabilities, rows),
            partial(self.features, rows),
            self.distribution,
            self.facts.take(rows),
        )

    def _part(self, rows: slice, wanted_B: NDArray[np.bool_]) -> Block:
        places_B = rows.start + np.flatnonzero(wanted_B)
        part = self._block(places_B)
        if len(places_B) <= WHOLE_BLOCK * len(wanted_B):
            return part
        return Block(
            part.ids_B,
            part.labeled_B,
            lambda: self.probabilities(rows)[wanted_B],
            partial(self.features, places_B),
            self.distribution,
            part.facts,
        )


@dataclass(frozen=True, slots=True, eq=False)
class ArrayShard(Shard):
    """A shard whose probabilities were given."""

    probabilities_SK: Floats
    given_distribution: Distribution

    @property
    def distribution(self) -> Distribution:
        return self.given_distribution

    def probabilities(self, rows: Rows) -> Floats:
        return self.given_distribution.normalized(self.probabilities_SK[rows])

    def features(self, rows: Rows) -> Floats:
        return np.asarray(self.raw_SD[rows]).astype(np.float32, copy=False)


@dataclass(frozen=True, slots=True, eq=False)
class ModelShard(Shard):
    """A shard whose probabilities a model computes block by block; they are never stored."""

    model: Model

    @property
    def distribution(self) -> Distribution:
        return self.model.distribution

    def probabilities(self, rows: Rows) -> Floats:
        return self.model.probabilities(np.asarray(self.raw_SD[rows]))

    def features(self, rows: Rows) -> Floats:
        return self.model.features(np.asarray(self.raw_SD[rows]))


@dataclass(frozen=True, slots=True, eq=False)
class LinearModel:
    """softmax(x @ weight + bias); the features are x."""

    weight_DK: Floats
    bias_K: Floats

    @property
    def num_classes(self) -> int:
        return len(self.bias_K)

    @property
    def distribution(self) -> Distribution:
        return CATEGORICAL

    def probabilities(self, raw_BD: NDArray[Any]) -> Floats:
        return self.distribution.of_logits(self.features(raw_BD) @ self.weight_DK + self.bias_K)

    def features(self, raw_BD: NDArray[Any]) -> Floats:
        return raw_BD.astype(np.float32, copy=False)


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
