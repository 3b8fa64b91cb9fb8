"""The reference probe: what a linear model of the true labels takes each row for.

One-hot labels are regressed on the stored embeddings with a ridge penalty, in closed form and in float64, on at most
`FITTED` rows evenly spaced in the pool. A temperature that maximizes the likelihood of the same rows turns its scores
into probabilities. Nothing is drawn at random, so the probe is a function of the store alone. The store's content hash
is in the ledger's header.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.corrupters import TruePool
from labelbench_ray.types import BLOCK_ROWS

FITTED: Final = 10_000
PENALTY: Final = 0.01
"""On weights of standardized embeddings, beside the mean squared error."""
TEMPERATURES: Final = np.geomspace(0.01, 1.0, 41)

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceProbe:
    """A linear model of standardized embeddings."""

    mean_D: Doubles
    scale_D: Doubles
    weight_DK: Doubles
    bias_K: Doubles
    temperature: float

    def scores(self, embeddings_BD: NDArray[np.float32]) -> Doubles:
        """(B, K) regressed one-hot labels."""
        standardized_BD = (embeddings_BD - self.mean_D) / self.scale_D
        scores_BK: Doubles = standardized_BD @ self.weight_DK + self.bias_K
        return scores_BK

    def probabilities(self, embeddings_BD: NDArray[np.float32]) -> Doubles:
        """(B, K)."""
        return _softmax(self.scores(embeddings_BD) / self.temperature)


def fitted_probe(pool: TruePool) -> ReferenceProbe:
    """The probe of a pool's true labels."""
    count = len(pool.labels_N)
    rows = np.unique(np.linspace(0, count - 1, min(count, FITTED)).astype(np.int64))
    labels_F = pool.labels_N[rows]
    embeddings_FD = pool.embeddings_of(rows).astype(np.float64)
    mean_D, spread_D = embeddings_FD.mean(axis=0), embeddings_FD.std(axis=0)
    scale_D = np.where(spread_D > 0, spread_D, 1.0)
    embeddings_FD = (embeddings_FD - mean_D) / scale_D
    targets_FK = np.eye(len(pool.classes))[labels_F]
    bias_K = targets_FK.mean(axis=0)
    gram_DD = embeddings_FD.T @ embeddings_FD / len(rows) + PENALTY * np.eye(len(mean_D))
    weight_DK = np.linalg.solve(gram_DD, embeddings_FD.T @ (targets_FK - bias_K) / len(rows))
    scores_FK = embeddings_FD @ weight_DK + bias_K
    losses = [_loss(scores_FK / temperature, labels_F) for temperature in TEMPERATURES]
    return ReferenceProbe(mean_D, scale_D, weight_DK, bias_K, float(TEMPERATURES[int(np.argmin(losses))]))


def confusions(pool: TruePool) -> tuple[NDArray[np.int64], Doubles]:
    """What each row is most easily taken for, and how easily.

    Returns:
        (N,) the class other than the true one to which the probe gives the largest probability, and (N,) 1 less the
        margin in 0 .. 2: the margin is the probability of the true class less that of the other one.
    """
    probe, runner_up_N, ease_N = (
        fitted_probe(pool),
        np.empty(len(pool.labels_N), np.int64),
        np.empty(len(pool.labels_N)),
    )
    for rows in _blocks(len(pool.labels_N)):
        probabilities_BK = probe.probabilities(pool.embeddings_of(rows))
        places_B, labels_B = np.arange(len(probabilities_BK)), pool.labels_N[rows]
        true_B = probabilities_BK[places_B, labels_B]
        probabilities_BK[places_B, labels_B] = -1
        runner_up_N[rows] = probabilities_BK.argmax(axis=1)
        ease_N[rows] = 1 - (true_B - probabilities_BK.max(axis=1))
    return runner_up_N, ease_N


def _blocks(rows: int) -> Iterator[slice]:
    return (slice(start, min(rows, start + BLOCK_ROWS)) for start in range(0, rows, BLOCK_ROWS))


def _softmax(logits_BK: Doubles) -> Doubles:
    powers_BK = np.exp(logits_BK - logits_BK.max(axis=1, keepdims=True))
    probabilities_BK: Doubles = powers_BK / powers_BK.sum(axis=1, keepdims=True)
    return probabilities_BK


def _loss(logits_BK: Doubles, labels_B: NDArray[np.int64]) -> float:
    largest_B = logits_BK.max(axis=1)
    sums_B = np.exp(logits_BK - largest_B[:, None]).sum(axis=1)
    return float((np.log(sums_B) + largest_B - logits_BK[np.arange(len(labels_B)), labels_B]).mean())
