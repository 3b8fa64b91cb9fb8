"""Labels in files, int or string, and their class numbers 0 .. K-1.

A null means that a row has no label; so does -1, unless it is one of the classes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from unicodedata import normalize

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from labelbench_ray.datasets import UNLABELED
from labelbench_ray.errors import DataError


@dataclass(frozen=True, slots=True)
class LabelEncoding:
    """The class names in order, and the value that stands for each in the files."""

    classes: tuple[str, ...]
    values: tuple[int, ...] | tuple[str, ...]

    def encode(self, column: Any, where: str) -> NDArray[np.int64]:  # noqa: ANN401  pyarrow has no types
        """(B,) class numbers of a label column, `UNLABELED` for a row without a label; `where` names it in errors.

        Raises:
            DataError: a label that is not a class; names the value and the row.
        """
        column = plain(column, where)
        if column.null_count == len(column):
            return np.full(len(column), UNLABELED)
        numbers = self.numbers(column, where)
        unlabeled = column.is_null()
        if pa.types.is_integer(column.type) and UNLABELED not in self.values:
            unlabeled = pc.fill_null(pc.equal(column, UNLABELED), True)
        unknown = pc.and_not(numbers.is_null(), unlabeled)
        if pc.any(unknown).as_py():
            row = pc.index(unknown, True).as_py()
            raise self.unknown(column[row].as_py(), f"{where}, row {row}")
        return np.asarray(pc.fill_null(numbers, UNLABELED).to_numpy(), dtype=np.int64)

    def numbers(self, column: Any, where: str) -> Any:  # noqa: ANN401
        """The class numbers of plain labels; null for a label that is not a class."""
        wanted = pa.int64() if self.values and isinstance(self.values[0], int) else pa.string()
        if column.type != wanted:
            raise DataError(
                f"{where}: labels are {column.type}, those of the classes are {wanted}; use one type of label in all "
                "files"
            )
        values = pa.array(self.values, wanted)
        numbers = pc.index_in(column, value_set=values)
        if numbers.null_count and wanted == pa.string():  # a Mac may have written the same name in another form
            numbers = pc.index_in(_normal(column), value_set=_normal(values))
        return numbers

    def unknown(self, label: int | str, where: str) -> DataError:
        """The error for a label that is not a class."""
        return DataError(
            f"{where}: {label!r} is not a class (classes: {_some(self.values)}); fix the label or the list of classes"
        )


def plain(column: Any, where: str) -> Any:  # noqa: ANN401
    """The column as int64 or string, with dictionary encoding undone.

    Raises:
        DataError: another type, an integer beyond int64, or a text that is not UTF-8.
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_null(column.type):
        return column.cast(pa.string())
    column = _without_gaps_as_floats(column)
    kind = column.type
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    if not (text or pa.types.is_integer(kind)):
        raise DataError(f"{where}: labels are {kind}; labels must be int or string; convert the column")
    try:
        column = column.cast(pa.string() if text else pa.int64())
        column.validate(full=True)
    except pa.ArrowException as error:
        raise DataError(f"{where}: {error}; labels must be UTF-8 text or integers that int64 holds") from error
    return column


def has_values(column: Any) -> bool:  # noqa: ANN401
    """Whether a column has a value that is not null, so that the type of its values is known."""
    return bool(column.null_count < len(column))


def _without_gaps_as_floats(column: Any) -> Any:  # noqa: ANN401
    """Whole numbers beside gaps as integers: pandas makes floats of integers where a value is missing."""
    if not pa.types.is_floating(column.type):
        return column
    known = pc.fill_null(pc.invert(pc.is_nan(column)), False)
    whole = pc.equal(column, pc.floor(column))
    if pc.all(known).as_py() or not pc.all(pc.fill_null(pc.or_(whole, pc.invert(known)), True)).as_py():
        return column
    return pc.if_else(known, column, None).cast(pa.int64())


def _normal(texts: Any) -> Any:  # noqa: ANN401
    return pc.utf8_normalize(texts, form="NFC")


def label_encoding(column: Any, where: str, classes: Sequence[str] | None) -> LabelEncoding:  # noqa: ANN401
    """The classes of a data set from its training labels, unless they are given.

    Given classes are what string labels must be, or what int labels count from 0. Otherwise the distinct labels are
    the classes, sorted.

    Raises:
        DataError: no row has a label, and no classes are given.
    """
    column = plain(column, where)
    if classes is None and len(column) and column.null_count == len(column):
        raise DataError(
            f"{where}: no row has a label, so the names of the classes are not known; give them, as in "
            'classes=["cat", "dog"]'
        )
    column = column.drop_null()
    integers = pa.types.is_integer(column.type)
    if not integers or classes is not None:
        _refuse_forms(pc.unique(column).to_pylist() if classes is None else classes, where)
    if classes is not None:
        return LabelEncoding(tuple(classes), tuple(range(len(classes))) if integers else tuple(classes))
    values = tuple(sorted(pc.unique(column).to_pylist()))
    return LabelEncoding(tuple(str(value) for value in values), values)


def _refuse_forms(names: Iterable[str], where: str) -> None:
    """Refuse two classes whose names are one name in two forms of Unicode."""
    known: dict[str, str] = {}
    for name in names:
        other = known.setdefault(normalize("NFC", name), name)
        if other != name:
            raise DataError(
                f"{where}: the classes {other!a} and {name!a} have the same name, in two forms of Unicode; write it in "
                "one form"
            )


def named_label_encoding(labels: Any, names: Any, where: str) -> LabelEncoding:  # noqa: ANN401
    """The classes of int labels whose names stand in a second column.

    Raises:
        DataError: a label with two names, or a name with two labels.
    """
    labels, names = plain(labels, where), plain(names, where)
    pairs = pa.table({"label": labels, "name": names.cast(pa.string())}).filter(labels.is_valid())
    if pairs["name"].null_count:
        row = pc.index(pc.and_(labels.is_valid(), names.is_null()), True).as_py()
        raise DataError(f"{where}, row {row}: the label {labels[row].as_py()!r} has no name; write the class's name")
    pairs = pairs.group_by(["label", "name"]).aggregate([])
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
    return LabelEncoding(tuple(words), tuple(values))


def _some(values: Sequence[int | str], most: int = 10) -> str:
    shown = ", ".join(repr(value) for value in values[:most])
    return f"{shown}, ... {len(values)} in all" if len(values) > most else shown
