"""Learning curves by variable projection: accuracy a - b phi_c(n), with b >= 0 and a closed form for each c of a grid.

Three families: a power law (phi = n^-c), an exponential (phi = exp(-c n)), both with a <= 1, and a logarithm
(phi = -log n, no c). Rounds are weighted by their labels: the end of a curve counts more than its start. All refits of
a bootstrap are fitted at once. (Letters: T rounds, M targets, R refits, C values of c.)
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

POWERS: Final = np.logspace(-1, 0.3, 40)
"""Of labels."""
RATES: Final = np.logspace(-1, 1.5, 40)
"""Of the exponential, in units of the last round's labels."""
_FLAT: Final = 1e-30


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """One family at the rounds of a curve and at the targets."""

    phi_CT: Floats
    phi_CM: Floats
    bounded: bool
    """Whether a, the accuracy that the curve approaches, is at most 1."""


def families(labels_T: Floats, labels_M: Floats) -> tuple[Family, ...]:
    """Power law, exponential and logarithm."""
    x_T, x_M = labels_T / labels_T[-1], labels_M / labels_T[-1]
    powers_C1, rates_C1 = POWERS[:, None], RATES[:, None]
    return (
        Family(x_T**-powers_C1, x_M**-powers_C1, bounded=True),
        Family(np.exp(-rates_C1 * x_T), np.exp(-rates_C1 * x_M), bounded=True),
        Family(-np.log(x_T)[None], -np.log(x_M)[None], bounded=False),
    )


def fit(family: Family, weights_T: Floats, accuracies_RT: Floats) -> tuple[Floats, Floats]:
    """The weighted least squares curve of each row: (R, T) at the rounds and (R, M) at the targets, 1 at most there."""
    phi_CT, w_T = family.phi_CT, weights_T / weights_T.sum()
    means_C, mean_R = phi_CT @ w_T, accuracies_RT @ w_T
    squares_C, products_RC = phi_CT**2 @ w_T, (accuracies_RT * w_T) @ phi_CT.T
    spread_C = squares_C - means_C**2
    slope_RC = -(products_RC - mean_R[:, None] * means_C) / np.where(spread_C > _FLAT, spread_C, np.inf)
    b_RC = np.maximum(slope_RC, 0)
    a_RC = mean_R[:, None] + b_RC * means_C
    if family.bounded:
        above_RC = a_RC > 1
        b_RC = np.where(above_RC, np.maximum((means_C - products_RC) / squares_C, 0), b_RC)
        a_RC = np.minimum(a_RC, 1)
    # The weighted squares of the residuals, less those of the accuracies, which every c shares.
    loss_RC = a_RC * (a_RC - 2 * mean_R[:, None] - 2 * b_RC * means_C) + b_RC * (2 * products_RC + b_RC * squares_C)
    best_R = np.argmin(loss_RC, axis=1)
    a_R1, b_R1 = (np.take_along_axis(each_RC, best_R[:, None], axis=1) for each_RC in (a_RC, b_RC))
    return a_R1 - b_R1 * phi_CT[best_R], np.minimum(a_R1 - b_R1 * family.phi_CM[best_R], 1)
