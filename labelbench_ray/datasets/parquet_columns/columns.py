"""Which columns of a table hold what, and how labels are read: one in a column, several in lists, or numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from labelbench_ray.datasets import UNLABELED, Modality
from labelbench_ray.datasets.parquet_columns.labels import LabelEncoding, plain
from labelbench_ray.errors import DataError
from labelbench_ray.types import Labels


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Which columns hold what; without a `row_id` the file's name and the row's number in it identify a row."""

    payload: str
    label: str | None
    """None: there is no such column, and no row has a label."""
    row_id: str | None
    modality: Modality
    unknown: str | None = None
    """Of several labels a row: the column of those of which it is unknown whether they are there."""

    @property
    def labels(self) -> list[str]:
        """The columns that labels are read from."""
        return [name for name in (self.label, self.unknown) if name]

    @property
    def every(self) -> list[str]:
        """All columns that are read, each once."""
        return list(dict.fromkeys(filter(None, (self.payload, *self.labels, self.row_id))))


class RowLabels(Protocol):
    """How labels are read from a table."""

    def encode(self, table: Any, columns: Columns, where: str) -> Labels:  # noqa: ANN401  pyarrow has no types
        """(B, ...) labels of a table's rows; `where` names the file in errors.

        Raises:
            DataError: a column of another type, or a label that is not a class; names the value and the row.
        """
        ...


@dataclass(frozen=True, slots=True)
class OneLabel:
    """One class a row."""

    encoding: LabelEncoding

    def encode(self, table: Any, columns: Columns, where: str) -> Labels:  # noqa: ANN401
        if columns.label is None:
            return np.full(len(table), UNLABELED)
        return self.encoding.encode(table[columns.label], f"{where}, column {columns.label!r}")


@dataclass(frozen=True, slots=True)
class RealAnswers:
    """One number a row; NaN for a row without one."""

    def encode(self, table: Any, columns: Columns, where: str) -> Labels:  # noqa: ANN401
        assert columns.label is not None, "a setting names it"
        column, name = table[columns.label], f"{where}, column {columns.label!r}"
        if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
            raise DataError(f"{name}: holds {column.type}; answers must be floats or integers; convert the column")
        values_B = np.asarray(pc.fill_null(column.cast(pa.float64()), float("nan")).to_numpy(), np.float64)
        if np.isinf(values_B).any():
            row = int(np.flatnonzero(np.isinf(values_B))[0])
            raise DataError(f"{name}, row {row}: {values_B[row]}; an answer must be a finite number, or null for none")
        return values_B


@dataclass(frozen=True, slots=True)
class LabelLists:
    """Lists of classes: those that are there, and those of which that is unknown. A null list: unknown of every class.

    A class in both lists is there, as in VOC, where one object may be difficult and another of its class is not.
    """

    encoding: LabelEncoding

    def encode(self, table: Any, columns: Columns, where: str) -> Labels:  # noqa: ANN401
        label, unknown = columns.label, columns.unknown
        assert label is not None, "a setting names it"
        labels_BK = np.zeros((len(table), len(self.encoding.classes)), np.int8)
        if unknown is not None:
            labels_BK[self._entries(table[unknown], f"{where}, column {unknown!r}")] = -1
        labels_BK[self._entries(table[label], f"{where}, column {label!r}")] = 1
        labels_BK[np.asarray(pc.is_null(table[label]).to_numpy(), bool)] = -1
        return labels_BK

    def _entries(self, column: Any, where: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:  # noqa: ANN401
        """The row and the class of each entry of the lists."""
        rows_E, labels = _flat(column, where)
        numbers = self.encoding.numbers(labels, where) if len(labels) else pa.array([], pa.int64())
        if numbers.null_count:
            place = pc.index(numbers.is_null(), True).as_py()
            raise self.encoding.unknown(labels[place].as_py(), f"{where}, row {rows_E[place]}")
        return rows_E, np.asarray(numbers.to_numpy(), np.int64)


def list_entries(columns: Sequence[Any], where: str) -> Any:  # noqa: ANN401
    """Every entry of columns of lists, as one plain column of labels.

    Raises:
        DataError: a column does not hold lists, or one has names and another one numbers.
    """
    every = [labels for column in columns for _, labels in [_flat(column, where)]]
    labels = [each for each in every if len(each)] or every[:1]
    if len({each.type for each in labels}) > 1:
        raise DataError(f"{where}: its lists hold {labels[0].type}, those of unknown classes {labels[1].type}; use one")
    return pa.concat_arrays(labels)


def _flat(column: Any, where: str) -> tuple[NDArray[np.int64], Any]:  # noqa: ANN401
    kind = column.type
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)):
        raise DataError(
            f"{where}: holds {kind}; lists of class names or numbers are needed, one list a row; convert the column, "
            "or name it as `label` if each row has one class"
        )
    lists = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], kind)
    rows_E = np.asarray(pc.list_parent_indices(lists).to_numpy(), np.int64)
    labels = pc.list_flatten(lists)
    if labels.null_count:
        row = rows_E[pc.index(labels.is_null(), True).as_py()]
        raise DataError(f"{where}, row {row}: the list holds null; name its class, or leave the entry out")
    if pa.types.is_null(labels.type):  # no list has an entry
        labels = labels.cast(pa.string())
    return rows_E, plain(labels, where)
