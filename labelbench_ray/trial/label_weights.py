"""How much each label counts in a fit, such as the confidence that several annotators leave."""

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.errors import ConfigError, DataError
from labelbench_ray.pool.distributions import Distribution
from labelbench_ray.proxies import SelfFitted
from labelbench_ray.trainers import Trainer
from labelbench_ray.types import Floats, Ids

Weights = NDArray[np.float64]


def heeded(labeled_L: Ids, weights_L: Weights | Floats) -> tuple[NDArray[np.bool_], Weights | None]:
    """(L,) which labels have a weight above 0, and their weights with a mean of 1, or None where all are equal.

    So a label of weight 0 counts as one that was never bought, and equal weights give the bits of none.

    Raises:
        DataError: weights that are not one number a label, at least 0 and finite, or none above 0.
    """
    weights_L = np.asarray(weights_L, np.float64)
    if weights_L.shape != (len(labeled_L),):
        raise DataError(f"weights: shape {weights_L.shape} must be ({len(labeled_L)},), one a label")
    wrong_L = ~np.isfinite(weights_L) | (weights_L < 0)
    if wrong_L.any():
        place = int(np.flatnonzero(wrong_L)[0])
        raise DataError(
            f"weights: row {labeled_L[place]} has the weight {weights_L[place]}; it must be finite, at least 0"
        )
    counts_L = weights_L > 0
    if not counts_L.any():
        raise DataError(f"weights: all {len(weights_L)} are 0, so nothing can be learned; give one above 0")
    kept_L = weights_L[counts_L]
    return counts_L, None if (kept_L == kept_L[0]).all() else kept_L / kept_L.mean()


def check_weighs(part: Trainer | SelfFitted, distribution: Distribution, weights_L: Weights | None) -> None:
    """Refuse weights that a trainer, or a proxy that fits itself, would ignore.

    Raises:
        ConfigError: it does not weigh labels of this kind.
    """
    if weights_L is not None and distribution not in part.weighs:
        kind = "trainer" if isinstance(part, Trainer) else "proxy"
        raise ConfigError(
            f"{kind}: {type(part).__module__.rpartition('.')[2]} does not weigh labels of this task, and these have "
            "weights; use the trainer 'logistic', or fit without weights"
        )


def refuse_weights(weights_L: Weights | None) -> None:
    """Refuse weights where no trainer weighs labels.

    Raises:
        ConfigError: there are weights.
    """
    if weights_L is not None:
        raise ConfigError("proxy: a full model does not weigh labels, and these have weights; fit it without weights")
