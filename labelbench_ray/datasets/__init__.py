"""Data sets: one file each. A data set opens into splits of rows with a stable `row_id`, a payload and a label.

The `Modality` states what a payload is; only `datasets/` and `encoders/` look into it. A split is a table and the rows
of it that belong to the split, so that halves, samples and shards are index arithmetic and nothing is read before it is
needed. Tables travel to Ray tasks: they hold paths and numbers, not data.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from labelbench_ray import plugins, tasks
from labelbench_ray.datasets._evaluation import (
    LONGEST_SPLIT_NAME,
    SPLIT_NAME,
    SPLITS,
    Groups,
    check_groups,
    check_split_names,
    further_facts,
    ordered,
    split_facts,
    split_title,
)
from labelbench_ray.datasets._findings import NOTHING_FOUND, Findings, Ignored
from labelbench_ray.datasets._modality import Modality, Payload
from labelbench_ray.datasets._prior_shift import PriorShift
from labelbench_ray.errors import DataError
from labelbench_ray.pool.facts import Facts
from labelbench_ray.tasks import Task
from labelbench_ray.tasks.single_label import SINGLE_LABEL
from labelbench_ray.types import Labels

__all__ = [
    "LONGEST_SPLIT_NAME",
    "SPLITS",
    "SPLIT_NAME",
    "Dataset",
    "FileTable",
    "Files",
    "Findings",
    "Groups",
    "Ignored",
    "LabeledTable",
    "LocatedTable",
    "Modality",
    "Payload",
    "Records",
    "Rows",
    "Source",
    "Split",
    "Table",
    "halves",
    "ordered",
    "signature",
    "split_title",
]
PACKAGE = __name__
SPLIT_SEED = 42
UNLABELED = -1
"""In place of a class number for a row of the pool that has no label; NaN is, in place of another number."""

Rows = NDArray[np.int64] | range


@dataclass(frozen=True, slots=True, eq=False)
class Records:
    """Rows as read: stable ids (the source's own key), payloads, labels (B, ...) as their task holds them."""

    row_ids: list[str]
    payloads: Sequence[Payload]
    labels_B: Labels
    groups_B: NDArray[np.int64] | None = None
    facts: Facts = field(default_factory=Facts)
    """Like the group numbers, `Split.read` adds them; a table leaves both out."""


class Table(Protocol):
    """Rows that can be read by number, anywhere. Picklable."""

    def __len__(self) -> int: ...

    def read(self, rows: Rows) -> Records:
        """The rows of these numbers, in this order; `DataError` names the file and what is wrong with it."""
        ...


@runtime_checkable
class LabeledTable(Table, Protocol):
    """A table that knows its labels without reading payloads, so that a plan can count the classes of each split."""

    def labels(self, rows: Rows) -> Labels:
        """(B, ...) labels of these rows, in this order; `UNLABELED` for a row without one."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Files:
    """The files behind a table, as they were found: a change of one shows in its size or in when it was modified."""

    names_F: Any
    """Relative to the data set, so the same wherever it lies; a pyarrow array of large strings."""
    sizes_F: NDArray[np.int64]
    """Bytes."""
    modified_F: NDArray[np.int64]
    """Nanoseconds since 1970, by the clock of the machine that holds them; 0 if unknown."""


@runtime_checkable
class LocatedTable(Table, Protocol):
    """A table whose rows are files of their own, which people can open."""

    def locations(self, rows: Rows) -> list[str]:
        """The path or address of each of these rows' file, in this order."""
        ...


@runtime_checkable
class FileTable(LabeledTable, Protocol):
    """A table that knows the files of its rows, so that only the rows of files that changed are read again.

    The rows of a table of another kind are compared when the signature of its data set differs.
    """

    def found_files(self) -> Files:
        """Its files, as they were when the data set was opened."""
        ...

    def file_numbers(self, rows: Rows) -> NDArray[np.int64]:
        """(B,) the file that each of these rows lies in."""
        ...

    def row_ids(self, rows: Rows) -> Any:  # noqa: ANN401  pyarrow has no types
        """The ids of these rows, in this order, as a pyarrow array of large strings; reads no payload."""
        ...

    def labels_hash(self) -> str:
        """A hash of all labels, and of the ids if the data set states them."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """The rows of a table that belong to one split."""

    table: Table
    rows: Rows
    groups: Groups | None = None
    """The groups of these rows, by which an evaluation split's accuracy is compared; None if it has none."""
    facts: Mapping[str, NDArray[Any]] = field(default_factory=Facts)
    """Facts of the pool's rows: (N,) finite floats, integers or booleans by name; `Dataset.open` checks them."""

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, start: int, stop: int) -> Records:
        """Rows start .. stop-1 of the split."""
        records = self.table.read(self.rows[start:stop])
        if self.groups:
            records = replace(records, groups_B=self.groups.numbers_N[start:stop])
        return replace(records, facts=Facts(self.facts).take(slice(start, stop))) if self.facts else records

    def labels(self) -> Labels | None:
        """(N, ...) labels of the split; None if its table would have to read payloads for them."""
        return self.table.labels(self.rows) if isinstance(self.table, LabeledTable) else None


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """An opened data set: class names, the splits `pool`, `validation` and `test`.

    The held-out splits may be empty where pool rows have no label.

    `signature` hashes names, sizes and counts of what was found; `Dataset.open` adds the classes and the labels.
    Changes that keep all of them are detected by `embeddings.origin`.
    """

    classes: tuple[str, ...]
    splits: dict[str, Split]
    signature: str
    findings: Findings = NOTHING_FOUND
    listing: str | None = None
    """The signature without classes and labels, which older stores state; `Dataset.open` sets it."""
    task: Task = SINGLE_LABEL
    """What a label is; `Dataset.open` states it."""

    def tables(self) -> dict[str, Table]:
        """Every table once, named by the splits that are cut from it."""
        parts: dict[int, list[str]] = {}
        for name, split in self.splits.items():
            parts.setdefault(id(split.table), []).append(name)
        return {" and ".join(names): self.splits[names[0]].table for names in parts.values()}


