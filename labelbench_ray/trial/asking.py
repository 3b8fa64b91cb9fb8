"""How a round gets its labels: at once, or later, from people.

An oracle that answers at once is asked while the strategy chooses, and once more for what it chose. For any other
oracle the chosen rows are recorded first (`ledger.queries`). While an answer is missing the round awaits labels, and
the process that continues the trial asks for the same rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.datasets import Modality, Payload, without_label
from labelbench_ray.errors import ConfigError
from labelbench_ray.ledger.queries import Query, other_rows, read_query, sound_query, write_query
from labelbench_ray.ledger.records import RoundRecord
from labelbench_ray.ledger.trials import Ledger
from labelbench_ray.oracles import UNANSWERED, CountedResponse, PoolRows, Question
from labelbench_ray.strategies import NO_NOTE, Chosen, ChosenRound, History, UpperBound
from labelbench_ray.streams import stream
from labelbench_ray.tasks import Task
from labelbench_ray.trial.parts import Parts
from labelbench_ray.trial.purchases import Purchases
from labelbench_ray.trial.upper_bounds import BatchWorth
from labelbench_ray.types import Ids, Labels, PoolView


class AwaitingLabels(Exception):
    """Ends a step whose labels are still to come. Not an error: the text states what is missing and what to do."""

    def __init__(self, words: str, rounds: int) -> None:
        """`rounds`: how many are recorded."""
        super().__init__(words, rounds)
        self.rounds = rounds

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True, slots=True)
class Waiting:
    """A round that awaits labels."""

    round: int
    asked: int
    missing: int
    where: str
    """Where people find the rows; "" where they are asked by other means."""
    directions: str
    refused: tuple[str, ...]
    """Answers that cannot be used, a line each."""

    def __str__(self) -> str:
        have = f" ({self.asked - self.missing} are there)" if self.missing < self.asked else ""
        what = f"round {self.round} awaits {self.missing} of {self.asked} labels{have}"
        return "; ".join(filter(None, (": ".join(filter(None, (what, self.where))), self.directions)))


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

    modality: Modality = Modality.TEXT

    def row_ids(self, ids_B: Ids) -> list[str]:
        """The numbers as text."""
        return [str(row) for row in ids_B.tolist()]

    def payloads(self, ids_B: Ids) -> Sequence[Payload]:
        """Empty texts."""
        return [""] * len(ids_B)

    def locations(self, ids_B: Ids) -> list[str]:
        """None."""
        return []

    def responses(self, ids_B: Ids) -> list[CountedResponse | None]:
        """None is written."""
        return [None] * len(ids_B)


NUMBERED: Final = NumberedRows()


@dataclass(frozen=True, slots=True)
class RecordedRows:
    """The rows of a recorded query (an `oracles.PoolRows`): their ids alone, as the data set is not at hand."""

    query: Query
    modality: Modality

    def row_ids(self, ids_B: Ids) -> list[str]:
        """The data set's own keys."""
        named = dict(zip(self.query.ids, self.query.row_ids, strict=True))
        return [named[row] for row in ids_B.tolist()]

    def payloads(self, ids_B: Ids) -> Sequence[Payload]:
        """Not known."""
        raise ConfigError("an oracle with a `batch_file` is asked by plans, too, and plans have no payloads")

    def locations(self, ids_B: Ids) -> list[str]:
        """Not known."""
        return []

    def responses(self, ids_B: Ids) -> list[CountedResponse | None]:
        """Not known."""
        raise ConfigError("an oracle with a `batch_file` is asked by plans, too, and plans have no responses")


@dataclass(frozen=True, slots=True, eq=False)
class Asking:
    """What every round asks with."""

    parts: Parts
    ledger: Ledger
    classes: tuple[str, ...]
    rows: PoolRows
    task: Task
    hidden_N: Labels | None
    """The hidden labels with the annotators' noise; None where the oracle does not need them."""
    worth: BatchWorth
    """What upper bounds choose by."""

    def batch(self, records: Sequence[RoundRecord], view: PoolView) -> Batch:
        """The rows of the next round and their labels.

        Raises:
            AwaitingLabels: some labels are still to come; what was chosen is recorded.
            BudgetError: the strategy asked for more rows than it may choose.
            ConfigError: the oracle did not return labels.
        """
        if self.parts.oracle.answers_at_once:
            return self._at_once(records, view)
        directory, header = self.ledger.directory, self.ledger.header
        query = sound_query(directory, self.ledger.lock, header, records) or self._chosen(records, view)
        others = other_rows(directory, header.fingerprint, records)
        question = _question(query, directory, self.rows, others, self.task)
        labels_B = _checked(self.parts, self.task, question)
        if unanswered(labels_B).any():
            self.parts.oracle.post(question)
            raise AwaitingLabels(str(_waiting(self.parts, query, question, labels_B)), len(records))
        notes_B = np.array(query.notes, np.int64) if query.notes else None
        return Batch(question.ids_B, labels_B, notes_B)

    def _at_once(self, records: Sequence[RoundRecord], view: PoolView) -> Batch:
        trial = self.parts.trial
        answer = partial(self._answer, len(records))
        purchases = Purchases(answer, view.num_rows, trial.budget, view.labeled_L, view.labels_L)
        chosen = self._select(records, view, purchases)
        return Batch(chosen.ids, purchases.ask(chosen.ids), chosen.notes)

    def _answer(self, number: int, ids: Ids) -> Labels:
        hidden_B = None if self.hidden_N is None else self.hidden_N[ids]
        strategy = _strategy(self.parts, number)
        question = Question(number, ids, self.classes, strategy, self.ledger.directory, self.rows, hidden_B)
        return _checked(self.parts, self.task, question)

    def _chosen(self, records: Sequence[RoundRecord], view: PoolView) -> Query:
        """Choose, and record the choice."""
        number, header = len(records), self.ledger.header
        chosen = self._select(records, view, None)
        query = Query(
            fingerprint=header.fingerprint,
            round=number,
            ids=tuple(chosen.ids.tolist()),
            row_ids=tuple(self.rows.row_ids(chosen.ids)),
            notes=() if chosen.notes is None else tuple(chosen.notes.tolist()),
            strategy=_strategy(self.parts, number),
            model=records[-1].proxy if records else "",
            classes=self.classes,
            batch_file=self.parts.oracle.batch_file,
            versions=header.versions,
        )
        write_query(self.ledger.directory, self.ledger.lock, query)
        return query

    def _select(self, records: Sequence[RoundRecord], view: PoolView, purchases: Purchases | None) -> Chosen:
        trial, number = self.parts.trial, len(records)
        strategy = self.parts.strategy if number else self.parts.first_batch
        rng = stream(trial.seed, number, "select")
        if isinstance(strategy, UpperBound):
            answer = partial(self._answer, number)
            return strategy.select_by_worth(view, trial.budget, rng, partial(self.worth, records, view, answer))
        ask = purchases.ask if purchases and self.task.answers_every_row else None
        earlier = history(records, self.task, len(self.classes))
        return strategy.select_with_notes(view, trial.budget, rng, ask, earlier)


