"""BADGE: diverse gradient embeddings (Ash et al., ICLR 2020, Algorithm 1)."""

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.pool.probabilities import others
from labelbench_ray.strategies import Strategy
from labelbench_ray.strategies._centers import Factors, Points
from labelbench_ray.strategies._ranking import best_rows
from labelbench_ray.strategies._spread import draw
from labelbench_ray.types import Ask, Block, Ids, PoolView


class Badge(Strategy):
    """k-means++ seeding on the gradients of the last layer's loss at the predicted class, g = (p - e_y) h^T.

    The first row is the one of the largest |g|, as in the authors' code; each later one is drawn with probability
    proportional to its squared distance to the nearest drawn before (exactly). Labeled rows are not centers.
    """

    def choose(self, view: PoolView, budget: int, key: int, ask: Ask | None) -> Ids:
        first = best_rows(view, 1, key, _squared_norm).ids_C[0]
        return draw(view, gradient, view.open_ids(), int(first), budget, key)


def gradient(block: Block) -> Factors:
    """The two factors of each row's gradient: p - e_y (B, K) and h (B, D)."""
    residuals_BK = others(block.probabilities_BK)
    # p_y - 1, written so that rows with p_y = 1.0 keep their digits.
    residuals_BK[np.arange(len(residuals_BK)), block.probabilities_BK.argmax(axis=1)] = -residuals_BK.sum(axis=1)
    return residuals_BK, block.embeddings_BD


def _squared_norm(block: Block) -> NDArray[np.float32]:
    return Points(gradient(block)).norms_B
