"""The proxy's last layer, recovered from the features and the probabilities that a view shows of it.

A softmax hides only what all classes share, so the logarithms of its probabilities, centered in each row, are linear
in the features that the last layer saw: least squares over a sample of rows gives that layer back.
"""

from dataclasses import dataclass

import numpy as np

from labelbench_ray.strategies._ranking import subkey
from labelbench_ray.strategies._sampling import sample_of_pool
from labelbench_ray.types import Floats, PoolView

FEWEST_ROWS = 1024
ROWS_A_DIMENSION = 4
SMALLEST = float(np.finfo(np.float32).tiny)
"""Probabilities below it are clipped to it: further down float32 loses its digits, and below e^-87 soon reads 0."""
SPANNED = 1e-5
"""Directions in which the sample spreads less than this share of its widest one get no weight."""


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """A last layer, (D, K) and (K,) float32: softmax(features @ weight + bias)."""

    weight_DK: Floats
    bias_K: Floats

    def logits(self, features_BD: Floats) -> Floats:
        """(B, K) float32; its rows sum to about 0."""
        logits_BK: Floats = features_BD @ self.weight_DK
        logits_BK += self.bias_K
        return logits_BK


def last_layer(view: PoolView, key: int) -> Head:
    """The layer that turns a view's features into its probabilities, up to what all classes share.

    Fitted in float64, with the smallest weights that do, to max(1024, 4 D) rows of the pool with the smallest keyed
    hashes, whether they may be chosen or not; of those, to the rows whose logits all lie within 87, where float32
    probabilities end, if they are more than D + 1. For a linear or shallow proxy it is that proxy's own layer up to
    float32 rounding, as far as those rows span the features; where they are too few, and for other probabilities, it
    is the best linear layer in the log domain (of clipped probabilities).
    """
    hidden = subkey(key, "head")
    dimensions = view.embeddings(sample_of_pool(view, hidden, 1)).shape[1]
    ids_C = sample_of_pool(view, hidden, max(FEWEST_ROWS, ROWS_A_DIMENSION * dimensions))
    features_CD, probabilities_CK = view.embeddings(ids_C), view.probabilities(ids_C)
    # A clipped entry gives only a bound of its logit: a few of them would distort the complete layer.
    whole_C = probabilities_CK.min(axis=1) >= SMALLEST
    if whole_C.sum() > dimensions + 1:
        features_CD, probabilities_CK = features_CD[whole_C], probabilities_CK[whole_C]
    return _fit(features_CD, probabilities_CK)


def _fit(features_BD: Floats, probabilities_BK: Floats) -> Head:
    logits_BK = np.log(np.maximum(probabilities_BK, SMALLEST, dtype=np.float64))
    logits_BK -= logits_BK.mean(axis=1, keepdims=True)
    mean_D, mean_K = features_BD.mean(axis=0, dtype=np.float64), logits_BK.mean(axis=0)
    centered_BD = features_BD - mean_D
    moments_DD = centered_BD.T @ centered_BD
    # Of weights that fit alike these are the smallest, and the bias takes all that they leave.
    strengths_D, directions_DD = np.linalg.eigh(moments_DD)
    rounding = np.finfo(np.float32).eps * np.linalg.norm(features_BD)
    basis_DS = directions_DD[:, strengths_D > max(SPANNED**2 * strengths_D[-1], rounding**2)]
    weight_DK = basis_DS @ np.linalg.solve(basis_DS.T @ moments_DD @ basis_DS, basis_DS.T @ centered_BD.T @ logits_BK)
    return Head(weight_DK.astype(np.float32), (mean_K - mean_D @ weight_DK).astype(np.float32))
