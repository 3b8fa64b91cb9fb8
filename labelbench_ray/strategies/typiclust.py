"""Typical rows of clusters without labels (Hacohen et al. 2022, "Active Learning on a Budget": TypiClust)."""

from collections.abc import Iterator
from itertools import pairwise
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, PositiveInt

from labelbench_ray.strategies import Strategy, Want
from labelbench_ray.strategies._kmeans import (
    Cloud,
    Members,
    centered,
    filled,
    fit,
    in_turn,
    members,
    on_sphere,
    squared_distances,
)
from labelbench_ray.strategies._ranking import leading, tie_hash
from labelbench_ray.strategies._sampling import sample
from labelbench_ray.types import Ask, Block, Floats, Ids, PoolView, Shard

ROWS_AT_ONCE = 2**15


def labeled_too(shard: Shard) -> Iterator[Block]:
    """The rows that may be chosen, and the labeled ones."""
    return shard.among(shard.ids_S[shard.open_S | shard.labeled_S])


COVERED = Cloud(labeled_too, on_sphere)


class TypiClust(Strategy):
    """From each cluster in turn, those with the fewest labels and then the largest first, its most typical row.

    Clusters are those of k-means on normalized features of labeled and unlabeled rows, as many as there will be labels,
    `clusters` at most. Typicality is 1 / the mean distance (not its square, which the authors' code has) to the nearest
    unlabeled rows of the cluster. Approximate in this: it is computed once for each cluster, not again after each
    choice, and in clusters of more than `members` unlabeled rows among a random sample of that size. Where clusters
    run out of rows, random ones follow.
    """

    wants: ClassVar[tuple[Want, ...]] = ("embeddings", "labels")
    labels_as_places: ClassVar[bool] = True
    cost: ClassVar[str] = (
        "N·D·clusters an iteration (500 clusters, 20 iterations at most), then D·1,000² a cluster at most"
    )
    guarantee: ClassVar[str] = "typicality once a cluster, among 1,000 of its rows at most"
    source: ClassVar[str] = (
        "Hacohen et al., *Active Learning on a Budget: Opposite Strategies Suit High and Low Budgets*, ICML 2022,"
        " [2202.02794](https://arxiv.org/abs/2202.02794)"
    )
    cold_start: ClassVar[bool] = True
    tasks: ClassVar[tuple[str, ...]] = ("single_label", "multi_label", "regression", "response")
    clusters: PositiveInt = 500
    """How many there are at most."""
    neighbors: PositiveInt = 20
    """Neighbors that typicality looks at, half of the cluster at most."""
    smallest: NonNegativeInt = 5
    """Clusters of at most this many rows are left out, unless all are that small."""
    members: int = Field(default=1000, ge=2)
    """Rows of a cluster that are compared with each other."""
    iterations: PositiveInt = 20
    """Rounds of Lloyd's iteration, at most."""

    def choose(self, view: PoolView, budget: int, key: int, ask: Ask | None) -> Ids:
        count = min(len(view.labeled_L) + budget, self.clusters)
        cloud = centered(view, COVERED, key)
        rows = members(view, fit(view, count, key, cloud, self.iterations), cloud)
        groups = [sample(group, key, self.members) for group in self._in_order(rows, view.labeled_L)[:budget]]
        return filled(view, in_turn(self._ranked(view, groups, key))[:budget], budget, key)

    def _in_order(self, rows: Members, labeled_L: Ids) -> list[Ids]:
        """The unlabeled ids of each cluster, in the order in which clusters have their turns."""
        labeled_C = np.isin(rows.ids_C, labeled_L)
        count = int(rows.clusters_C.max()) + 1
        sizes_G = np.bincount(rows.clusters_C, minlength=count)
        labels_G = np.bincount(rows.clusters_C[labeled_C], minlength=count)
        kept_G = (sizes_G > self.smallest) & (sizes_G > labels_G)
        if not kept_G.any():
            kept_G = sizes_G > labels_G
        ids_U, clusters_U = rows.ids_C[~labeled_C], rows.clusters_C[~labeled_C]
        ids_U = ids_U[np.argsort(clusters_U, kind="stable")]
        ends_G = np.cumsum(sizes_G - labels_G)
        order_G = np.lexsort((-sizes_G, labels_G))
        return [ids_U[ends_G[g] - sizes_G[g] + labels_G[g] : ends_G[g]] for g in order_G[kept_G[order_G]]]

    def _ranked(self, view: PoolView, groups: list[Ids], key: int) -> list[Ids]:
        """The same groups, the most typical row first; read from the pool several groups at a time."""
        ranked = []
        for some in _packed(groups):
            points_CD = on_sphere(view.embeddings(np.concatenate(some)))
            edges = np.cumsum([0, *map(len, some)])
            for group, (start, stop) in zip(some, pairwise(edges), strict=True):
                scores = typicality(points_CD[start:stop], self.neighbors)
                ranked.append(group[leading(scores, tie_hash(key, group), len(group))])
        return ranked


def typicality(points_CD: Floats, neighbors: int) -> NDArray[np.float64]:
    """(C,) 1 / (mean distance to the nearest min(neighbors, C // 2) other rows + 1e-5)."""
    count = min(neighbors, len(points_CD) // 2)
    if count == 0:
        return np.ones(len(points_CD))
    distances_CC = squared_distances(points_CD)
    np.fill_diagonal(distances_CC, np.inf)
    nearest_CX = np.sqrt(np.partition(distances_CC, count - 1, axis=1)[:, :count])
    scores_C: NDArray[np.float64] = 1 / (nearest_CX.mean(axis=1, dtype=np.float64) + 1e-5)
    return scores_C


def _packed(groups: list[Ids]) -> Iterator[list[Ids]]:
    """Runs of groups with `ROWS_AT_ONCE` rows together, where one group has no more."""
    run: list[Ids] = []
    for group in groups:
        if run and sum(map(len, run)) + len(group) > ROWS_AT_ONCE:
            yield run
            run = []
        run.append(group)
    yield run