class Dataset(PriorShift, ABC):
    """A data set; its fields are its settings, `root` (where data lies) is not among them."""

    renamed_methods: ClassVar[Mapping[str, str]] = {"_open": "load"}
    max_rows: PositiveInt | None = None
    """Keep at most this many rows of each split, a sample with a fixed seed."""
    drop_duplicates: bool = Field(default=False, exclude_if=lambda drop: not drop)
    """Remove pool rows that a test or validation row equals. Part of the recipe only when it is on, as the next one."""
    drop_near_duplicates: Annotated[float, Field(gt=0, le=1)] | None = Field(None, exclude_if=lambda cosine: not cosine)
    """Remove pool rows whose embedding has at least this cosine, such as 0.98, with a held-out or an earlier row's."""

    def __str__(self) -> str:
        """As a `Part` is written: its name, and the settings that are not defaults."""
        settings = self.model_dump(mode="json", exclude_defaults=True)
        return str(plugins.Part(name=type(self).__module__.rpartition(".")[2], settings=settings))

    def open(self, root: Path) -> Source:
        """The data below `root`, as `load` describes them, checked and sampled.

        Raises:
            NotProvidedError: there is no such data below `root`.
            DataError: it is not what it states: a missing column, fewer than two classes, an empty split.
        """
        source, task = self.load(root), tasks.create(self.task)
        if len(source.classes) < task.fewest_classes:
            raise DataError(
                f"{self}: {len(source.classes)} classes ({', '.join(source.classes)}); at least {task.fewest_classes} "
                f"are needed: add rows of another class ({source.findings.origins.get('pool', 'the data')})"
            )
        check_split_names(self, source.splits)
        for name, split in source.splits.items():
            check_groups(self, name, split.groups, len(split))
        facts = {name: split_facts(self, name, split.facts, len(split)) for name, split in source.splits.items()}
        splits = {name: self._sample(source.splits[name], facts[name]) for name in ordered(source.splits)}
        for name, split in splits.items():
            if not len(split) and (name == "pool" or (task.predicted and _all_labeled(splits["pool"]))):
                raise DataError(f"{self}: the split {name!r} is empty; every split needs at least one row")
        sampled = tuple(
            f"{name}: a sample of {len(split):,} of {len(source.splits[name]):,} rows (max_rows)"
            for name, split in splits.items()
            if len(split) < len(source.splits[name])
        )
        findings = replace(source.findings, notes=(*source.findings.notes, *sampled))
        labels = [table.labels_hash() for table in source.tables().values() if isinstance(table, FileTable)]
        groups = {name: split.groups for name, split in source.splits.items() if split.groups}
        further = further_facts({name: len(split) for name, split in source.splits.items()}, groups, facts["pool"])
        stated = signature([source.signature, source.classes, *labels, *further])
        return replace(source, splits=splits, signature=stated, listing=source.signature, findings=findings, task=task)

    def modality(self) -> Modality:
        """The kind of payload; an encoder's `payload` must be the same."""
        return Modality.IMAGE

    @abstractmethod
    def load(self, root: Path) -> Source:
        """Find the data below `root` and describe it, reading no payload; `open` calls it, checks and samples.

        Raises:
            NotProvidedError: there is no such data below `root`.
            DataError: it is not what it states.
        """

    def _sample(self, split: Split, facts: Facts) -> Split:
        if self.max_rows is None or len(split) <= self.max_rows:
            return replace(split, facts=facts)
        kept = np.sort(np.random.default_rng(SPLIT_SEED).choice(len(split), self.max_rows, replace=False))
        groups = split.groups.take(kept) if split.groups else None
        return replace(split, rows=np.asarray(split.rows)[kept], groups=groups, facts=facts.sampled(kept))


def _all_labeled(split: Split) -> bool:
    """Whether every row has a label, as far as that is known without reading payloads."""
    labels_N = split.labels()
    return labels_N is None or not without_label(labels_N).any()


def without_label(labels_N: Labels) -> NDArray[np.bool_]:
    """Which rows have no label. Of rows with several labels each, entries may be unknown, and every row has some."""
    if labels_N.dtype.kind == "f":
        return np.asarray(np.isnan(labels_N), np.bool_)
    return labels_N == UNLABELED if labels_N.ndim == 1 else np.zeros(len(labels_N), np.bool_)


def halves(num_rows: int, first: float = 0.5) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """An official test set cut into validation and test, as LabelBench does: RandomState(42).

    The row numbers of each part are ascending, so that they are read in the order in which they are stored.
    """
    order_N = np.random.RandomState(SPLIT_SEED).permutation(num_rows)  # the published splits use it
    cut = int(num_rows * first)
    return np.sort(order_N[:cut]), np.sort(order_N[cut:])


def signature(facts: Iterable[Any]) -> str:
    """A hash of what identifies a source's content: names, sizes, counts."""
    digest = hashlib.sha256()
    for fact in facts:
        digest.update(repr(fact).encode() + b"\0")
    return digest.hexdigest()
