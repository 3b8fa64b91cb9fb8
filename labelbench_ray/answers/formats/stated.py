"""What one row of a file states, and the answers that all rows of a file come to.

The answer id of a file's answer is a hash of (row id, annotator, batch), and its revision begins with the time at which
the file was saved and ends with a hash of what the row states. So a file that is read twice adds nothing, a cell that
was changed and saved is a correction, and so is one that was changed back: the file that was saved last holds, in
whatever order files are read.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

from pydantic import JsonValue

from labelbench_ray.answers.events import Answer, Status
from labelbench_ray.answers.revisions import revision
from labelbench_ray.config import digest

FILE: Final = "file"
"""The tool of answers in CSV and parquet files."""
NONE_OF_THESE: Final = "none of these"
"""The label of a row of none of the classes, as the task `open_set` writes it."""
GOLD: Final = MappingProxyType(
    {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False, "": False}
)
"""Whether an answer is a reference, by the cell in lower case."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """An answer that cannot be used, or a file: where it stands, its value, the rule and the fix."""

    file: str
    row: int
    """As a spreadsheet numbers it, the header being row 1; a line, or the number of a record; 0 for the whole file."""
    row_id: str
    value: str
    rule: str
    fix: str

    def __str__(self) -> str:
        if not self.row:
            return f"{self.file}: {self.rule}; {self.fix}"
        return f"{self.file}, row {self.row}: {self.row_id!r}: {self.value!r}: {self.rule}; {self.fix}"


class RowError(ValueError):
    """A row that does not state an answer."""

    def __init__(self, row_id: str, value: str, rule: str, fix: str) -> None:
        super().__init__(row_id, value, rule, fix)
        self.row_id, self.value, self.rule, self.fix = row_id, value, rule, fix


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """What one row states."""

    row: int
    row_id: str
    annotator: str
    labels: tuple[str, ...] | None
    status: Status
    answered_at: datetime | None = None
    """None where the file does not state it."""
    seconds: float | None = None
    batch: str = ""
    shown: str | None = None
    gold: bool = False
    """A reference answer."""

    @property
    def answer_id(self) -> str:
        """The same for all revisions of this answer."""
        return answer_id_of(self.row_id, self.annotator, self.batch)

    @property
    def content(self) -> str:
        """A hash of what is stated."""
        at = None if self.answered_at is None else self.answered_at.isoformat()
        labels: JsonValue = None if self.labels is None else [*self.labels]
        stated: list[JsonValue] = [labels, self.status, at, self.seconds, self.shown]
        return digest([*stated, "gold"] if self.gold else stated)


def answer_id_of(row_id: str, annotator: str, batch: str) -> str:
    """The id of an answer to which its tool gives none."""
    return digest([row_id, annotator, batch])


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A row of a file that states no answer: a complete file retracts the one that was there."""

    row_id: str
    annotator: str
    batch: str


@dataclass(frozen=True, slots=True)
class Source:
    """A file of answers."""

    name: str
    """As messages name it."""
    tool: str
    saved_at: datetime
    """Stands for the time of answers whose file does not state it."""
    sha256: str


@dataclass(frozen=True, slots=True)
class Found:
    """An answer and where it stands."""

    row: int
    answer: Answer


@dataclass(frozen=True, slots=True)
class Read:
    """What a file holds."""

    source: Source
    format: str
    """In words: "CSV", "flattened records of Argilla"."""
    found: tuple[Found, ...]
    rejected: tuple[Rejected, ...]
    unanswered: tuple[Unanswered, ...] = ()

    @property
    def answers(self) -> tuple[Answer, ...]:
        """The events, in the order of the file."""
        return tuple(each.answer for each in self.found)


def answers_of(source: Source, form: str, rows: Iterable["Stated | Unanswered | Rejected"]) -> Read:
    """The answers of a file, given what its rows state; see `one_of_each`."""
    rejected: list[Rejected] = []
    unanswered: list[Unanswered] = []
    found: list[Found] = []
    for each in rows:
        if isinstance(each, Rejected):
            rejected.append(each)
        elif isinstance(each, Unanswered):
            unanswered.append(each)
        else:
            found.append(Found(each.row, _answer(source, each)))
    kept, ambiguous = one_of_each(source, found)
    rejected = sorted([*rejected, *ambiguous], key=lambda each: each.row)
    return Read(source, form, tuple(kept), tuple(rejected), tuple(unanswered))


