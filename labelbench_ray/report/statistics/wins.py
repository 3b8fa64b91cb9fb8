"""Who beats whom: the win matrix over settings, and BADGE's penalty matrix over checkpoints.

Ash, Zhang, Krishnamurthy, Langford and Agarwal (ICLR 2020), section 5: checkpoints at first + b, first + 2 b, 4 b, ...
labels while random is below 99 % of its final accuracy; at each, a two-sided paired t-test at 5 % adds
1 / (number of checkpoints) where the first of a pair is ahead. (Letters: D settings, M strategies, S seeds,
T checkpoints.)
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.report.statistics.paired import ENOUGH_PAIRS, LEVEL, Floats, estimate

TIE: Final = 0.001
"""Scores that differ by at most .1 points tie."""
SATURATED: Final = 0.99


@dataclass(frozen=True, slots=True, eq=False)
class Wins:
    """Entry (i, j) is about strategy i against strategy j."""

    wins_MM: NDArray[np.int64]
    ties_MM: NDArray[np.int64]

    @property
    def losses_MM(self) -> NDArray[np.int64]:
        """The settings in which j wins against i."""
        return self.wins_MM.T


def wins(scores_DM: Floats, tie: float = TIE) -> Wins:
    """Count the settings in which each strategy is ahead of each other one by more than `tie`."""
    difference_DMM = scores_DM[:, :, None] - scores_DM[:, None, :]
    ties_MM = (np.abs(difference_DMM) <= tie).sum(axis=0)
    np.fill_diagonal(ties_MM, 0)
    return Wins((difference_DMM > tie).sum(axis=0), ties_MM)


def penalties(labels_T: Floats, values_MST: Floats, random: int) -> Floats:
    """(M, M) one setting's share of checkpoints at which i is ahead of j for sure; sum it over settings.

    Args:
        labels_T: labels at each checkpoint.
        values_MST: accuracies; seeds are paired over strategies.
        random: which strategy is random.
    """
    places = doubled_checkpoints(labels_T, values_MST[random].mean(axis=0))
    penalties_MM = np.zeros((len(values_MST), len(values_MST)))
    if values_MST.shape[1] < ENOUGH_PAIRS:
        return penalties_MM
    for place in places:
        for first in range(len(values_MST)):
            for second in range(len(values_MST)):
                found = estimate(values_MST[first, :, place] - values_MST[second, :, place])
                penalties_MM[first, second] += found.value > 0 and found.p_value < 1 - LEVEL
    return penalties_MM / len(places)


def doubled_checkpoints(labels_T: Floats, random_T: Floats) -> list[int]:
    """Places of the first checkpoint and of those nearest to first + b, + 2 b, + 4 b, ..., before random saturates."""
    if len(labels_T) == 1:
        return [0]
    batch = labels_T[1] - labels_T[0]
    saturated_T = random_T >= SATURATED * random_T[-1]
    last = int(np.argmax(saturated_T))
    wanted, places = labels_T[0] + batch, [0]
    while wanted <= labels_T[-1]:
        place = int(np.argmin(np.abs(labels_T - wanted)))
        if place >= last:
            break
        places += [place] * (place > places[-1])
        wanted, batch = wanted + batch, 2 * batch
    return places
