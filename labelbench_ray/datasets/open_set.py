"""Another data set with rows in its pool that are of none of its classes, as pools from the wild have them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt, model_validator

from labelbench_ray import plugins
from labelbench_ray.datasets import (
    PACKAGE,
    SPLIT_SEED,
    Dataset,
    LabeledTable,
    Payload,
    Records,
    Rows,
    Source,
    Split,
    Table,
    signature,
    without_label,
)
from labelbench_ray.datasets._wrapped import Wrapped
from labelbench_ray.errors import DataError, unknown
from labelbench_ray.plugins import Part
from labelbench_ray.pool.facts import DUPLICATE_OF, Facts
from labelbench_ray.tasks.open_set import NAME, NONE_OF_THESE
from labelbench_ray.types import Labels

MARK: Final = "out of scope: "
"""Before the row ids of another data set, which may be the same as ids of this one."""


class OpenSet(Wrapped):
    """A share of the pool is out of scope: rows of classes that are held out, or of another data set.

    The answer for such a row is "none of these": it is paid for, and no model learns from it (task `open_set`).
    Validation and test rows are all of the classes that remain. The wrapped data sets' own `max_rows` count before
    that, `max_rows` here after it.
    """

    out_of_scope_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """The share of the pool, with these rows in it, that is out of scope."""
    held_out: tuple[str, ...] | PositiveInt = ()
    """The classes whose rows are out of scope, by name, or how many of the last ones."""
    others: Part | None = None
    """A data set whose pool rows are out of scope, in place of `held_out`."""

    @property
    def task(self) -> str:
        return "open_set"

    def inner_plugins(self) -> dict[str, plugins.Plugin]:
        return super().inner_plugins() | ({"others": self._others} if self.others else {})

    @model_validator(mode="after")
    def _check_parts(self) -> Self:
        if bool(self.held_out) == (self.others is not None):
            raise ValueError(
                "held_out, others: give one of them: classes of the data set that are held out, or another data set"
            )
        inner = self.inner
        if inner.task != "single_label":
            raise ValueError(
                f"dataset: {self.dataset} has the task {inner.task!r}; rows are out of scope where the others have one "
                "label each, 'single_label'"
            )
        if self.others and (other := self._others.modality()) != inner.modality():
            raise ValueError(
                f"others: {self.others} holds {other}s and {self.dataset} {inner.modality()}s; use a data set of "
                f"{inner.modality()}s"
            )
        return self

    def load(self, root: Path) -> Source:
        source = self.inner.open(root)
        for name, split in source.splits.items():
            self._check_labels(name, split)
        dropped = self._held_out(source.classes)
        classes = tuple(name for name in source.classes if name not in dropped)
        if len(classes) < 2:
            raise DataError(
                f"open_set({self.dataset}): held_out: {len(classes)} classes remain, and 2 are needed; hold out fewer"
            )
        if NAME in classes:
            raise DataError(
                f"open_set({self.dataset}): a class is called {NAME!r}, which is the answer for rows that are out of "
                "scope; rename the class"
            )
        relabeled = _relabeled(source, classes)
        splits = {name: _where(split, _labels(split) != NONE_OF_THESE) for name, split in relabeled.items()}
        other = self._others.open(root) if self.others else None
        candidates = _marked(other.splits["pool"]) if other else relabeled["pool"]
        outside = self._sampled(candidates, len(splits["pool"]))
        pool = _joined(splits["pool"], outside)
        where = f"the pool of {self.others}" if other else f"the held-out classes {', '.join(dropped)}"
        note = f"pool: {len(outside):,} of {len(pool):,} rows are of none of the classes, from {where} (open_set)"
        described = [self.out_of_scope_fraction, dropped, other.signature if other else ""]
        return Source(
            classes,
            splits | {"pool": pool},
            signature(["open_set", source.signature, *described]),
            replace(source.findings, notes=(*source.findings.notes, note)),
        )

    @property
    def _others(self) -> Dataset:
        assert self.others is not None
        return plugins.build(Dataset, PACKAGE, self.others)

    def _check_labels(self, name: str, split: Split) -> None:
        labels_N = split.labels()
        if labels_N is None or without_label(labels_N).any():
            raise DataError(
                f"open_set({self.dataset}): rows of {name} are separated by their labels, which must be known "
                "before rows are read; give every row a label"
            )

    def _held_out(self, classes: Sequence[str]) -> tuple[str, ...]:
        if isinstance(self.held_out, int):
            return tuple(classes[-self.held_out :]) if self.held_out < len(classes) else tuple(classes)
        for name in self.held_out:
            if name not in classes:
                raise DataError(f"open_set({self.dataset}): held_out: {unknown('class', name, classes)}")
        return self.held_out

    def _sampled(self, candidates: Split, inside: int) -> Split:
        """As many of the rows that are out of scope as the fraction asks for; fewer are among those of more."""
        places_N = np.flatnonzero(_labels(candidates) == NONE_OF_THESE)
        wanted = round(inside * self.out_of_scope_fraction / (1 - self.out_of_scope_fraction))
        if wanted > len(places_N):
            most = len(places_N) / (len(places_N) + inside)
            raise DataError(
                f"open_set({self.dataset}): out_of_scope_fraction: {wanted:,} rows are needed beside {inside:,} of the "
                f"classes, and there are {len(places_N):,}; lower it to {most:.3f} at most, or take rows from elsewhere"
            )
        return _at(candidates, np.sort(np.random.default_rng(SPLIT_SEED).permutation(places_N)[:wanted]))


@dataclass(frozen=True, slots=True, eq=False)
class RelabeledTable:
    """A table with other class numbers."""

    table: Table
    new_C: NDArray[np.int64]
    """The new number of each class."""

    def __len__(self) -> int:
        return len(self.table)

    def read(self, rows: Rows) -> Records:
        records = self.table.read(rows)
        return replace(records, labels_B=self.new_C[records.labels_B])

    def labels(self, rows: Rows) -> Labels:
        """(B,) new labels of these rows."""
        assert isinstance(self.table, LabeledTable), self.table
        new_B: Labels = self.new_C[self.table.labels(rows)]
        return new_B


@dataclass(frozen=True, slots=True, eq=False)
class OutsideTable:
    """A table whose rows are of none of the classes, with ids that no row of another data set has."""

    table: Table

    def __len__(self) -> int:
        return len(self.table)

    def read(self, rows: Rows) -> Records:
        records = self.table.read(rows)
        return Records([MARK + row_id for row_id in records.row_ids], records.payloads, self.labels(rows))

    def labels(self, rows: Rows) -> Labels:
        """(B,) `NONE_OF_THESE`."""
        return np.full(len(rows), NONE_OF_THESE)


@dataclass(frozen=True, slots=True, eq=False)
class JoinedTable:
    """Two tables as one: the rows of the second are numbered after those of the first."""

    first: LabeledTable
    second: LabeledTable

    def __len__(self) -> int:
        return len(self.first) + len(self.second)

    def read(self, rows: Rows) -> Records:
        row_ids, payloads = [""] * len(rows), list[Payload](b"" for _ in rows)
        for table, places_B, numbers_B in self._parts(rows):
            records = table.read(numbers_B)
            for place, row_id, payload in zip(places_B.tolist(), records.row_ids, records.payloads, strict=True):
                row_ids[place], payloads[place] = row_id, payload
        return Records(row_ids, payloads, self.labels(rows))

    def labels(self, rows: Rows) -> Labels:
        """(B,) labels of these rows."""
        labels_B = np.empty(len(rows), np.int64)
        for table, places_B, numbers_B in self._parts(rows):
            labels_B[places_B] = table.labels(numbers_B)
        return labels_B

    def _parts(self, rows: Rows) -> list[tuple[LabeledTable, NDArray[np.int64], NDArray[np.int64]]]:
        """Each table that has some of the rows, with their places among them and their numbers in it."""
        numbers_B, cut = np.asarray(rows, np.int64), len(self.first)
        parts = ((self.first, numbers_B < cut, 0), (self.second, numbers_B >= cut, cut))
        return [
            (table, np.flatnonzero(mine_B), numbers_B[mine_B] - start) for table, mine_B, start in parts if mine_B.any()
        ]


def _relabeled(source: Source, classes: Sequence[str]) -> dict[str, Split]:
    """The splits with the classes that remain numbered anew, and rows of other classes in none of them."""
    new_C = np.array([classes.index(name) if name in classes else NONE_OF_THESE for name in source.classes])
    tables = {id(table): RelabeledTable(table, new_C) for table in source.tables().values()}
    return {name: replace(split, table=tables[id(split.table)]) for name, split in source.splits.items()}


def _marked(split: Split) -> Split:
    return Split(OutsideTable(split.table), split.rows, facts=split.facts)


def _labels(split: Split) -> Labels:
    labels_N = split.labels()
    assert labels_N is not None
    return labels_N


def _where(split: Split, kept_N: NDArray[np.bool_]) -> Split:
    return split if kept_N.all() else _at(split, np.flatnonzero(kept_N))


def _at(split: Split, places_M: NDArray[np.int64]) -> Split:
    """The rows at these places."""
    groups = split.groups.take(places_M) if split.groups else None
    facts = Facts(split.facts).take(places_M)
    return replace(split, rows=np.asarray(split.rows)[places_M], groups=groups, facts=facts)


def _joined(inside: Split, outside: Split) -> Split:
    """The pool, in scope and out of it, with the facts that both have."""
    assert isinstance(inside.table, LabeledTable)
    assert isinstance(outside.table, LabeledTable)
    facts = {
        name: np.concatenate([inside.facts[name], outside.facts[name]])
        for name in sorted(set(inside.facts) & set(outside.facts) - {DUPLICATE_OF})
    }
    rows = [np.asarray(inside.rows), len(inside.table) + np.asarray(outside.rows)]
    return Split(JoinedTable(inside.table, outside.table), np.concatenate(rows), facts=Facts(facts))
