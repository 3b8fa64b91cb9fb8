"""Numbers to predict, and facts: in columns of numbers, or written in columns of text."""

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.datasets.parquet_columns.columns import Columns, RealAnswers
from labelbench_ray.datasets.parquet_columns.fact_columns import fact_numbers
from labelbench_ray.datasets.row_files.roles import holds_text
from labelbench_ray.errors import DataError
from labelbench_ray.pool.facts import LARGEST_INTEGER, RULE
from labelbench_ray.types import Labels

TRUTHS = {"true": 1.0, "false": 0.0}
"""Truths as JSON, Python and spreadsheets write them, in any case."""


@dataclass(frozen=True, slots=True)
class WrittenAnswers:
    """One number a row; NaN for a row without one."""

    def encode(self, table: Any, columns: Columns, where: str) -> Labels:  # noqa: ANN401  pyarrow has no types
        assert columns.label is not None, "a setting names it"
        column = table[columns.label]
        if not holds_text(column.type):
            return RealAnswers().encode(table, columns, where)
        values = enumerate(column.to_pylist())
        return np.array([_number(text, f"{where}, column {columns.label!r}, row {row}") for row, text in values])


def written_facts(column: Any, where: str) -> NDArray[np.float64]:  # noqa: ANN401
    """(N,) the numbers or truths of a column, also where they are written as text.

    Raises:
        DataError: a cell without one, a number that is not finite, or an integer that float64 does not hold.
    """
    if not holds_text(column.type):
        return fact_numbers(column, where)
    return np.array([_fact(text, f"{where}, row {row}") for row, text in enumerate(column.to_pylist())], np.float64)


def _fact(text: str | None, where: str) -> float:
    written = (text or "").strip().lower()
    if written in TRUTHS:
        return TRUTHS[written]
    try:
        value = float(written) if "_" not in written else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or (re.fullmatch(r"[+-]?[0-9]+", written) and abs(int(written)) > LARGEST_INTEGER):
        raise DataError(f"{where}: {text!r:.40}; {RULE}" if written else f"{where}: no number; {RULE}")
    return value


def _number(text: str | None, where: str) -> float:
    if text is None or not text.strip():
        return math.nan
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(f"{where}: {text[:40]!r} is not a finite number; write one, or nothing for no answer")
    return value
