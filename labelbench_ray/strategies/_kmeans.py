"""Lloyd's k-means of a pool in shards: the driver holds the centroids, the shards assign their rows and add them up.

The sums of a cluster's rows are exact: features are rounded to a grid, as fine a one as lets float64 add those of all
rows without rounding: 2^-31 of the largest feature for a million rows. So the centroids do not depend on how the pool
is cut into shards.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.strategies._ranking import best_rows, subkey, tie_hash
from labelbench_ray.strategies._sampling import sample
from labelbench_ray.strategies._spread import spread
from labelbench_ray.strategies._vectors import unit
from labelbench_ray.types import Block, Floats, Ids, PoolView, Shard

EXACT_BITS = 52
"""Sums of integers below two to this power are exact in float64."""
ORIGIN_ROWS = 64
"""The origin is the median of this many rows."""
SCORES_AT_ONCE = 2**20
"""Rows are compared with all centroids in pieces of a block with this many products."""
NEARLY_EQUAL = 1e-6
"""Squared distances below this share of the squared norms are rounding errors."""


@dataclass(frozen=True, slots=True)
class Cloud:
    """Which rows of a pool are clustered, and as what points."""

    blocks: Callable[[Shard], Iterator[Block]]
    of_features: Callable[[Floats], Floats]


@dataclass(frozen=True, slots=True, eq=False)
class Members:
    """Rows with their clusters and their squared distances from the clusters' centroids."""

    ids_C: Ids
    clusters_C: NDArray[np.int32]
    distances_C: NDArray[np.float64]


def candidates(shard: Shard) -> Iterator[Block]:
    """The rows that may be chosen."""
    return shard.candidates()


def as_they_are(features_BD: Floats) -> Floats:
    """The features themselves."""
    return features_BD


def on_sphere(features_BD: Floats) -> Floats:
    """(B, D + 1) the features divided by their norms; zeros have a direction of their own."""
    return unit(features_BD, np.float32)


FEATURES = Cloud(candidates, as_they_are)
DIRECTIONS = Cloud(candidates, on_sphere)


def central_rows(view: PoolView, count: int, key: int, cloud: Cloud, iterations: int) -> Ids:
    """The row nearest to the centroid of each of `count` clusters; for clusters without a row, random rows."""
    cloud = centered(view, cloud, key)
    centroids_GD = fit(view, count, key, cloud, iterations)
    return filled(view, nearest(members(view, centroids_GD, cloud), key), count, key)


def centered(view: PoolView, cloud: Cloud, key: int) -> Cloud:
    """The same points about an origin among them: far from it, products would lose the distances between them."""
    ids_C = sample(view.open_ids(), subkey(key, "origin"), ORIGIN_ROWS)
    origin_D = middle(cloud.of_features(view.embeddings(ids_C)))
    return replace(cloud, of_features=partial(_shifted, of_features=cloud.of_features, origin_D=origin_D))


