"""How good the pseudo-labels of a fit are, counted by epoch with the true labels, which no trainer sees."""

from dataclasses import dataclass, field

import numpy as np

from labelbench_ray.trainers import PseudoLabels
from labelbench_ray.types import Ids


@dataclass(slots=True)
class EpochCounts:
    """Unlabeled rows read in an epoch, their summed weights, and the summed weights of correct pseudo-labels."""

    rows: int = 0
    used: float = 0
    right: float = 0


@dataclass(frozen=True, slots=True, eq=False)
class PseudoLabelStats:
    """The counts of one fit, by epoch."""

    truth_N: Ids | None
    """True labels by pool id; None where they are not known."""
    epochs: dict[int, EpochCounts] = field(default_factory=dict)

    def add(self, pseudo_labels: PseudoLabels) -> None:
        """Count some rows of an epoch, each by its weight, which is 0 or 1 where a method selects rows."""
        counts = self.epochs.setdefault(pseudo_labels.epoch, EpochCounts())
        counts.rows += len(pseudo_labels.ids_U)
        counts.used += float(pseudo_labels.weights_U.sum(dtype=np.float64))
        if self.truth_N is not None:
            right_U = pseudo_labels.pseudo_labels_U == self.truth_N[pseudo_labels.ids_U]
            counts.right += float(pseudo_labels.weights_U[right_U].sum(dtype=np.float64))

    def metrics(self) -> dict[str, float]:
        """Metrics of the epoch that the fit kept: the last one reported. Without unlabeled rows there are none.

        Without the truth, or where no unlabeled row is used, there is no accuracy.
        """
        if not self.epochs:
            return {}
        last = self.epochs[max(self.epochs)]
        accuracy = {"Pseudo-Label Accuracy": last.right / last.used} if last.used and self.truth_N is not None else {}
        return {"Pseudo-Label Mask Rate": last.used / last.rows} | accuracy
