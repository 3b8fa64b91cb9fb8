"""Which answers of a file a campaign can use: those to rows that it asked for, with its classes."""

from dataclasses import dataclass, field, replace

from labelbench_ray.answers.events import Answer
from labelbench_ray.answers.formats.stated import Found, Read, Rejected, RowError, in_words
from labelbench_ray.answers.names import Names
from labelbench_ray.errors import unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a campaign accepts."""

    asked: Names[str]
    """By the id of each row of the pool, the first batch that asked for it; "" for a row that none asked for."""
    batches: frozenset[str]
    """The ids of all batches."""
    classes: Names[int] | None
    """The number of each class by its name; None while classes are learned from answers."""
    labels: range = field(default=range(1, 2))
    """How many labels an answer may have: one by default; from 0 where a row may be of none of the classes."""
    accepts_extra: bool = False
    """Accept answers to rows that no batch asked for."""


def checked(read: Read, rules: Rules) -> Read:
    """The usable answers, with row ids and classes as the pool writes them, and the batch that asked."""
    found: list[Found] = []
    rejected = list(read.rejected)
    for each in read.found:
        try:
            found.append(Found(each.row, _usable(each.answer, rules)))
        except RowError as error:
            rejected.append(
                Rejected(read.source.name, each.row, error.row_id, error.value, error.rule, error.fix),
            )
    return replace(read, found=tuple(found), rejected=tuple(sorted(rejected, key=lambda each: each.row)))


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
    batch = answer.batch or rules.asked.exact[row_id]
    if not (batch or rules.accepts_extra):
        fix = "label rows of a batch, or accept it with --accept-extra"
        raise RowError(answer.row_id, in_words(answer), "no batch asked for the row", fix)
    labels = None if answer.labels is None else _labels(answer, rules)
    return replace(answer, row_id=row_id, batch=batch, labels=labels)


def _labels(answer: Answer, rules: Rules) -> tuple[str, ...]:
    labels = answer.labels or ()
    if len(labels) not in rules.labels:
        rule = f"a row has {_counted(rules.labels)}"
        raise RowError(answer.row_id, in_words(answer), rule, "correct the label")
    if rules.classes is None:
        return labels
    return tuple(_class(answer, label, rules.classes) for label in labels)


def _class(answer: Answer, label: str, classes: Names[int]) -> str:
    name = classes.name(label)
    if name is None:
        raise RowError(answer.row_id, label, unknown("class", label, classes.exact), "correct the label")
    return name


def _counted(numbers: range) -> str:
    least, most = numbers.start, numbers.stop - 1
    if (least, most) == (1, 1):
        return "exactly one label"
    return "at most one label" if (least, most) == (0, 1) else f"at least {least} labels"
