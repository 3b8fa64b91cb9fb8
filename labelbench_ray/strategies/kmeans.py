"""The rows nearest to the centroids of as many clusters (Lloyd 1982; for batches: Xu et al. 2003, Zhdanov 2019)."""

from typing import ClassVar

from pydantic import PositiveInt

from labelbench_ray.strategies import Strategy, Want
from labelbench_ray.strategies._kmeans import FEATURES, central_rows
from labelbench_ray.types import Ask, Ids, PoolView


class KMeans(Strategy):
    """One row of each k-means cluster of the unlabeled features, the one nearest to the centroid.

    Lloyd's iteration starts with k-means++, and stops after `iterations` rounds or when the centroids rest: a local
    optimum, as ever. Where the pool has fewer distinct rows than the budget, random rows follow.
    """

    wants: ClassVar[tuple[Want, ...]] = ("embeddings",)
    cost: ClassVar[str] = "N·D·b an iteration, 15 at most"
    guarantee: ClassVar[str] = "Lloyd's iteration from the start of k-means++: a local optimum"
    source: ClassVar[str] = (
        "Lloyd 1982; Zhdanov, *Diverse Mini-batch Active Learning*, 2019, "
        "[1901.05954](https://arxiv.org/abs/1901.05954)"
    )
    cold_start: ClassVar[bool] = True
    tasks: ClassVar[tuple[str, ...]] = ("single_label", "multi_label", "regression", "response")
    iterations: PositiveInt = 15
    """Rounds of Lloyd's iteration, at most."""

    def choose(self, view: PoolView, budget: int, key: int, ask: Ask | None) -> Ids:
        return central_rows(view, budget, key, FEATURES, self.iterations)
