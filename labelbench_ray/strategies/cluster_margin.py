"""Small margins from many clusters (Citovsky et al. 2021, "Batch Active Learning at Scale", algorithm 1)."""

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from labelbench_ray.strategies import Strategy, Want
from labelbench_ray.strategies._kmeans import FEATURES, Cloud, centered, group_sums, in_turn, members, squared_distances
from labelbench_ray.strategies._ranking import best_rows, subkey, tie_hash
from labelbench_ray.strategies._sampling import sample_of_pool
from labelbench_ray.strategies.margin import Margin
from labelbench_ray.types import Ask, Floats, Ids, PoolView

FEWEST = 1.25
"""Candidates for each row to be chosen where the pool has few rows."""


class ClusterMargin(Strategy):
    """Of the rows with the smallest margins, one at random from each cluster in turn, small clusters first.

    Margins are exact. Clusters are approximate: the paper clusters the whole pool once, before training; here a random
    sample of the pool is clustered at every call, on what the proxy's last layer sees, and the rows of small margin go
    to the cluster with the nearest mean. At most half of the unlabeled rows are looked at, or 1.25 times the budget
    where that is more: with all of them, margins would decide nothing.
    """

    wants: ClassVar[tuple[Want, ...]] = ("embeddings", "probabilities")
    cost: ClassVar[str] = "N·K + sample²·D, and 2.5·b·clusters·D"
    guarantee: ClassVar[str] = (
        "exact margins, of 2.5·b rows (`candidates`), but no more than half of the pool or 1.25·b; clusters by "
        "average linkage on a sample, not on the pool"
    )
    source: ClassVar[str] = (
        "Citovsky et al., *Batch Active Learning at Scale*, NeurIPS 2021, "
        "[2107.14263](https://arxiv.org/abs/2107.14263)"
    )
    candidates: float = Field(default=2.5, ge=1)
    """How many rows of smallest margin are looked at, for each row to be chosen, if the pool is large enough.

    The paper looks at 10, of pools of millions. In the pools of `experiments/cluster_margin.py` these are a fifth to a
    half of all rows, and the choice falls behind random's.
    """
    sample: PositiveInt = 4000
    """Rows that average linkage runs on; its time and memory grow with the square."""
    clusters: PositiveInt = 2000
    """The largest number of clusters."""

    def choose(self, view: PoolView, budget: int, key: int, ask: Ask | None) -> Ids:
        most = max(math.ceil(FEWEST * budget), view.num_unlabeled // 2)
        count = min(math.ceil(self.candidates * budget), most)
        small = best_rows(view, count, subkey(key, "margins"), Margin().score)
        cloud = centered(view, FEATURES, key)
        rows = members(view.only(small.ids_C), self._means(view, cloud, subkey(key, "sample")), cloud)
        sizes_C = np.bincount(rows.clusters_C)[rows.clusters_C]
        order_C = np.lexsort((tie_hash(key, rows.ids_C), rows.clusters_C, sizes_C))
        starts = np.flatnonzero(np.diff(rows.clusters_C[order_C])) + 1
        return in_turn(np.split(rows.ids_C[order_C], starts))[:budget]

    def _means(self, view: PoolView, cloud: Cloud, key: int) -> Floats:
        points_CD = cloud.of_features(view.embeddings(np.sort(sample_of_pool(view, key, self.sample))))
        labels_C = average_linkage(points_CD, self.clusters)
        counts_G = np.bincount(labels_C)
        means_GD = group_sums(points_CD, labels_C, len(counts_G)) / counts_G[:, None]
        return means_GD.astype(np.float32)


def average_linkage(points_CD: Floats, clusters: int) -> NDArray[np.int64]:
    """(C,) labels 0, 1, ... of at most `clusters` clusters of the rows, by average linkage of Euclidean distances."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    if len(points_CD) == 1:
        return np.zeros(1, np.int64)
    tree = linkage(squareform(np.sqrt(squared_distances(points_CD)), checks=False), "average")
    labels_C: NDArray[np.int64] = fcluster(tree, clusters, "maxclust").astype(np.int64) - 1
    return labels_C
