"""What a trial has bought: labels that a model learns from, and rows that turned out to be of none of the classes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from labelbench_ray.config import Trial
from labelbench_ray.embeddings.store import Embedded
from labelbench_ray.ledger.records import RoundRecord
from labelbench_ray.tasks import Task
from labelbench_ray.types import Ids, Labels, PoolView


@dataclass(frozen=True, slots=True, eq=False)
class Bought:
    """Answers in the order in which they were bought, apart from those that name no class."""

    labeled_L: Ids
    labels_L: Labels
    wasted_W: Ids
    """Rows that were paid for and have none of the classes: no model learns from them or chooses them again."""

    @classmethod
    def of(cls, ids_B: Ids, labels_B: Labels, task: Task) -> "Bought":
        """The answers of these rows, sorted by whether they teach."""
        if task.answers_every_row:
            return cls(ids_B, labels_B, ids_B[:0])
        teaches_B = task.teaches(labels_B)
        return cls(ids_B[teaches_B], labels_B[teaches_B], ids_B[~teaches_B])

    def __add__(self, other: "Bought") -> "Bought":
        return Bought(
            np.concatenate([self.labeled_L, other.labeled_L]),
            np.concatenate([self.labels_L, other.labels_L]),
            np.concatenate([self.wasted_W, other.wasted_W]),
        )

    def __len__(self) -> int:
        return len(self.labeled_L) + len(self.wasted_W)

    def open(self, view: PoolView) -> PoolView:
        """A view of a pool with these labels, where wasted rows may not be chosen."""
        if not len(self.wasted_W):
            return view
        return view.only(np.setdiff1d(view.open_ids(), self.wasted_W, assume_unique=True))

    def metrics(self) -> dict[str, float]:
        """How many answers were wasted, and the number of all; nothing where every row has a class."""
        wasted = len(self.wasted_W)
        return {"Num Labeled": len(self), "Labels Wasted": wasted} if wasted else {}


def bought(records: Sequence[RoundRecord], embedded: Embedded) -> Bought:
    """What these rounds bought."""
    return Bought.of(*bought_rows(records, embedded), embedded.task)


def nothing_to_learn(trial: Trial, asked: int) -> str:
    """Why a model cannot be fitted where no answer names a class, and what to do."""
    return (
        f"trial {trial.strategy} seed {trial.seed}: none of the {asked} rows that were asked for is of one of the "
        "classes, so there is nothing to learn from; raise `budget`, or lower `out_of_scope_fraction` of the data set"
    )


def lessons(records: Sequence[RoundRecord], embedded: Embedded) -> list[int]:
    """After each of these rounds, how many bought labels a model could learn from."""
    if embedded.task.answers_every_row:
        return [record.num_labeled for record in records]
    learned = (embedded.task.teaches(bought_labels([record], embedded)).sum() for record in records)
    return [int(count) for count in np.cumsum(np.fromiter(learned, np.int64, len(records)))]


def wasted_rows(records: Sequence[RoundRecord], embedded: Embedded) -> Ids:
    """The rows of none of the classes that these rounds bought."""
    return np.empty(0, np.int64) if embedded.task.answers_every_row else bought(records, embedded).wasted_W


def bought_rows(records: Sequence[RoundRecord], embedded: Embedded) -> tuple[Ids, Labels]:
    """Pool ids in the order in which they were bought, and what the oracle returned for them."""
    return bought_ids(records), bought_labels(records, embedded)


def bought_ids(records: Iterable[RoundRecord]) -> Ids:
    """Pool ids in the order in which they were bought."""
    return np.array([chosen for record in records for chosen in record.chosen], np.int64)


def bought_labels(records: Iterable[RoundRecord], embedded: Embedded) -> Labels:
    """The labels that the oracle returned for them."""
    return embedded.task.from_json([answer for record in records for answer in record.labels], len(embedded.classes))
