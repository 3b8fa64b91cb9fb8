"""Numbers to predict: in columns of numbers, or written in columns of text."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from labelbench_ray.datasets.parquet_columns.columns import Columns, RealAnswers
from labelbench_ray.datasets.row_files.roles import holds_text
from labelbench_ray.errors import DataError
from labelbench_ray.types import Labels


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
