"""Rows whose prediction changes when features of labeled rows are mixed in, one from each cluster (Parvaneh et al.
2022, "Active Learning by Feature Mixing": ALFA-Mix).
"""

import math
from functools import partial
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from labelbench_ray.pool.probabilities import softmax
from labelbench_ray.strategies import Strategy, Want
from labelbench_ray.strategies._head import Head, last_layer
from labelbench_ray.strategies._kmeans import DIRECTIONS, central_rows, filled, group_sums
from labelbench_ray.types import Ask, Floats, Ids, PoolView, Shard

ROWS_AT_ONCE = 2**14


class AlfaMix(Strategy):
    """The rows nearest to the k-means centroids of those whose predicted class a small mixture with an anchor changes.

    Anchors are the mean features of the labeled rows of each class, or of all where a class has none. For a linear last
    layer the closed-form mixture of the paper moves the features z by epsilon ||anchor - z|| along the normalized
    gradient of the loss, so the smallest epsilon that changes a prediction is found without trying anchors: exact.
    The bound on epsilon grows in steps of `epsilon` / sqrt(D), up to 1 / sqrt(D), until there are more candidates than
    rows to be chosen; with fewer, all are chosen, and random rows. Without labels the rows are random. The last layer
    is recovered from the view (`_head.py`).
    """

    wants: ClassVar[tuple[Want, ...]] = ("embeddings", "probabilities", "labels")
    cost: ClassVar[str] = "N·K·(D + K), then k-means on the candidates: b·D·candidates an iteration"
    guarantee: ClassVar[str] = (
        "exact candidates (the farthest anchor decides under a linear last layer); k-means of 15 iterations; the "
        "recovered last layer is wrong where nearly all rows have logits more than 87 apart, which read 0 in "
        "float32"
    )
    source: ClassVar[str] = (
        "Parvaneh et al., *Active Learning by Feature Mixing*, CVPR 2022, "
        "[2203.07034](https://arxiv.org/abs/2203.07034)"
    )
    epsilon: float = Field(default=0.2, gt=0, le=1)
    """The first bound on the mixtures' strength, times sqrt(D), and the step by which it grows."""
    iterations: PositiveInt = 15
    """Rounds of Lloyd's iteration, at most."""

    def choose(self, view: PoolView, budget: int, key: int, ask: Ask | None) -> Ids:
        if not len(view.labeled_L):
            return filled(view, np.empty(0, np.int64), budget, key)
        ids_C = self._candidates(view, budget, key)
        if len(ids_C) <= budget:
            return filled(view, ids_C, budget, key)
        return central_rows(view.only(ids_C), budget, key, DIRECTIONS, self.iterations)

    def _candidates(self, view: PoolView, budget: int, key: int) -> Ids:
        anchors_KD = class_means(view)
        needed_U = np.concatenate(view.map(partial(_needed, head=last_layer(view, key), anchors_KD=anchors_KD)))
        needed_U *= math.sqrt(anchors_KD.shape[1])
        bound, found_U = self.epsilon, needed_U < self.epsilon
        while found_U.sum() <= budget and bound < 1:
            bound = min(1, bound + self.epsilon)
            found_U = needed_U < bound
        return view.open_ids()[found_U]


def class_means(view: PoolView) -> Floats:
    """(K, D) mean features of the labeled rows of each class; of all labeled rows where a class has none."""
    order_L = np.argsort(view.labeled_L)
    counts_K, sums_KD = np.bincount(view.labels_L, minlength=view.num_classes), np.zeros((view.num_classes, 1))
    for start in range(0, len(order_L), ROWS_AT_ONCE):
        some_C = order_L[start : start + ROWS_AT_ONCE]
        rows_CD = view.embeddings(view.labeled_L[some_C])
        sums_KD = sums_KD + group_sums(rows_CD, view.labels_L[some_C], view.num_classes)
    means_KD = np.where(counts_K[:, None] > 0, sums_KD, sums_KD.sum(axis=0))
    means_KD /= np.where(counts_K > 0, counts_K, len(order_L))[:, None]
    return means_KD.astype(np.float32)


def least_epsilon(features_BD: Floats, head: Head, anchors_KD: Floats) -> NDArray[np.float64]:
    """(B,) the epsilon from which on the farthest anchor's mixture changes the predicted class; inf where none does.

    Along the gradient logits are straight lines in the length of the step, so what a step changes, a longer one does
    too, and the farthest anchor decides.
    """
    logits_BK = head.logits(features_BD)
    rows_B = np.arange(len(logits_BK))
    predicted_B = logits_BK.argmax(axis=1)
    gaps_BK = logits_BK[rows_B, predicted_B, None] - logits_BK
    # The gradient is weight @ (p - one-hot of the predicted class); its length does not matter.
    residual_BK = softmax(logits_BK)
    residual_BK[rows_B, predicted_B] = 0
    others_B = residual_BK.sum(axis=1)
    residual_BK[rows_B, predicted_B] = -others_B
    residual_BK /= np.where(others_B > 0, others_B, 1)[:, None]
    slopes_BK = residual_BK @ (head.weight_DK.T @ head.weight_DK)
    norms_B = np.sqrt(np.maximum(np.einsum("bk,bk->b", residual_BK, slopes_BK), 0))
    slopes_BK -= slopes_BK[rows_B, predicted_B, None]
    rising_BK = slopes_BK > 0
    steps_BK = np.divide(gaps_BK, slopes_BK, out=np.full_like(gaps_BK, np.inf), where=rising_BK)
    reach_B = _farthest(features_BD, anchors_KD)
    moved_B = (norms_B > 0) & (reach_B > 0) & rising_BK.any(axis=1)
    least_B = np.full(len(rows_B), np.inf)
    least_B[moved_B] = (steps_BK.min(axis=1)[moved_B] * norms_B[moved_B]).astype(np.float64) / reach_B[moved_B]
    return least_B


def _farthest(features_BD: Floats, anchors_KD: Floats) -> NDArray[np.float64]:
    """(B,) the distance to the farthest anchor."""
    squared_BK = np.square(anchors_KD).sum(axis=1) - 2 * (features_BD @ anchors_KD.T)
    squares_B = np.square(features_BD).sum(axis=1, dtype=np.float64)
    distances_B: NDArray[np.float64] = np.sqrt(np.maximum(squared_BK.max(axis=1) + squares_B, 0))
    return distances_B


def _needed(shard: Shard, head: Head, anchors_KD: Floats) -> NDArray[np.float64]:
    least = (least_epsilon(block.embeddings_BD, head, anchors_KD) for block in shard.candidates())
    return np.concatenate([np.empty(0), *least])
