"""How a round gets its labels: the strategy chooses rows, and the oracle answers within the budget."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.datasets import Modality, Payload
from labelbench_ray.errors import ConfigError
from labelbench_ray.ledger.records import RoundRecord
from labelbench_ray.oracles import PoolRows, Question
from labelbench_ray.strategies import NO_NOTE, ChosenRound, History
from labelbench_ray.streams import stream
from labelbench_ray.tasks import Task
from labelbench_ray.trial.parts import Parts
from labelbench_ray.trial.purchases import Purchases
from labelbench_ray.types import Ids, Labels, PoolView


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """The rows of a round and their labels, aligned."""

    chosen_B: Ids
    labels_B: Labels
    notes_B: Ids | None
    """What the strategy noted for them; None where it wrote no notes."""


@dataclass(frozen=True, slots=True)
class NumberedRows:
    """Rows of a pool in memory (an `oracles.PoolRows`): their ids are their numbers, and nothing else is known."""

    modality: Modality = "text"

    def row_ids(self, ids_B: Ids) -> list[str]:
        """The numbers as text."""
        return [str(row) for row in ids_B.tolist()]

    def payloads(self, ids_B: Ids) -> Sequence[Payload]:
        """Empty texts."""
        return [""] * len(ids_B)


NUMBERED: Final = NumberedRows()


@dataclass(frozen=True, slots=True, eq=False)
class Asking:
    """What every round asks with."""

    parts: Parts
    classes: tuple[str, ...]
    rows: PoolRows
    task: Task
    hidden_N: Labels | None
    """The hidden labels with the annotators' noise; None where the oracle does not need them."""

    def batch(self, records: Sequence[RoundRecord], view: PoolView) -> Batch:
        """The rows of the next round and their labels.

        Raises:
            BudgetError: the strategy asked for more rows than it may choose.
            ConfigError: the oracle did not return labels.
        """
        trial, number = self.parts.trial, len(records)

        def answer(ids: Ids) -> Labels:
            return self._answer(number, ids)

        purchases = Purchases(answer, view.num_rows, trial.budget, view.labeled_L, view.labels_L)
        strategy = self.parts.strategy if number else self.parts.first_batch
        rng = stream(trial.seed, number, "select")
        earlier = history(records, self.task, len(self.classes))
        chosen = strategy.select_with_notes(view, trial.budget, rng, purchases.ask, earlier)
        return Batch(chosen.ids, purchases.ask(chosen.ids), chosen.notes)

    def _answer(self, number: int, ids: Ids) -> Labels:
        hidden_B = None if self.hidden_N is None else self.hidden_N[ids]
        labels = self.parts.oracle.answer(Question(number, ids, self.classes, self.rows, hidden_B))
        return self._checked(labels, ids)

    def _checked(self, labels: object, ids: Ids) -> Labels:
        oracle, num_classes = self.parts.trial.oracle, len(self.classes)
        rule = f"an oracle returns {self.task.answer_rule(num_classes)}"
        shape, dtype = (len(ids), *self.task.shape(num_classes)), np.dtype(self.task.dtype)
        if not isinstance(labels, np.ndarray) or labels.dtype != dtype or labels.shape != shape:
            what = (
                f"{labels.dtype} of shape {labels.shape}" if isinstance(labels, np.ndarray) else type(labels).__name__
            )
            raise ConfigError(f"oracle {oracle}: returned {what} for {len(ids)} rows; {rule}, as {dtype}")
        wrong_B = ~self.task.is_label(labels, num_classes)
        if wrong_B.any():
            (row_id,) = self.rows.row_ids(ids[wrong_B][:1])
            raise ConfigError(f"oracle {oracle}: returned {labels[wrong_B][0]} for row {row_id!r}; {rule}")
        return labels


def history(records: Sequence[RoundRecord], task: Task, num_classes: int) -> History:
    """The recorded rounds as strategies with memory read them."""
    return tuple(
        ChosenRound(
            _read_only(np.array(record.chosen, np.int64)),
            _read_only(task.from_json(record.labels, num_classes)),
            _read_only(np.array(record.notes or [NO_NOTE] * len(record.chosen), np.int64)),
        )
        for record in records
    )


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    array.setflags(write=False)
    return array
