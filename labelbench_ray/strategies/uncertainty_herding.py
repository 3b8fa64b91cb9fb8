"""Uncertainty herding (Bae et al. 2025, "Uncertainty Herding: One Active Learning Method for All Label Budgets")."""

from functools import partial
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from labelbench_ray.pool.probabilities import summarize
from labelbench_ray.strategies import Strategy, Want
from labelbench_ray.strategies._coverage import TARGETS, one, radial
from labelbench_ray.strategies._lazy_greedy import cover
from labelbench_ray.strategies._ranking import subkey, tie_hash
from labelbench_ray.strategies._vectors import unit
from labelbench_ray.types import Ask, Block, Floats, Ids, PoolView

CALIBRATION_ROWS, CHUNK_ROWS = 4096, 1024
HOTTEST = 100.0
SAME = 1e-10
"""Squared distances of unit vectors up to this are rounding: the rows are duplicates."""


class UncertaintyHerding(Strategy):
    """`max_herding` with each row weighted by 1 - margin, and 0 if labeled: sum_i U_i max_{j in L u S} k(x_i, x_j).

    The radius sigma is the smallest positive distance between labeled rows, so that coverage gives way to uncertainty
    as labels come in; without labels U = 1 and sigma = 1. Exact greedy if the pool has at most `targets` rows,
    otherwise on gains estimated from that many (`_coverage.py`).
    """

    wants: ClassVar[tuple[Want, ...]] = ("embeddings", "probabilities", "labels")
    cost: ClassVar[str] = "N·4096·D, lazy greedy after it"
    guarantee: ClassVar[str] = (
        "exact greedy on pools of up to 4,096 rows; gains estimated from 4,096 sampled rows above"
    )
    source: ClassVar[str] = (
        "Bae et al., *Uncertainty Herding: One Active Learning Method for All Label Budgets*, ICLR 2025, "
        "[2412.20644](https://arxiv.org/abs/2412.20644)"
    )
    cold_start: ClassVar[bool] = True
    calibrate: bool = True
    """Soften the probabilities by the temperature of the smallest log loss on the labeled rows.

    The paper calibrates on labeled data; here the proxy was trained on the same rows, which look too easy to it.
    So a temperature below 1, which would sharpen the probabilities, is not believed.
    """
    targets: int = Field(default=TARGETS, gt=0)
    """How many rows of the pool the gains are estimated from."""

    def choose(self, view: PoolView, budget: int, key: int, ask: Ask | None) -> Ids:
        if not len(view.labeled_L):
            return cover(view, budget, key, partial(radial, sigma=1.0), one, self.targets)
        temperature = _temperature(view, subkey(key, "calibration")) if self.calibrate else 1.0
        kernel = partial(radial, sigma=smallest_distance(view.embeddings(view.labeled_L)))
        return cover(view, budget, key, kernel, partial(uncertainty, temperature=temperature), self.targets)


def uncertainty(block: Block, temperature: float) -> NDArray[np.float64]:
    """(B,) 1 - margin of the tempered probabilities, 0 where labeled."""
    probabilities_BK = block.probabilities_BK
    if temperature != 1:
        probabilities_BK = probabilities_BK ** np.float32(1 / temperature)
    summary = summarize(probabilities_BK)
    return np.where(block.labeled_B, 0, summary.others_B + summary.second_B)


def smallest_distance(rows_LD: Floats) -> float:
    """The smallest positive distance between two rows, each scaled to length 1; 1 if there is none."""
    units_LD = unit(rows_LD, np.float64)
    smallest = np.inf
    for start in range(0, len(units_LD), CHUNK_ROWS):
        # Each pair is met once: rows of this chunk against those from its start on, a tile at a time.
        for other in range(start, len(units_LD), CHUNK_ROWS):
            squared = 2 - 2 * (units_LD[start : start + CHUNK_ROWS] @ units_LD[other : other + CHUNK_ROWS].T)
            smallest = min(smallest, squared.min(where=squared > SAME, initial=np.inf))
    return float(np.sqrt(smallest)) if np.isfinite(smallest) else 1.0


def best_temperature(probabilities_LK: Floats, labels_L: Ids) -> float:
    """The temperature from 1 to `HOTTEST` that minimizes the mean log loss of softmax(log p / temperature)."""
    from scipy.optimize import minimize_scalar

    logs_LK = np.log(np.maximum(probabilities_LK, np.finfo(np.float32).tiny), dtype=np.float64)
    logs_LK -= logs_LK.max(axis=1, keepdims=True)
    own_L = logs_LK[np.arange(len(labels_L)), labels_L]

    def loss(coldness: float) -> float:
        return float((np.log(np.exp(coldness * logs_LK).sum(axis=1)) - coldness * own_L).mean())

    # Convex in 1 / temperature.
    coldness = minimize_scalar(loss, bounds=(1 / HOTTEST, 1), method="bounded").x
    return 1.0 if loss(1.0) <= loss(coldness) else float(1 / coldness)


def _temperature(view: PoolView, key: int) -> float:
    order_L = np.argsort(tie_hash(key, view.labeled_L))[:CALIBRATION_ROWS]
    return best_temperature(view.probabilities(view.labeled_L[order_L]), view.labels_L[order_L])
