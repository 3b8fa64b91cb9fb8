"""Oracles: who answers which label a row has. One oracle a file."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from labelbench_ray import tasks
from labelbench_ray.datasets import Modality, Payload
from labelbench_ray.types import Ids, Labels

PACKAGE = __name__


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


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """Rows that need a label."""

    round: int
    ids_B: Ids
    """Pool ids, in the order in which they were chosen."""
    classes: tuple[str, ...]
    """The names of the classes; a label is a place in them."""
    rows: PoolRows
    labels_B: Labels | None = None
    """The hidden labels with the annotators' noise; None for an oracle that does not need labels."""

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

    @abstractmethod
    def answer(self, question: Question) -> Labels:
        """(B, ...) labels of the rows, as their task holds them, in the order of the question; each is asked once."""
