"""Labels as they stand in a file, int or string, and the class numbers 0 .. K-1 that they mean."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from labelbench_ray.errors import DataError


@dataclass(frozen=True, slots=True)
class Coding:
    """The class names in order, and the value that stands for each in the files."""

    classes: tuple[str, ...]
    values: tuple[int, ...] | tuple[str, ...]

    def encode(self, column: Any, where: str) -> NDArray[np.int64]:  # noqa: ANN401  pyarrow has no types
        """(B,) class numbers of a label column; `where` names it in errors.

        Raises:
            DataError: a null, or a label that is no class; names the value and the row.
        """
        column = plain(column, where)
        kind = pa.int64() if pa.types.is_integer(column.type) else pa.string()
        wanted = pa.int64() if self.values and isinstance(self.values[0], int) else pa.string()
        if kind != wanted:
            raise DataError(
                f"{where}: labels are {column.type}, but the classes are told apart by {wanted}; "
                "use one type of label in all files"
            )
        numbers = pc.index_in(column.cast(kind), value_set=pa.array(self.values, kind))
        if numbers.null_count:
            row = pc.index(numbers.is_null(), True).as_py()
            raise DataError(
                f"{where}, row {row}: {column[row].as_py()!r} is no class "
                f"(classes: {_some(self.values)}); mend the label or the list of classes"
            )
        return np.asarray(numbers.to_numpy(), dtype=np.int64)


def plain(column: Any, where: str) -> Any:  # noqa: ANN401
    """The column with dictionary encoding undone, checked to be int or string without nulls."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    if not (pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise DataError(f"{where}: labels are {kind}; labels must be int or string")
    if column.null_count:
        row = pc.index(column.is_null(), True).as_py()
        raise DataError(f"{where}, row {row}: the label is null; every row needs a label (the oracle's answer)")
    return column


def coding(column: Any, where: str, classes: Sequence[str] | None) -> Coding:  # noqa: ANN401
    """The classes of a data set from its training labels, unless they are given.

    Given classes are what string labels must be, or what int labels count from 0. Otherwise the distinct labels are
    the classes, sorted.
    """
    column = plain(column, where)
    integers = pa.types.is_integer(column.type)
    if classes is not None:
        return Coding(tuple(classes), tuple(range(len(classes))) if integers else tuple(classes))
    values = tuple(sorted(pc.unique(column).to_pylist()))
    return Coding(tuple(str(value) for value in values), values)


def named_coding(labels: Any, names: Any, where: str) -> Coding:  # noqa: ANN401
    """The classes of int labels whose names stand in a second column.

    Raises:
        DataError: a label with two names, or a name with two labels.
    """
    labels, names = plain(labels, where), plain(names, where)
    pairs = pa.table({"label": labels, "name": names.cast(pa.string())}).group_by(["label", "name"]).aggregate([])
    pairs = pairs.sort_by("label")
    values, words = pairs["label"].to_pylist(), pairs["name"].to_pylist()
    for these, those in ((values, words), (words, values)):
        for position, value in enumerate(these):
            first = these.index(value)
            if first != position:
                raise DataError(
                    f"{where}: {value!r} goes with both {those[first]!r} and {those[position]!r}; "
                    "labels and class names must be paired one to one"
                )
    return Coding(tuple(words), tuple(values))


def _some(values: Sequence[int | str], most: int = 10) -> str:
    shown = ", ".join(repr(value) for value in values[:most])
    return f"{shown}, ... {len(values)} in all" if len(values) > most else shown
