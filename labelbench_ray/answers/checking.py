"""Which answers of a file a campaign can use: those to rows that it asked for, with its classes."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Final
from unicodedata import category, normalize

from labelbench_ray.answers.events import Answer
from labelbench_ray.answers.formats.stated import (
    NONE_OF_THESE,
    Found,
    Read,
    Rejected,
    RowError,
    answer_id_of,
    in_words,
    one_of_each,
)
from labelbench_ray.answers.names import Names
from labelbench_ray.errors import unknown

ONE: Final = range(1, 2)
OTHER_MARKS: Final = (";", "|")
"""What people write between classes instead of a comma."""
NUMERIC: Final = frozenset("0123456789.,-/: ")
SPREADSHEET: Final = "a spreadsheet turns lists into numbers, dates and errors unless the column is text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a campaign accepts."""

    asked: Names[str]
    """By the id of each row of the pool, the first batch that asked for it; "" for a row that none asked for."""
    batches: Mapping[str, Collection[str]]
    """The rows of each batch by its id."""
    classes: Names[int] | None
    """The number of each class by its name; None while classes are learned from answers."""
    labels: range = field(default=ONE)
    """How many labels an answer may have: one by default; from 0 where a row may be of none of the classes."""
    accepts_extra: bool = False
    """Accept answers to rows that no batch asked for."""


def checked(read: Read, rules: Rules) -> Read:
    """The usable answers, with row ids and classes as the pool writes them, and the batch that asked.

    An answer that is identified by what its row states is identified by these: other spaces, another form of Unicode
    and a column for the batch do not make it a second answer.
    """
    usable: list[Found] = []
    rejected = [*read.rejected]
    for each in read.found:
        try:
            usable.append(Found(each.row, _usable(each.answer, rules)))
        except RowError as error:
            rejected.append(
                Rejected(read.source.name, each.row, error.row_id, error.value, error.rule, error.fix),
            )
    found, ambiguous = one_of_each(read.source, usable)
    named = (replace(each, row_id=rules.asked.name(each.row_id) or each.row_id) for each in [*rejected, *ambiguous])
    unanswered = (
        replace(each, row_id=row_id, batch=_batch(row_id, each.batch, rules))
        for each in read.unanswered
        if (row_id := rules.asked.name(each.row_id)) is not None and (not each.batch or each.batch in rules.batches)
    )
    return replace(
        read, found=tuple(found), rejected=tuple(sorted(named, key=lambda each: each.row)), unanswered=tuple(unanswered)
    )


def _usable(answer: Answer, rules: Rules) -> Answer:
    if answer.batch and answer.batch not in rules.batches:
        rule = f"batch {answer.batch!r} is not one of this campaign"
        raise RowError(answer.row_id, in_words(answer), rule, "ingest the file into the campaign that asked for it")
    row_id = rules.asked.name(answer.row_id)
    if row_id is None:
        likely = rules.asked.likely(answer.row_id)
        meant = f"; {likely!r} is: a spreadsheet drops zeros unless ids are imported as text" if likely else ""
        rule = f"the row is not in the pool{meant}"
        raise RowError(answer.row_id, in_words(answer), rule, "correct the row_id, or remove the row")
    batch = _batch(row_id, answer.batch, rules)
    if not (batch or rules.accepts_extra):
        fix = "label rows of a batch, or accept it with --accept-extra"
        raise RowError(row_id, in_words(answer), "no batch asked for the row", fix)
    labels = None if answer.labels is None else _labels(answer, rules)
    is_by_row = answer.answer_id == answer_id_of(answer.row_id, answer.annotator, answer.batch)
    answer_id = answer_id_of(row_id, answer.annotator, batch) if is_by_row else answer.answer_id
    return replace(answer, row_id=row_id, batch=batch, labels=labels, answer_id=answer_id)


def _batch(row_id: str, stated: str, rules: Rules) -> str:
    """The batch that asked for the row: the stated one if it did, or the first one; "" for none."""
    return stated if row_id in rules.batches.get(stated, ()) else rules.asked.exact[row_id]


def _labels(answer: Answer, rules: Rules) -> tuple[str, ...]:
    labels = answer.labels or ()
    if 0 in rules.labels and NONE_OF_THESE in (label.strip().lower() for label in labels):
        if len(labels) == 1:
            return ()  # chosen in a tool, where a page offers it beside the classes
        fix = f"choose either the classes or {NONE_OF_THESE!r}"
        raise RowError(answer.row_id, in_words(answer), f"{NONE_OF_THESE!r} stands beside a class", fix)
    if len(labels) not in rules.labels:
        rule = f"a row has {_counted(rules.labels)}"
        raise RowError(answer.row_id, in_words(answer), rule, "correct the label")
    if rules.classes is None:
        return tuple(dict.fromkeys(_new_class(answer, label, rules) for label in labels))
    return tuple(dict.fromkeys(_class(answer, label, rules.classes, rules.labels) for label in labels))


def _class(answer: Answer, label: str, classes: Names[int], counts: range) -> str:
    name = classes.name(label)
    if name is None:
        fix = "correct the label"
        if counts.stop > ONE.stop and any(mark in label for mark in OTHER_MARKS):
            fix = "write commas between the classes of a row"
        elif label[:1] == "#" or NUMERIC.issuperset(label):
            fix = f"correct the label; {SPREADSHEET}"
        raise RowError(answer.row_id, label, unknown("class", label, classes.exact), fix)
    return name


def _new_class(answer: Answer, label: str, rules: Rules) -> str:
    """The name in one form of Unicode, so that both forms of it are one class."""
    if any(category(letter) == "Cc" for letter in label):
        rule = "the name of a class must not have line ends, tabs or other control characters"
        raise RowError(answer.row_id, label, rule, "correct the label; a quote that is not closed takes rows into it")
    if rules.labels.stop > ONE.stop and any(mark in label for mark in OTHER_MARKS):
        rule = f"the name of a class must not have {' or '.join(map(repr, OTHER_MARKS))} where answers name the classes"
        fix = "write commas between the classes of a row, or begin a campaign that declares such a class"
        raise RowError(answer.row_id, label, rule, fix)
    return normalize("NFC", label.strip())


def _counted(numbers: range) -> str:
    least, most = numbers.start, numbers.stop - 1
    if (least, most) == (1, 1):
        return "exactly one label"
    return "at most one label" if (least, most) == (0, 1) else f"at least {least} labels"
