"""Which columns of a table are numbers, which are categories, and which are left out; inferred from the train rows."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labelbench_ray.errors import ConfigError, DataError, unknown

LABELS: Final = ("label", "labels", "target", "class", "y")
"""What columns of labels are usually called."""
MISSING: Final = frozenset({"", "?", "na", "n/a", "nan", "null", "none"})
"""Cells of a column of numbers that hold none, in lower case."""
MOST_DISTINCT: Final = 0.5
"""A text column with more distinct values than this share of its rows, and more than `FEW`, is an id or free text."""
FEW: Final = 50


@dataclass(frozen=True, slots=True)
class ColumnRoles:
    """The columns that are embedded, and why others are not."""

    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    left_out: Mapping[str, str]
    """Columns by name, each with the reason."""

    @property
    def every(self) -> list[str]:
        """The embedded columns: numbers, then categories."""
        return [*self.numeric, *self.categorical]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a plan states."""
        made = (
            f"{len(names)} {kind} column{'s' * (len(names) != 1)}{': ' if names else ''}{_shortly(names)}"
            for kind, names in (("numeric", self.numeric), ("categorical", self.categorical))
        )
        left = (f"column {name!r} is left out: {why}" for name, why in self.left_out.items())
        return (*made, *left)


@dataclass(frozen=True, slots=True)
class Stated:
    """What settings state about columns."""

    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()


def label_name(where: str, names: Sequence[str], stated: str | None) -> str:
    """The column of labels: the stated one, or the only one of the usual names.

    Raises:
        DataError: there is none, or several could be.
    """
    if stated is not None:
        if stated not in names:
            raise DataError(f"{where}: {unknown('column', stated, names)}")
        return stated
    found = [name for name in LABELS if name in names]
    if len(found) != 1:
        what = f"columns {' and '.join(map(repr, found))}" if found else "no column"
        raise DataError(
            f"{where}: {what} could hold the labels (columns: {', '.join(names)}); name it, as in "
            f'label="{(found or [*names])[-1]}"'
        )
    return found[0]


def find_roles(where: str, columns: Mapping[str, Any], stated: Stated) -> ColumnRoles:
    """The roles of these columns of the train rows, by their types and values.

    Raises:
        ConfigError: a setting names a column twice, or one that is not there.
        DataError: a column that is stated to be numeric holds something else, or no column is left.
    """
    named = [*stated.numeric, *stated.categorical, *stated.ignore]
    for name in named:
        if name not in columns:
            raise ConfigError(f"{where}: {unknown('column', name, columns)}")
        if named.count(name) > 1:
            raise ConfigError(
                f"{where}: column {name!r} is named twice in numeric, categorical and ignore; once is right"
            )
    numeric, categorical, left_out = [], [], {}
    for name, column in columns.items():
        if name in stated.ignore:
            left_out[name] = "named in `ignore`"
        elif name in stated.numeric:
            numbers_of(column, f"{where}, column {name!r}")
            numeric.append(name)
        elif name in stated.categorical:
            categorical.append(name)
        elif why := _refusal(column):
            left_out[name] = why
        else:
            (numeric if _is_numeric(column) else categorical).append(name)
    if not numeric and not categorical:
        raise DataError(
            f"{where}: no column to embed is left ({_shortly([*left_out]) or 'there are labels only'}); add one"
        )
    return ColumnRoles(tuple(numeric), tuple(categorical), left_out)


def numbers_of(column: Any, where: str) -> Any:  # noqa: ANN401  pyarrow has no types
    """A column as float64, null where a number is missing.

    Raises:
        DataError: a value is not a finite number; names the row.
    """
    if _holds_text(column.type):
        values = [_number(text) for text in column.to_pylist()]
        wrong = next((row for row, value in enumerate(values) if value is not None and not math.isfinite(value)), None)
        if wrong is None:
            return pa.chunked_array([pa.array(values, pa.float64())])
    else:
        try:
            cast = column.cast(pa.float64(), safe=False)
        except pa.ArrowException as error:
            raise DataError(f"{where}: holds {column.type}; numbers are needed, or name it in `ignore`") from error
        values_N = np.asarray(pc.fill_null(cast, 0.0).to_numpy(), np.float64)
        cast = pc.if_else(pc.is_nan(pc.fill_null(cast, 0.0)), pa.scalar(None, pa.float64()), cast)
        infinite = np.flatnonzero(np.isinf(values_N))
        wrong = int(infinite[0]) if len(infinite) else None
        if wrong is None:
            return cast
    raise DataError(
        f"{where}, row {wrong}: {str(column[wrong].as_py())[:40]!r} is not a finite number; fix it, leave it empty, or "
        "name the column in `categorical`"
    )


def categories_of(column: Any) -> Any:  # noqa: ANN401
    """A column as large strings, null where a category is missing; an empty text is missing, too."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    text = column.cast(pa.large_string())
    return pc.if_else(pc.equal(pc.fill_null(text, ""), ""), pa.scalar(None, pa.large_string()), text)


def _refusal(column: Any) -> str:  # noqa: ANN401
    """Why a column is not embedded; "" if it is."""
    kind = column.type
    if column.null_count == len(column):
        return "it has no value in any row"
    if not (_holds_text(kind) or _holds_numbers(kind) or pa.types.is_boolean(kind) or pa.types.is_dictionary(kind)):
        return f"it holds {kind}, which is neither a number nor a category"
    distinct = len(pc.unique(column.drop_null()))
    if distinct == 1 and not column.null_count:
        return f"it has the value {str(column[0].as_py())[:40]!r} in every row"
    if _holds_text(kind) and distinct > max(FEW, MOST_DISTINCT * len(column)) and not _is_numeric(column):
        return f"{distinct:,} different texts in {len(column):,} rows, so ids or free text; `categorical` may name it"
    return ""


def _is_numeric(column: Any) -> bool:  # noqa: ANN401
    if not _holds_text(column.type):
        return _holds_numbers(column.type)
    values = [_number(text) for text in pc.unique(column.drop_null()).to_pylist()]
    return any(value is not None for value in values) and all(value is None or math.isfinite(value) for value in values)


def _number(text: str | None) -> float | None:
    """The number in a cell; None for a cell without one, NaN for a cell with something else."""
    if text is None or text.strip().lower() in MISSING:
        return None
    try:
        return float(text) if "_" not in text else math.nan
    except ValueError:
        return math.nan


def _holds_text(kind: Any) -> bool:  # noqa: ANN401
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _holds_numbers(kind: Any) -> bool:  # noqa: ANN401
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind))


def _shortly(names: Sequence[str], most: int = 12) -> str:
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
