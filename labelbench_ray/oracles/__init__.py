"""Oracles: who answers which label a row has. One oracle a file.

An oracle that cannot answer at once leaves rows unanswered: the trial then awaits labels, and the next run asks again
for the same rows.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Final, Protocol

from labelbench_ray import tasks
from labelbench_ray.datasets import UNLABELED, Modality, Payload
from labelbench_ray.types import Ids, Labels

PACKAGE = __name__
UNANSWERED: Final = UNLABELED
"""Stands in place of a class number for a row that has no answer yet."""


class PoolRows(Protocol):
    """What the data set holds for rows of the pool, read when it is asked for."""

    @property
    def modality(self) -> Modality:
        """What the payloads are."""
        ...

    def row_ids(self, ids_B: Ids) -> list[str]:
        """The data set's own keys of these rows, in this order."""
        ...

    def payloads(self, ids_B: Ids) -> Sequence[Payload]:
        """Texts, or the bytes of encoded images."""
        ...

    def locations(self, ids_B: Ids) -> list[str]:
        """Path or address of the file that each row is; empty where rows are not files of their own."""
        ...

    def responses(self, ids_B: Ids) -> "list[CountedResponse | None]":
        """The hidden responses to these prompts; None for one that is not written."""
        ...


@dataclass(frozen=True, slots=True)
class CountedResponse:
    """The text that answers a prompt."""

    text: str
    tokens: int
    """As the encoder counts them; words where it has no tokenizer."""


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """Rows that need a label."""

    round: int
    ids_B: Ids
    """Pool ids, in the order in which they were chosen."""
    classes: tuple[str, ...]
    """The names of the classes; a label is a place in them."""
    strategy: str
    """Which strategy chose the rows, in words."""
    directory: Path
    """The trial's folder, in which an oracle may keep files of its own."""
    rows: PoolRows
    labels_B: Labels | None = None
    """The hidden labels with the annotators' noise; None for an oracle that does not need labels."""
    other_rows: Mapping[str, str | None] = field(default_factory=dict)
    """By row id, what other rounds of the trial ask an oracle that does not answer at once: the class that is recorded,
    or None while none is."""
    further_answers: Mapping[str, int] = field(default_factory=dict)
    """Answers that name no class, such as "none of these" where rows may be out of scope, and their labels."""

    @property
    def row_ids(self) -> list[str]:
        """The data set's own keys of the rows."""
        return self.rows.row_ids(self.ids_B)

    @property
    def payloads(self) -> Sequence[Payload]:
        """Their texts, or the bytes of their encoded images."""
        return self.rows.payloads(self.ids_B)


class Oracle(tasks.ServesTasks, ABC):
    """Who answers; its fields are its settings."""

    needs_labels: ClassVar[bool] = False
    """Answers with the data set's own labels, so that every row of the pool needs one."""
    answers_at_once: ClassVar[bool] = True
    """Answers every row, also those that a strategy asks for while it chooses its batch."""
    batch_file: ClassVar[str] = ""
    """The file in the trial's folder that lists the rows to label; "" for none.

    While it is there, a plan asks for the missing answers first, and the trial runs only once there are none.
    """
    directions: ClassVar[str] = ""
    """What people do with that file."""

    @abstractmethod
    def answer(self, question: Question) -> Labels:
        """(B, ...) labels of the rows, as their task holds them, in the order of the question.

        Each row is asked for once. An oracle that does not answer at once returns `UNANSWERED` for a row whose label is
        still to come, and is asked again by the next run. One with a `batch_file` is asked by plans, too, which have no
        payloads.
        """

    def post(self, question: Question) -> None:
        """Hand the rows to those who label them. Called whenever a question is left unanswered, so often repeated."""

    def refused(self, question: Question) -> tuple[str, ...]:
        """Answers that cannot be used, a line each, with the fix; the others are kept."""
        return ()
