"""Facts in files of rows: columns of numbers that go with the rows of the pool."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from labelbench_ray.datasets import Split
from labelbench_ray.datasets.parquet_columns.parquet_files import check_column
from labelbench_ray.datasets.parquet_columns.row_files import RowFiles
from labelbench_ray.errors import DataError
from labelbench_ray.pool.facts import RULE, Facts, wrong_values


def column_facts(
    files: RowFiles,
    names: Sequence[str],
    numbers: Callable[[Any, str], NDArray[np.float64]],
) -> Facts:
    """These columns of all rows of some files.

    Args:
        numbers: how a column is read, which `where` names in errors: `fact_numbers`, or one that takes text, too.

    Raises:
        DataError: a column that is not there or does not hold numbers, a null, NaN or infinity, or an integer that
            float64 does not hold; names the file, the row in it and the column.
    """
    for name in names:
        check_column(files, name)
    tables = [files.file_columns(list(names), file) for file in range(len(files.places))]
    return Facts(
        {
            name: np.concatenate(
                [
                    numbers(table[name], f"{place}, column {name!r}")
                    for table, place in zip(tables, files.places, strict=True)
                ]
            )
            for name in sorted(names)
        }
    )


def with_facts(splits: Mapping[str, Split], facts: Facts) -> dict[str, Split]:
    """The splits with the facts of the pool's rows; `facts` are those of the whole table that the pool is cut from."""
    pool = splits["pool"]
    return {**splits, "pool": replace(pool, facts=facts.take(np.asarray(pool.rows, np.int64)))}


def fact_numbers(column: Any, where: str) -> NDArray[np.float64]:  # noqa: ANN401  pyarrow has no types
    """(N,) the numbers or truths of a column; `DataError` as above."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
        raise DataError(f"{where}: holds {kind}; facts must be floats, integers or booleans; convert the column")
    if column.null_count:
        row = pc.index(column.is_null(), True).as_py()
        raise DataError(f"{where}, row {row}: null; {RULE}")
    values_N = column.to_numpy()
    if (wrong_N := wrong_values(values_N)).any():
        row = int(np.flatnonzero(wrong_N)[0])
        raise DataError(f"{where}, row {row}: {values_N[row]}; {RULE}")
    return np.asarray(values_N, np.float64)
