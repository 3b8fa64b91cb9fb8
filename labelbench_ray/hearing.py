"""How good a fit's pseudo-labels were: counted epoch by epoch with the true labels, which no trainer sees."""

from dataclasses import dataclass, field

from labelbench_ray.trainers import Heard
from labelbench_ray.types import Ids


@dataclass(slots=True)
class EpochCounts:
    """Unlabeled rows that the steps of an epoch read, those that taught something, and those taught rightly."""

    rows: int = 0
    used: int = 0
    right: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Hearing:
    """Listens to one fit."""

    truth_U: Ids
    """True labels of the unlabeled rows, by place."""
    epochs: dict[int, EpochCounts] = field(default_factory=dict)

    def listen(self, heard: Heard) -> None:
        """Count a step."""
        counts = self.epochs.setdefault(heard.epoch, EpochCounts())
        used_U = heard.weights_U > 0
        counts.rows += len(used_U)
        counts.used += int(used_U.sum())
        counts.right += int((heard.pseudo_labels_U == self.truth_U[heard.places_U])[used_U].sum())

    def metrics(self) -> dict[str, float]:
        """Of the last epoch; empty after a fit without unlabeled rows. No row used: no accuracy."""
        if not self.epochs:
            return {}
        last = self.epochs[max(self.epochs)]
        accuracy = {"Pseudo-Label Accuracy": last.right / last.used} if last.used else {}
        return {"Pseudo-Label Mask Rate": last.used / last.rows} | accuracy
