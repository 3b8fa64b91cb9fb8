"""What a data set holds, in plain words: rows and classes of each split, what is ignored and why."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

import numpy as np

from labelbench_ray.datasets import SPLITS, Ignored, Source, Split, without_label
from labelbench_ray.tasks import Task

MOST_LINES = 12
MOST_NAMES = 8
"""Kinds of files, or classes, that a line names before it counts the others."""
LONGEST_NAME = 60


def describe_source(source: Source) -> tuple[str, ...]:
    """At most `MOST_LINES` lines; splits come first, then what is ignored, then what may be a mistake."""
    origins = source.findings.origins
    measured = ((name, split) for name, split in source.splits.items() if len(split) or source.task.predicted)
    described = {name: _split(name, split, source.task, source.classes, origins) for name, split in measured}
    lines = [f"{names}: {text}" for names, text in _alike_in_one(described)]
    lines += _ignored(source.findings.ignored)
    lines += [f"these class names look alike: {_listed(map(_exactly, names))}" for names in alike(source.classes)]
    lines += source.findings.notes
    more = len(lines) - MOST_LINES + 1
    return tuple(lines) if more <= 1 else (*lines[: MOST_LINES - 1], f"and {more} more lines like these")


def alike(names: Iterable[str]) -> list[tuple[str, ...]]:
    """The names that differ only by case, spaces or Unicode normalization, in groups."""
    groups: dict[str, list[str]] = {}
    for name in names:
        same = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
        groups.setdefault("".join(same.split()), []).append(name)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def shown(name: str) -> str:
    """A name as it can be printed: what is not printable is escaped, what is long is cut."""
    text = name if name.isprintable() else ascii(name)[1:-1]
    return text if len(text) <= LONGEST_NAME else f"{text[:LONGEST_NAME]}..."


def _alike_in_one(described: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    """Names and descriptions of splits; further evaluation splits with the same description go together."""
    names: dict[tuple[str, str], list[str]] = {}
    for name, text in described.items():
        names.setdefault((name if name in SPLITS else "", text), []).append(name)
    return [(_listed(each, 3), text) for (_, text), each in names.items()]


def _exactly(name: str) -> str:
    """A name in quotes, so that spaces show; escaped where another form of Unicode would look the same."""
    return repr(name) if unicodedata.is_normalized("NFKC", name) and name.isprintable() else ascii(name)


def _split(name: str, split: Split, task: Task, classes: Sequence[str], origins: Mapping[str, str]) -> str:
    origin = f", {origins[name]}" if name in origins else ""
    labels_N = split.labels()
    beside = f"{_groups(split)}{_facts(split)}"
    if labels_N is None:
        return f"{_rows(len(split))}, at most {len(classes):,} classes{origin}{beside}"
    if not task.predicted:
        return f"{_rows(len(split))}{origin}{beside}"
    if not len(labels_N):
        return "none, as rows of the pool have no label: nothing is measured on it"
    unlabeled = int(without_label(labels_N).sum())
    if unlabeled:
        how_many = "none has a label" if unlabeled == len(split) else f"{unlabeled:,} of them have no label"
        return f"{_rows(len(split))}, {how_many}{origin}; {len(classes):,} classes{beside}"
    if described := task.described(labels_N):
        return f"{_rows(len(split))}{origin}; {described}{beside}"
    count_K = task.class_counts(labels_N, len(classes))
    absent = [classes[label] for label in np.flatnonzero(count_K == 0).tolist()]
    present = len(classes) - len(absent)
    some = f"{present:,} of {len(classes):,}" if absent else f"{present:,}"
    largest, smallest = int(count_K.argmax()), int(count_K.argmin())
    sizes = (
        f"{_rows(int(count_K[largest]))} each"
        if count_K[largest] == count_K[smallest]
        else f"largest {shown(classes[largest])} ({count_K[largest]:,}), "
        f"smallest {shown(classes[smallest])} ({count_K[smallest]:,})"
    )
    lacking = f"; no row of {_listed(map(shown, absent), 3)}" if absent else ""
    return f"{_rows(len(split))}, {some} classes{origin}; {sizes}{lacking}{beside}"


def _groups(split: Split) -> str:
    names = split.groups.names if split.groups else ()
    return f"; {len(names):,} group{'' if len(names) == 1 else 's'} ({_listed(map(shown, names), 4)})" if names else ""


def _facts(split: Split) -> str:
    return f"; facts {_listed(split.facts, 8)}" if split.facts else ""


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def _ignored(ignored: Sequence[Ignored]) -> list[str]:
    by_why = sorted(ignored, key=lambda each: each.why)
    return [
        f"ignored ({why}): {_listed(map(_kind, sorted(kinds, key=lambda each: -each.files)))}"
        for why, kinds in groupby(by_why, lambda each: each.why)
    ]


def _kind(kind: Ignored) -> str:
    counted = f" ({kind.files:,} file{'' if kind.files == 1 else 's'})" if kind.files else ""
    return f"{shown(kind.what)}{counted}"


def _listed(names: Iterable[str], most: int = MOST_NAMES) -> str:
    every = list(names)
    more = len(every) - most
    return ", ".join(every[:most]) + (f", and {more:,} more" if more > 0 else "")
