"""BADGE: diverse gradient embeddings (Ash et al., ICLR 2020, Algorithm 1)."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.pool.distributions import CATEGORICAL
from labelbench_ray.strategies import Strategy, Want
from labelbench_ray.strategies._centers import Factors, Points
from labelbench_ray.strategies._ranking import best_rows
from labelbench_ray.strategies._spread import draw
from labelbench_ray.types import Ask, Block, Ids, PoolView


class Badge(Strategy):
    """k-means++ seeding on the gradients of the last layer's loss at the predicted class, g = (p - e_y) h^T.

    The first row is the one of the largest |g|, as in the authors' code; each later one is drawn with probability
    proportional to its squared distance to the nearest drawn before (exactly). Labeled rows are not centers. Of
    independent classes, p are the sigmoids and y the answers that they predict, 0 or 1 for each class.
    """

    bytes_per_row: ClassVar[int] = 64
    """31 were measured."""
    wants: ClassVar[tuple[Want, ...]] = ("embeddings", "probabilities")
    cost: ClassVar[str] = "N·(D + K)·b; bounds leave most of it out"
    guarantee: ClassVar[str] = "exact: the D² law, first the largest gradient, as the authors' code does"
    source: ClassVar[str] = (
        "Ash et al., *Deep Batch Active Learning by Diverse, Uncertain Gradient Lower Bounds*, ICLR 2020, "
        "[1906.03671](https://arxiv.org/abs/1906.03671)"
    )
    on_device: ClassVar[bool] = True
    tasks: ClassVar[tuple[str, ...]] = ("single_label", "multi_label")

    def choose(self, view: PoolView, budget: int, key: int, ask: Ask | None) -> Ids:
        first = best_rows(view, 1, key, _squared_norm).ids_C[0]
        return draw(view, gradient, view.open_ids(), int(first), budget, key)


def gradient(block: Block) -> Factors:
    """The two factors of each row's gradient: p - e_y (B, K) and h (B, D)."""
    if block.distribution == CATEGORICAL:
        return block.distribution.residuals(block.device_probabilities_BK), block.device_embeddings_BD
    return block.distribution.residuals(block.probabilities_BK), block.embeddings_BD


def _squared_norm(block: Block) -> NDArray[np.float32]:
    return Points(gradient(block)).norms_B