def history(records: Sequence[RoundRecord], task: Task, num_classes: int) -> History:
    """The recorded rounds as strategies with memory read them, without answers that teach nothing.

    The notes of the first batch are another strategy's, so the first round has none.
    """
    return tuple(_chosen_round(record, task, num_classes) for record in records)


def _chosen_round(record: RoundRecord, task: Task, num_classes: int) -> ChosenRound:
    labels_B = task.from_json(record.labels, num_classes)
    notes_B = np.array((record.round and record.notes) or [NO_NOTE] * len(record.chosen), np.int64)
    taught = task.teaches(labels_B)
    return ChosenRound(*(_read_only(each[taught]) for each in (np.array(record.chosen, np.int64), labels_B, notes_B)))


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    array.setflags(write=False)
    return array


def waiting(built: Parts, directory: Path, records: Sequence[RoundRecord]) -> Waiting | None:
    """What a trial waits for, by its folder alone; None where it can go on, or has asked for nothing.

    Raises:
        LedgerError: its query is damaged.
    """
    batch_file = built.oracle.batch_file
    query = read_query(directory, built.fingerprint, len(records)) if batch_file else None
    if query is None or not (directory / batch_file).is_file():
        return None
    others = other_rows(directory, built.fingerprint, records)
    rows = RecordedRows(query, Modality.of(built.dataset.modality()))
    question = _question(query, directory, rows, others, built.task)
    labels_B = _checked(built, built.task, question)
    return _waiting(built, query, question, labels_B) if unanswered(labels_B).any() else None


def _question(query: Query, directory: Path, rows: PoolRows, others: dict[str, str | None], task: Task) -> Question:
    return Question(
        query.round,
        np.array(query.ids, np.int64),
        query.classes,
        query.strategy,
        directory,
        rows,
        other_rows=others,
        further_answers=task.further_answers,
    )


def _waiting(built: Parts, query: Query, question: Question, labels_B: Labels) -> Waiting:
    return Waiting(
        round=query.round,
        asked=len(query.ids),
        missing=int(unanswered(labels_B).sum()),
        where=str(question.directory / query.batch_file) if query.batch_file else "",
        directions=_directions(built.oracle.directions, built.task),
        refused=built.oracle.refused(question),
    )


def _directions(directions: str, task: Task) -> str:
    """What people do, with the answers that name no class."""
    further = " or ".join(map(repr, task.further_answers))
    return "; ".join(filter(None, (directions, further and f"a row of none of the classes is answered {further}")))


def _strategy(parts: Parts, number: int) -> str:
    return str(parts.trial.strategy if number else parts.trial.first_batch)


def unanswered(labels_B: Labels) -> NDArray[np.bool_]:
    """Which rows have no answer yet: nothing is known of them."""
    if labels_B.ndim == 1:
        return without_label(labels_B)
    nothing_B: NDArray[np.bool_] = (labels_B == UNANSWERED).all(axis=1)
    return nothing_B


def _checked(parts: Parts, task: Task, question: Question) -> Labels:
    """What the oracle answers; `ConfigError` where it is not labels."""
    labels, oracle = parts.oracle.answer(question), parts.trial.oracle
    ids, num_classes = question.ids_B, len(question.classes)
    unknown = "NaN" if np.dtype(task.dtype).kind == "f" else str(UNANSWERED)
    later = "" if parts.oracle.answers_at_once else f", or {unknown} for a row without an answer"
    rule = f"an oracle returns {task.answer_rule(num_classes)}{later}"
    shape, dtype = (len(ids), *task.shape(num_classes)), np.dtype(task.dtype)
    if not isinstance(labels, np.ndarray) or labels.dtype != dtype or labels.shape != shape:
        what = f"{labels.dtype} of shape {labels.shape}" if isinstance(labels, np.ndarray) else type(labels).__name__
        raise ConfigError(f"oracle {oracle}: returned {what} for {len(ids)} rows; {rule}, as {dtype}")
    wrong_B = ~task.is_label(labels, num_classes)
    if not parts.oracle.answers_at_once:
        wrong_B &= ~unanswered(labels)
    if wrong_B.any():
        (row_id,) = question.rows.row_ids(ids[wrong_B][:1])
        raise ConfigError(f"oracle {oracle}: returned {labels[wrong_B][0]} for row {row_id!r}; {rule}")
    return labels
