"""Another strategy with a quota for each predicted class: many rows of the classes that have few labels."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.strategies import Want
from labelbench_ray.strategies._ranking import subkey, tie_hash
from labelbench_ray.strategies._wrapper import Wrapper
from labelbench_ray.types import Ask, Ids, PoolView, Shard


class ClassBalanced(Wrapper):
    """Quotas proportional to 1 / (1 + labels of the class), each filled by `strategy` from the rows predicted so.

    A class with fewer rows than its quota gives all it has; what is left goes to the others in the same proportion.
    """

    wants: ClassVar[tuple[Want, ...]] = ("probabilities", "labels")
    cost: ClassVar[str] = "N·K, and that of its strategy"
    guarantee: ClassVar[str] = "exact quotas, 1 / (1 + labels of the predicted class)"
    source: ClassVar[str] = "a wrapper; quotas are common practice"

    def choose(self, view: PoolView, budget: int, key: int, ask: Ask | None) -> Ids:
        ids_U, predicted_U = view.open_ids(), np.concatenate(view.map(_predicted))
        weights_K = 1 / (1 + np.bincount(view.labels_L, minlength=view.num_classes))
        available_K = np.bincount(predicted_U, minlength=view.num_classes)
        turns_K = np.argsort(tie_hash(subkey(key, "turns"), np.arange(view.num_classes)))
        quotas_K = np.empty_like(available_K)
        quotas_K[turns_K] = apportion(budget, weights_K[turns_K], available_K[turns_K])
        members = np.split(ids_U[np.argsort(predicted_U, kind="stable")], np.cumsum(available_K)[:-1])
        chosen = [
            self._choose_among(view.only(members[label]), int(quotas_K[label]), subkey(key, f"class {label}"), ask)
            for label in np.flatnonzero(quotas_K)
        ]
        return np.concatenate(chosen)


def apportion(budget: int, weights_K: NDArray[np.float64], available_K: Ids) -> Ids:
    """(K,) whole shares proportional to the weights, none above what is available, that sum to the budget.

    Largest remainders: those that tie go to the first.
    """
    shares_K = available_K.astype(np.float64)
    open_K = available_K > 0
    while True:
        left = budget - shares_K[~open_K].sum()
        fair_K = left * weights_K / weights_K[open_K].sum() if open_K.any() else shares_K
        over_K = open_K & (fair_K >= available_K)
        if not over_K.any():
            break
        open_K &= ~over_K
    shares_K[open_K] = fair_K[open_K]
    # The grid makes remainders equal that differ by rounding only.
    remainders_K = np.round(shares_K % 1, 9)
    whole_K = np.round(shares_K - remainders_K).astype(np.int64)
    whole_K[np.argsort(-remainders_K, kind="stable")[: budget - whole_K.sum()]] += 1
    return whole_K


def _predicted(shard: Shard) -> Ids:
    return np.concatenate(
        [np.empty(0, np.int64), *(block.probabilities_BK.argmax(axis=1) for block in shard.candidates())]
    )
