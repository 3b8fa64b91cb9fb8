"""Tables of numbers and categories in CSV, JSON lines, parquet and Arrow files: a row is embedded by its columns."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
from pydantic import Field, model_validator

from labelbench_ray.datasets import Dataset, Findings, Modality, Records, Rows, Source, signature
from labelbench_ray.datasets._findings import ignored, stated
from labelbench_ray.datasets._held_out import split_off
from labelbench_ray.datasets._splits import check_labeled
from labelbench_ray.datasets.parquet_columns.columns import Columns, OneLabel, RowLabels
from labelbench_ray.datasets.parquet_columns.labels import label_encoding
from labelbench_ray.datasets.parquet_columns.parquet_files import ParquetTable, check_column, make_table
from labelbench_ray.datasets.row_files.answers import WrittenAnswers
from labelbench_ray.datasets.row_files.found import FoundTables, find_tables, row_key
from labelbench_ray.datasets.table_columns import payloads
from labelbench_ray.datasets.table_columns.roles import (
    ColumnRoles,
    Stated,
    categories_of,
    find_roles,
    label_name,
    numbers_of,
)


class Tabular(Dataset):
    """Rows of columns, for the encoder `columns`. Files and splits are found as `tables` finds them.

    A column whose values are all numbers is numeric, any other one is categorical; ids, free text, and columns with one
    value are left out. The plan states the role of each column, and settings change it.
    """

    path: str = Field(min_length=1)
    """A file or a folder below the data root, or a URI."""
    label: str | None = None
    """The column of labels; None: the only one called label, labels, target, class or y."""
    label_value: str | None = None
    """The column of numbers to predict (the task `regression`)."""
    row_id: str | None = None
    """The column of unique ids; None: `row_id`, `id` or `path` if there is one, else rows are numbered."""
    classes: tuple[str, ...] | None = None
    """Class names in order; None: the distinct labels of train, sorted."""
    numeric: tuple[str, ...] = ()
    """Columns that are numbers, whatever their values look like."""
    categorical: tuple[str, ...] = ()
    """Columns that are categories, such as codes that are written as numbers."""
    ignore: tuple[str, ...] = ()
    """Columns that are left out, such as one that gives the label away."""
    train: str | None = None
    """A file, a folder or a pattern; None: what is called so. As the next two."""
    validation: str | None = None
    test: str | None = None

    @property
    def task(self) -> str:
        return "regression" if self.label_value else "single_label"

    def modality(self) -> Modality:
        return Modality.TABLE

    @model_validator(mode="after")
    def _check_labels(self) -> Self:
        if self.label_value and (self.label or self.classes):
            raise ValueError(
                f"label_value={self.label_value!r} is a column of numbers; leave out `label` and `classes`"
            )
        return self

    def load(self, root: Path) -> Source:
        named = {part: name for part in ("train", "validation", "test") if (name := getattr(self, part)) is not None}
        found = find_tables(root, self.path, None, named)
        train = found.files["train"]
        where = str(train.places[0])
        label = label_name(where, train.schema.names, self.label_value or self.label)
        keys = {part: row_key(files, self.row_id) for part, files in found.files.items()}
        reserved = {label, *(key for key, _ in keys.values() if key)}
        features = {name: train.column(name) for name in train.schema.names if name not in reserved}
        roles = find_roles(where, features, Stated(self.numeric, self.categorical, self.ignore))
        for files in found.files.values():
            for name in (*roles.every, label):
                check_column(files, name)
        classes, row_labels = self._row_labels(found, label)
        tables = {
            part: _tabular(make_table(files, _columns(roles, label, keys[part][0]), row_labels), roles)
            for part, files in found.files.items()
        }
        for part, table in tables.items():
            if part != "train":
                check_labeled(table, f"rows of the split {part!r}")
        splits, origins = split_off(
            tables, {part: found.origin(part) for part in tables}, "" if keys["train"][0] else found.only_file
        )
        facts = ((part, *found.facts(part)) for part in found.files)
        notes = stated({part: (note,) for part, (_, note) in keys.items()})
        return Source(
            classes=classes,
            splits=splits,
            signature=signature([*found.revision, *classes, *roles.numeric, "categorical", *roles.categorical, *facts]),
            findings=Findings(
                origins=origins, ignored=ignored(found.ignored_but([])), notes=(*found.notes, *notes, *roles.notes)
            ),
        )

    def _row_labels(self, found: FoundTables, label: str) -> tuple[tuple[str, ...], RowLabels]:
        """The names of the classes, and how labels are read."""
        if self.label_value:
            return (self.label_value,), WrittenAnswers()
        train = found.files["train"]
        classes = self.classes or found.features.classes.get(label)
        encoding = label_encoding(train.column(label), f"{train.places[0]}, column {label!r}", classes)
        return encoding.classes, OneLabel(encoding)


@dataclass(frozen=True, slots=True, eq=False)
class TabularTable(ParquetTable):
    """Rows of files; a payload is a JSON object of a row's columns (a `table_columns.ColumnTable`)."""

    roles: ColumnRoles

    def read(self, rows: Rows) -> Records:
        rows_B, columns = np.asarray(rows, dtype=np.int64), self.columns
        key = [columns.row_id] if columns.row_id else []
        table = self.files.rows(rows_B, [*dict.fromkeys([*self.roles.every, *columns.labels, *key])])
        labels_B = self.row_labels.encode(table, columns, str(self.files.places[0]))
        return Records(self._ids(table, rows_B), payloads(typed(table, self.roles)), labels_B)

    def column_values(self, rows: Rows) -> Any:  # noqa: ANN401  pyarrow has no types
        rows_B = np.asarray(rows, dtype=np.int64)
        return typed(self.files.rows(rows_B, self.roles.every), self.roles, str(self.files.places[0]))


def typed(table: Any, roles: ColumnRoles, where: str = "") -> Any:  # noqa: ANN401
    """The columns that are embedded, as float64 and large strings; `DataError` as from `numbers_of`."""
    numeric = {name: numbers_of(table[name], f"{where}, column {name!r}") for name in roles.numeric}
    return pa.table(numeric | {name: categories_of(table[name]) for name in roles.categorical})


def _columns(roles: ColumnRoles, label: str, key: str | None) -> Columns:
    """The columns as the tables of files take them; there, the first embedded one stands for all."""
    return Columns(roles.every[0], label, key, Modality.TABLE)


def _tabular(made: ParquetTable, roles: ColumnRoles) -> TabularTable:
    """A table of files as one of columns, all numbers of which are checked now."""
    table = TabularTable(made.files, made.columns, made.row_labels, made.keys_hash, made.states, roles)
    table.column_values(range(len(table)))
    return table
