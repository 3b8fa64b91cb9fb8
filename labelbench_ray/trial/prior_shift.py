"""Accuracy under other class shares, from the accuracy of each class: no row is drawn again, and none is scored again.

With the shares q_c of the classes, the accuracy is the sum over the classes of q_c times recall_c. Class shares are
drawn from a symmetric Dirichlet distribution over the classes that test rows have, `DRAWS` times for each of its
parameters alpha; a draw depends on alpha, its number and the number of classes alone.

The mean is that of each draw in all its rotations: shares that are moved on by one class, by two, and so on. Every
class then has every share once, so that the mean is exactly the mean recall (balanced accuracy), for every alpha. The
mean of `DRAWS` draws alone would be off by what those few draws happen to favor. The worst draw and the spread are
those of the draws as they are.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.datasets._evaluation import PRIOR_SPLIT
from labelbench_ray.streams import stream

DRAWS: Final = 20
Floats = NDArray[np.float64]


def split_of(alpha: float) -> str:
    """How records name what is measured with this parameter."""
    return f"{PRIOR_SPLIT}{alpha:g}"


def class_shares(alpha: float, draw: int, num_classes: int) -> Floats:
    """(K,) shares of classes, which add up to 1."""
    return stream(draw, num_classes, f"prior shift {alpha!r}").dirichlet(np.full(num_classes, alpha))


def shifted_accuracies(
    support_K: NDArray[np.int64], correct_K: NDArray[np.int64], alpha: float
) -> tuple[Floats, Floats]:
    """(`DRAWS`,) accuracies, and to how many rows of these shares each is worth.

    The latter is Kish's effective number of rows: the square of the sum of the rows' weights over the sum of their
    squares, where a row of class c weighs q_c divided by the number of rows of c.
    """
    present_C = np.flatnonzero(support_K)
    support_C = support_K[present_C].astype(np.float64)
    recall_C = correct_K[present_C] / support_C
    shares_RC = np.stack([class_shares(alpha, draw, len(present_C)) for draw in range(DRAWS)])
    return shares_RC @ recall_C, 1 / (shares_RC**2 / support_C).sum(axis=1)


def prior_shift_metrics(
    support_K: NDArray[np.int64], correct_K: NDArray[np.int64], alphas: Sequence[float]
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """The metrics of test rows under shifted shares, named as those of evaluation splits; and each draw's accuracy."""
    metrics: dict[str, float] = {}
    draws: dict[str, dict[str, float]] = {}
    present_C = np.flatnonzero(support_K)
    balanced = float((correct_K[present_C] / support_K[present_C]).mean())
    for alpha in alphas:
        accuracy_R, rows_R = shifted_accuracies(support_K, correct_K, alpha)
        title = f"Test Prior {alpha:g}"
        metrics[f"{title} Accuracy"] = balanced
        metrics[f"{title} Worst Group Accuracy"] = float(accuracy_R.min())
        metrics[f"{title} Group Gap"] = float(accuracy_R.max() - accuracy_R.min())
        metrics[f"{title} Effective Rows"] = float(rows_R.mean())
        draws[split_of(alpha)] = {f"draw {draw}": value for draw, value in enumerate(accuracy_R.tolist(), start=1)}
    return metrics, draws