def middle(points_CD: Floats) -> Floats:
    """(D,) the median of some of the rows, which a few far rows do not move."""
    origin_D: Floats = np.median(points_CD[:: -(-len(points_CD) // ORIGIN_ROWS)], axis=0)
    return origin_D


def filled(view: PoolView, chosen: Ids, count: int, key: int) -> Ids:
    """The chosen rows, and as many random ones as are missing to `count`."""
    if len(chosen) >= count:
        return chosen[:count]
    rest = np.setdiff1d(view.open_ids(), chosen)
    return np.concatenate([chosen, sample(rest, subkey(key, "fill"), count - len(chosen))])


def in_turn(groups: list[Ids]) -> Ids:
    """The first of each group, then the second of each that has one, and so on."""
    rounds_C = np.concatenate([np.arange(len(group)) for group in groups])
    return np.concatenate(groups)[np.argsort(rounds_C, kind="stable")]


def fit(view: PoolView, clusters: int, key: int, cloud: Cloud, iterations: int) -> Floats:
    """(G, D) centroids of at most `clusters` clusters, by Lloyd's iteration until they rest, or `iterations` times,
    from the start of k-means++ (Arthur and Vassilvitskii 2007).

    A cluster that loses its rows starts again at one of the candidates farthest from their centroids; there are fewer
    clusters than asked for only where there are fewer distinct rows. Each iteration brings the driver 8 * D bytes from
    each shard for each cluster that has a row there.
    """
    grid = _grid(view, cloud)
    centroids_GD = _distinct(_initial(view, clusters, subkey(key, "centroids"), cloud))
    centroids_GD = _topped_up(view, centroids_GD, clusters, key, cloud)
    for _ in range(iterations):
        parts = view.map(partial(_sums, centroids_GD=centroids_GD, cloud=cloud, grid=grid))
        sums_GD, counts_G = np.zeros(centroids_GD.shape), np.zeros(len(centroids_GD), np.int64)
        for found_F, sums_FD, counts_F in parts:
            sums_GD[found_F] += sums_FD
            counts_G[found_F] += counts_F
        held_G = counts_G > 0
        means_GD = (sums_GD[held_G] / counts_G[held_G, None] * grid).astype(np.float32)
        moved_GD = _topped_up(view, means_GD, clusters, key, cloud)
        if np.array_equal(moved_GD, centroids_GD):
            break
        centroids_GD = moved_GD
    return centroids_GD


def members(view: PoolView, centroids_GD: Floats, cloud: Cloud) -> Members:
    """Every row of the cloud with its cluster, by ascending id."""
    parts = [part for parts in view.map(partial(_members, centroids_GD=centroids_GD, cloud=cloud)) for part in parts]
    return Members(
        np.concatenate([part.ids_C for part in parts]),
        np.concatenate([part.clusters_C for part in parts]),
        np.concatenate([part.distances_C for part in parts]),
    )


def nearest(rows: Members, key: int) -> Ids:
    """The row nearest to its centroid of each cluster that has one, in the order of the clusters."""
    order_C = np.lexsort((tie_hash(key, rows.ids_C), rows.distances_C, rows.clusters_C))
    _, firsts_G = np.unique(rows.clusters_C[order_C], return_index=True)
    ids_G: Ids = rows.ids_C[order_C[firsts_G]]
    return ids_G


def group_sums(rows_BD: NDArray[np.floating], groups_B: NDArray[np.integer], count: int) -> NDArray[np.float64]:
    """(G, D) the sum of the rows of each of `count` groups."""
    from scipy import sparse

    entries = (np.ones(len(groups_B)), (groups_B, np.arange(len(groups_B))))
    sums_GD: NDArray[np.float64] = sparse.csr_array(entries, (count, len(groups_B))) @ rows_BD
    return sums_GD


def assigned(points_BD: Floats, centroids_GD: Floats) -> NDArray[np.intp]:
    """(B,) the nearest centroid of each row."""
    halves_G = np.square(centroids_GD).sum(axis=1) / 2
    step = max(1, SCORES_AT_ONCE // len(centroids_GD))
    clusters_B = np.empty(len(points_BD), np.intp)
    for start in range(0, len(points_BD), step):
        scores_XG = points_BD[start : start + step] @ centroids_GD.T
        scores_XG -= halves_G
        clusters_B[start : start + step] = scores_XG.argmax(axis=1)
    return clusters_B


def distances(points_BD: Floats, centroids_BD: Floats) -> NDArray[np.float64]:
    """(B,) squared distances of each row from a centroid of its own; rounding errors are 0."""
    squares_BD = points_BD - centroids_BD
    np.square(squares_BD, out=squares_BD)
    squared_B: NDArray[np.float64] = squares_BD.sum(axis=1, dtype=np.float64)
    np.square(points_BD, out=squares_BD)
    squared_B[squared_B <= NEARLY_EQUAL * squares_BD.sum(axis=1, dtype=np.float64)] = 0
    return squared_B


def squared_distances(points_CD: Floats) -> Floats:
    """(C, C) between all rows; rounding errors are 0, the diagonal too."""
    # Distances would be lost in what all rows share.
    centered_CD = points_CD - middle(points_CD)
    norms_C = np.square(centered_CD).sum(axis=1)
    squared_CC: Floats = centered_CD @ (-2 * centered_CD.T)
    squared_CC += norms_C
    squared_CC += norms_C[:, None]
    squared_CC[squared_CC <= NEARLY_EQUAL * (norms_C + norms_C[:, None])] = 0
    np.fill_diagonal(squared_CC, 0)
    return squared_CC


def _initial(view: PoolView, clusters: int, key: int, cloud: Cloud) -> Floats:
    """The candidates that k-means++ starts with, `clusters` of them, or all there are."""
    drawn = spread(view, partial(_factors, cloud=cloud), min(clusters, view.num_unlabeled), key)
    return cloud.of_features(view.embeddings(drawn))


def _factors(block: Block, cloud: Cloud) -> tuple[Floats]:
    return (cloud.of_features(block.embeddings_BD),)


def _topped_up(view: PoolView, centroids_GD: Floats, clusters: int, key: int, cloud: Cloud) -> Floats:
    if len(centroids_GD) == clusters:
        return centroids_GD
    score = partial(_distance, centroids_GD=centroids_GD, cloud=cloud)
    far = best_rows(view, clusters - len(centroids_GD), subkey(key, "restart"), score)
    ids_C = far.ids_C[far.scores_C > 0]
    if not len(ids_C):
        return centroids_GD
    return np.concatenate([centroids_GD, _distinct(cloud.of_features(view.embeddings(ids_C)))])


def _distinct(points_CD: Floats) -> Floats:
    _, firsts = np.unique(points_CD, axis=0, return_index=True)
    return points_CD[np.sort(firsts)]


def _grid(view: PoolView, cloud: Cloud) -> float:
    largest = max(view.map(partial(_largest, cloud=cloud)))
    return float(2.0 ** (np.frexp(largest)[1] - EXACT_BITS + view.num_rows.bit_length()))


def _largest(shard: Shard, cloud: Cloud) -> float:
    return max(
        (float(np.abs(cloud.of_features(block.embeddings_BD)).max()) for block in cloud.blocks(shard)), default=0
    )


def _sums(
    shard: Shard, centroids_GD: Floats, cloud: Cloud, grid: float
) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.int64]]:
    """Clusters that have a row here, the sums of their rows in units of the grid, and how many rows those are."""
    sums_GD = np.zeros(centroids_GD.shape)
    counts_G = np.zeros(len(centroids_GD), np.int64)
    for block in cloud.blocks(shard):
        points_BD = cloud.of_features(block.embeddings_BD)
        clusters_B = assigned(points_BD, centroids_GD)
        found_F, groups_B, counts_F = np.unique(clusters_B, return_inverse=True, return_counts=True)
        whole_BD = np.multiply(points_BD, 1 / grid, dtype=np.float64)
        np.rint(whole_BD, out=whole_BD)
        sums_GD[found_F] += group_sums(whole_BD, groups_B, len(found_F))
        counts_G[found_F] += counts_F
    held_F = np.flatnonzero(counts_G)
    return held_F, sums_GD[held_F], counts_G[held_F]


def _members(shard: Shard, centroids_GD: Floats, cloud: Cloud) -> list[Members]:
    found = [Members(np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0))]
    for block in cloud.blocks(shard):
        points_BD = cloud.of_features(block.embeddings_BD)
        clusters_B = assigned(points_BD, centroids_GD)
        distances_B = distances(points_BD, centroids_GD[clusters_B])
        found.append(Members(block.ids_B, clusters_B.astype(np.int32), distances_B))
    return found


def _distance(block: Block, centroids_GD: Floats, cloud: Cloud) -> NDArray[np.float64]:
    points_BD = cloud.of_features(block.embeddings_BD)
    return distances(points_BD, centroids_GD[assigned(points_BD, centroids_GD)])


def _shifted(features_BD: Floats, of_features: Callable[[Floats], Floats], origin_D: Floats) -> Floats:
    return of_features(features_BD) - origin_D
