"""One event of annotation: somebody answered, skipped, corrected or retracted the label of one row.

An event is identified by (tool, answer id, revision), so that a file that is read twice, and two exports that overlap,
add nothing. Adapters of tools translate their records into events; everything else reads events alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple

import pyarrow as pa


class Status(StrEnum):
    """What an annotator did with a row."""

    SUBMITTED = "submitted"
    SKIPPED = "skipped"
    UNSURE = "unsure"
    RETRACTED = "retracted"
    """The answer was deleted in its tool. Only a complete export can state that."""


class Identity(NamedTuple):
    """What makes two events the same event."""

    tool: str
    answer_id: str
    revision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An event; the row's state is the fold of all its events."""

    row_id: str
    """The data set's own key of the row."""
    annotator: str
    labels: tuple[str, ...] | None
    """Names of classes, () for "none of them"; None unless submitted."""
    status: Status = Status.SUBMITTED
    answered_at: datetime | None = None
    """With a time zone."""
    seconds: float | None = None
    """Working time that the tool measured."""
    answer_id: str
    """The tool's id of the answer, the same for all its revisions."""
    revision: str
    """Distinguishes corrections of one answer; these sort in the order in which they were made (`revisions.py`)."""
    batch: str = ""
    """The id of the batch which asked for the row; "" for a row that no batch asked for."""
    shown: str | None = None
    """The version of the model whose prediction the annotator saw; None for none."""
    gold: bool = False
    """A reference answer, by which annotators are measured."""
    tool: str
    source_sha256: str = ""
    """Of the file or of the response that held the event."""

    def __post_init__(self) -> None:
        """Raises ValueError: labels without a submission, or a submission without labels; a time without a zone."""
        if (self.labels is not None) != (self.status is Status.SUBMITTED):
            raise ValueError(
                f"{self.row_id!r}: status {self.status} with labels {self.labels}; only submitted has labels"
            )
        if self.answered_at is not None and self.answered_at.tzinfo is None:
            raise ValueError(f"{self.row_id!r}: answered at {self.answered_at}, without a time zone; give one")

    @property
    def identity(self) -> Identity:
        """Equal for two events that are the same."""
        return Identity(self.tool, self.answer_id, self.revision)


SCHEMA: Final = pa.schema(
    [
        pa.field("row_id", pa.string(), nullable=False),
        pa.field("annotator", pa.string(), nullable=False),
        pa.field("labels", pa.list_(pa.string())),
        pa.field("status", pa.string(), nullable=False),
        pa.field("answered_at", pa.timestamp("us", tz="UTC")),
        pa.field("seconds", pa.float32()),
        pa.field("answer_id", pa.string(), nullable=False),
        pa.field("revision", pa.string(), nullable=False),
        pa.field("batch", pa.string(), nullable=False),
        pa.field("shown", pa.string()),
        pa.field("gold", pa.bool_(), nullable=False),
        pa.field("tool", pa.string(), nullable=False),
        pa.field("source_sha256", pa.string(), nullable=False),
    ]
)
"""The columns of `answers.parquet`."""


def to_table(answers: Iterable[Answer]) -> pa.Table:
    """The events as rows of `SCHEMA`, in their order."""
    rows = [{name: getattr(answer, name) for name in SCHEMA.names} for answer in answers]
    return pa.Table.from_pylist(rows, SCHEMA)


def from_table(table: pa.Table) -> list[Answer]:
    """The rows of a table with `SCHEMA`, as events.

    Raises:
        ValueError: a status that there is not, or an event that cannot be.
    """
    return [_answer(row) for row in table.to_pylist()]


def _answer(row: dict[str, Any]) -> Answer:
    labels, answered_at = row["labels"], row["answered_at"]
    return Answer(
        **row
        | {
            "labels": None if labels is None else tuple(labels),
            "status": Status(row["status"]),
            "answered_at": None if answered_at is None else answered_at.astimezone(UTC),
        }
    )