def one_of_each(source: Source, found: Iterable[Found]) -> tuple[list[Found], list[Rejected]]:
    """One annotator's answers to one row in one file are one answer.

    The latest holds if each states its time; answers that differ without times are rejected.
    """
    by_answer: dict[str, list[Found]] = {}
    for each in found:
        by_answer.setdefault(each.answer.answer_id, []).append(each)
    kept: list[Found] = []
    rejected: list[Rejected] = []
    for several in by_answer.values():
        latest = several[0] if len(several) == 1 else _latest(source, several)
        if latest is None:
            rejected += [_ambiguous(source, each, several) for each in several]
        else:
            kept.append(latest)
    return kept, rejected


def _latest(source: Source, several: list[Found]) -> Found | None:
    """The answer that holds; None if that is not known."""
    if len({_content(each.answer) for each in several}) == 1:
        return several[0]
    times = [at for each in several if (at := each.answer.answered_at) is not None and at != source.saved_at]
    last = [each for each in several if each.answer.answered_at == max(times)] if len(times) == len(several) else []
    return last[0] if len({_content(each.answer) for each in last}) == 1 else None


def _content(answer: Answer) -> tuple[object, ...]:
    return answer.labels, answer.status, answer.answered_at, answer.seconds, answer.shown, answer.gold


def _ambiguous(source: Source, found: Found, several: list[Found]) -> Rejected:
    others = ", ".join(f"row {each.row}" for each in several if each is not found)
    return Rejected(
        source.name,
        found.row,
        found.answer.row_id,
        in_words(found.answer),
        f"the same annotator answers the same row otherwise in {others}",
        "keep one of them, or give each its answered_at",
    )


def in_words(stated: Answer) -> str:
    """A row's answer as people wrote it."""
    if stated.labels is None:
        return str(stated.status)
    labels = ", ".join(stated.labels) or NONE_OF_THESE
    return f"{labels} (gold)" if stated.gold else labels


def _answer(source: Source, stated: Stated) -> Answer:
    return Answer(
        row_id=stated.row_id,
        annotator=stated.annotator,
        labels=stated.labels,
        status=stated.status,
        answered_at=stated.answered_at or source.saved_at,
        seconds=stated.seconds,
        answer_id=stated.answer_id,
        revision=revision(source.saved_at, stated.content),
        batch=stated.batch,
        shown=stated.shown,
        gold=stated.gold,
        tool=source.tool,
        source_sha256=source.sha256,
    )


def seconds_of(row_id: str, value: str) -> float | None:
    """Seconds of work; a decimal comma is a point.

    Raises:
        RowError: not a number of at least 0.
    """
    if not value:
        return None
    try:
        seconds = float(value.replace(",", "."))
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < 1e9:
        raise RowError(row_id, value, "seconds must be a number of at least 0", "correct it, or leave it out")
    return seconds


def time_of(row_id: str, value: str) -> datetime | None:
    """A time as ISO 8601; one without a zone is UTC.

    Raises:
        RowError: not such a time.
    """
    if not value:
        return None
    try:
        found = datetime.fromisoformat(value)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        fix = "write it as 2026-05-01T14:30:00+02:00, or leave it out"
        raise RowError(row_id, value, "answered_at must be a time as ISO 8601", fix) from error


def gold_of(row_id: str, value: str, status: Status) -> bool:
    """Whether a cell makes an answer a reference; an empty one does not.

    Raises:
        RowError: another value than those of `GOLD`, or a reference without a label.
    """
    is_gold = GOLD.get(value.lower())
    if is_gold is None:
        rule = "gold must be true, yes or 1 for a reference answer, and false, no or 0 for others"
        raise RowError(row_id, value, rule, "correct it, or leave it empty")
    if is_gold and status is not Status.SUBMITTED:
        rule = f"a reference answer needs a label, and the row is {status}"
        raise RowError(row_id, value, rule, "fill in the label, or leave gold empty")
    return is_gold
