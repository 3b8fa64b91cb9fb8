"""Another data set with rare classes: fewer rows of some classes in the pool, and classes merged into one."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, model_validator

from labelbench_ray.datasets import (
    SPLIT_SEED,
    LabeledTable,
    Records,
    Rows,
    Source,
    Split,
    Table,
    signature,
    without_label,
)
from labelbench_ray.datasets._wrapped import Wrapped
from labelbench_ray.errors import DataError
from labelbench_ray.pool.facts import Facts
from labelbench_ray.types import Labels

OTHERS: Final = "others"


class Imbalanced(Wrapped):
    """Thins out classes of the pool, then merges classes; the other splits keep all rows, with the merged labels.

    With a `ratio` alone the pool gets an exponential long tail: class c of C keeps n · ratio ** (-c / (C - 1)) rows,
    where n is the number of rows of its largest class. With `minority` the classes of these numbers keep n / ratio rows
    and the others all (a step). At least one row is kept, and never more than there are. `classes` merges class
    classes - 1 and all after it into one, as LabelBench's data sets `_imb_2`, `_imb_3`, .. do. Without any of them the
    data set is as it is. Its own `max_rows` counts before that, `max_rows` here after it.
    """

    ratio: Annotated[float, Field(ge=1)] = 1.0
    """Rows of the largest class for each row of the smallest."""
    minority: tuple[NonNegativeInt, ...] = ()
    """The rare classes of a step, by number in the data set."""
    classes: Annotated[int, Field(ge=2)] | None = None
    """The number of classes once the last ones are merged."""

    def load(self, root: Path) -> Source:
        source = self.inner.open(root)
        self._check(source)
        pool, counts_C = self._thinned(source)
        splits = source.splits | {"pool": pool}
        names = source.classes
        if self.classes is not None and self.classes < len(names):
            tables = {id(table): MergedTable(table, self.classes - 1) for table in source.tables().values()}
            splits = {name: replace(split, table=tables[id(split.table)]) for name, split in splits.items()}
            names = (*names[: self.classes - 1], _apart(OTHERS, names[: self.classes - 1]))
            counts_C = np.append(counts_C[: self.classes - 1], counts_C[self.classes - 1 :].sum())
        note = (
            f"pool: {len(pool):,} of {len(source.splits['pool']):,} rows, {counts_C.min():,} to {counts_C.max():,} of "
            f"each of {len(names)} classes (imbalanced)"
        )
        return Source(
            names,
            splits,
            signature(["imbalanced", source.signature, self.ratio, self.minority, self.classes]),
            replace(source.findings, notes=(*source.findings.notes, note)),
        )

    @model_validator(mode="after")
    def _refuse_what_has_no_classes(self) -> Self:
        if (task := self.task) != "single_label":
            raise ValueError(
                f"dataset: {self.dataset} has the task {task!r}; classes are thinned out where rows have one label "
                "each, 'single_label'"
            )
        return self

    def _check(self, source: Source) -> None:
        found, labels_N = len(source.classes), source.splits["pool"].labels()
        beyond = [label for label in self.minority if label >= found]
        if beyond:
            raise DataError(f"{self}: minority: {beyond[0]} is not a class; there are {found}, numbered from 0")
        if self.classes is not None and self.classes > found:
            raise DataError(f"{self}: classes: {self.classes} is more than the {found} that {self.dataset} has")
        if labels_N is None or without_label(labels_N).any():
            raise DataError(
                f"{self}: classes can be thinned out only where every row's label is known before rows are read; give "
                f"every row of {self.dataset} a label"
            )

    def _thinned(self, source: Source) -> tuple[Split, NDArray[np.int64]]:
        """The pool with the rows that are kept, and their number by class."""
        pool = source.splits["pool"]
        labels_N = pool.labels()
        assert labels_N is not None
        wanted_C = kept_rows(np.bincount(labels_N, minlength=len(source.classes)), self.ratio, self.minority)
        kept_N = np.sort(np.concatenate([_first(labels_N, label, count) for label, count in enumerate(wanted_C)]))
        facts = Facts(pool.facts).take(kept_N)
        return replace(pool, rows=np.asarray(pool.rows)[kept_N], facts=facts), wanted_C


def kept_rows(counts_C: NDArray[np.int64], ratio: float, minority: tuple[int, ...]) -> NDArray[np.int64]:
    """(C,) how many rows of each class are kept, given how many there are."""
    most, classes = counts_C.max(), len(counts_C)
    if minority:
        wanted_C = np.full(classes, float(most))
        wanted_C[list(minority)] = most / ratio
    else:
        wanted_C = most * ratio ** (-np.arange(classes) / (classes - 1))
    kept_C: NDArray[np.int64] = np.minimum(np.maximum(np.rint(wanted_C), 1), counts_C).astype(np.int64)
    return kept_C


@dataclass(frozen=True, slots=True, eq=False)
class MergedTable:
    """A table whose classes from `last` on are one."""

    table: Table
    last: int

    def __len__(self) -> int:
        return len(self.table)

    def read(self, rows: Rows) -> Records:
        records = self.table.read(rows)
        return replace(records, labels_B=np.minimum(records.labels_B, self.last))

    def labels(self, rows: Rows) -> Labels:
        """(B,) merged labels of these rows."""
        assert isinstance(self.table, LabeledTable), self.table
        merged_B: NDArray[Any] = np.minimum(self.table.labels(rows), self.last)
        return merged_B


def _first(labels_N: Labels, label: int, count: int) -> NDArray[np.int64]:
    """Places of a class's first rows in a fixed random order: those of a larger ratio are among those of a smaller."""
    places_N = np.flatnonzero(labels_N == label)
    first_C: NDArray[np.int64] = np.random.default_rng([SPLIT_SEED, label]).permutation(places_N)[:count]
    return first_C


def _apart(name: str, names: tuple[str, ...]) -> str:
    """The name, longer where there is one like it."""
    return name if name not in names else _apart(f"all {name}", names)
