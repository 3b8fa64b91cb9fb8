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
        (N,) the class other than the true one to which the probe gives the largest probability, and (N,) the natural
        logarithm of 1 less the margin, which is in 0 .. 2: the margin is the probability of the true class less that
        of the other one. Finite wherever there is another class, however sure the probe is.
    """
    probe, count = fitted_probe(pool), len(pool.labels_N)
    runner_up_N, log_ease_N = np.empty(count, np.int64), np.empty(count)
    for rows in _blocks(count):
        logits_BK = probe.scores(pool.embeddings_of(rows)) / probe.temperature
        places_B, labels_B = np.arange(len(logits_BK)), pool.labels_N[rows]
        log_sum_B = _log_sum(logits_BK)
        logits_BK[places_B, labels_B] = -np.inf
        runner_up_N[rows] = logits_BK.argmax(axis=1)
        # 1 - (true - other) is the sum of all other probabilities, plus the largest of them: nothing is subtracted.
        log_ease_N[rows] = np.logaddexp(_log_sum(logits_BK), logits_BK.max(axis=1)) - log_sum_B
    return runner_up_N, log_ease_N


def _blocks(rows: int) -> Iterator[slice]:
    return (slice(start, min(rows, start + BLOCK_ROWS)) for start in range(0, rows, BLOCK_ROWS))


def _log_sum(logits_BK: Doubles) -> Doubles:
    """(B,) the logarithm of the sum of exponentials; -inf where all logits are."""
    log_sum_B: Doubles = np.logaddexp.reduce(logits_BK, axis=1)
    return log_sum_B


def _loss(logits_BK: Doubles, labels_B: NDArray[np.int64]) -> float:
    largest_B = logits_BK.max(axis=1)
    sums_B = np.exp(logits_BK - largest_B[:, None]).sum(axis=1)
    return float((np.log(sums_B) + largest_B - logits_BK[np.arange(len(labels_B)), labels_B]).mean())
