"""Which of the answers that people gave can be used: those for rows that are asked for, with a class, stated once."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import numpy as np

from labelbench_ray.answers.names import Names
from labelbench_ray.errors import unknown
from labelbench_ray.oracles import UNANSWERED, Question
from labelbench_ray.oracles._answer_files import GivenAnswer, GivenAnswers
from labelbench_ray.types import Ids

SHOWN: Final = 20
"""Refused answers that are named; the others are counted."""


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What people's answers come to."""

    labels_B: Ids
    """In the order of the question; `UNANSWERED` for a row without a usable answer."""
    refused: tuple[str, ...]
    """Answers that cannot be used, a line each: file, row, value, rule and fix."""


@dataclass(slots=True)
class Refusals:
    """Refused answers in words. Words are made for the first ones alone: a wrong file may have a million rows."""

    lines: list[str] = field(default_factory=list)
    more: int = 0

    def add(self, words: Callable[[], str]) -> None:
        """One more."""
        if len(self.lines) < SHOWN:
            self.lines.append(words())
        else:
            self.more += 1

    def stated(self) -> tuple[str, ...]:
        """A line each, and one that counts the others."""
        return (*self.lines, *([f"and {self.more:,} more answers like these"] if self.more else []))


def judged(given: GivenAnswers, question: Question) -> Answers:
    """The usable answers to a question, and what is wrong with the others."""
    asked = question.row_ids
    rows = Names({row_id: row_id for row_id in (*question.other_rows, *asked)})
    numbers = {name: number for number, name in enumerate(question.classes)} | dict(question.further_answers)
    names, classes = {number: name for name, number in numbers.items()}, Names(numbers)
    refused = Refusals(list(given.unreadable))
    usable: dict[str, list[tuple[GivenAnswer, int]]] = {}
    for answer in given.answers:
        row_id, label = rows.find(answer.row_id), classes.find(answer.label)
        if not answer.label.strip():
            continue
        if row_id is None:
            refused.add(partial(_not_asked, answer, rows))
        elif label is None:
            refused.add(partial(_no_class, answer, tuple(numbers)))
        elif question.other_rows.get(row_id) not in (None, names[label]):
            refused.add(partial(_recorded, answer, question.other_rows[row_id]))
        else:
            usable.setdefault(row_id, []).append((answer, label))
    labels_B = np.full(len(asked), UNANSWERED, np.int64)
    for place, row_id in enumerate(asked):
        stated = {label for _, label in usable.get(row_id, ())}
        if len(stated) == 1:
            labels_B[place] = stated.pop()
        elif stated:
            refused.add(partial(_several, row_id, usable[row_id]))
    return Answers(labels_B, refused.stated())


def _not_asked(answer: GivenAnswer, rows: Names[str]) -> str:
    meant = rows.likely(answer.row_id)
    hint = f"; {meant!r} was: a spreadsheet drops zeros unless ids are imported as text" if meant else ""
    return f"{answer.place}: row {answer.row_id!r} was not asked for{hint}; correct the row_id or remove the row"


def _no_class(answer: GivenAnswer, classes: Sequence[str]) -> str:
    return (
        f"{answer.place}: row {answer.row_id!r}: {unknown('class', answer.label.strip(), classes)}; correct the label"
    )


def _recorded(answer: GivenAnswer, recorded: str | None) -> str:
    return (
        f"{answer.place}: row {answer.row_id!r} is labeled {answer.label.strip()!r} here and was recorded as "
        f"{recorded!r}; a recorded label stays, so remove the row"
    )


def _several(row_id: str, answers: Iterable[tuple[GivenAnswer, int]]) -> str:
    places = ", ".join(f"{answer.label.strip()!r} ({answer.place})" for answer, _ in answers)
    return f"row {row_id!r} has different labels: {places}; keep one of them"
