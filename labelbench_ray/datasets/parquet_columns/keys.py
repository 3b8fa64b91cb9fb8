"""The key column of parquet files: a repeated key is found before anything is embedded."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labelbench_ray.datasets.files.places import Place
from labelbench_ray.datasets.parquet_columns.parquet_files import check_column
from labelbench_ray.datasets.parquet_columns.row_files import RowFiles
from labelbench_ray.errors import DataError

IMPLICIT = "path"
"""The column that is the key by default, if its values are distinct."""


def key_column(files: RowFiles, named: str | None) -> tuple[str | None, str]:
    """The column of ids, or None if rows are numbered; and a note that states which.

    Raises:
        DataError: the named column is not there, or it cannot be a key: a null, a repeated id.
    """
    if named is not None:
        check_column(files, named)
        if found := _trouble(files, named):
            raise DataError(
                f"{found[0]}, column {named!r}: {found[1]}; ids are the keys of rows and must be distinct; name "
                "another column as `row_id`, or none to have rows numbered"
            )
        return named, f"row ids: column {named!r}"
    numbered = "row ids: the file's name and the row's number in it"
    if IMPLICIT not in files.schema.names:
        return None, numbered
    if trouble := key_trouble(files, IMPLICIT):
        return None, f"{numbered}; the column {IMPLICIT!r} is not a key: {trouble}"
    return IMPLICIT, f"row ids: column {IMPLICIT!r}"


def key_trouble(files: RowFiles, name: str) -> str | None:
    """Why a column cannot be a key; None if it can."""
    return None if (found := _trouble(files, name)) is None else found[1]


def _trouble(files: RowFiles, name: str) -> tuple[Place, str] | None:
    """The file in which a column cannot be a key, and why; None if it can be one."""
    if files.schema.names.count(name) > 1:
        return files.places[0], "the files have it twice"
    column: Any = files.column(name)
    try:
        column.validate(full=True)
        if column.null_count:
            place, row = _in_its_file(files, pc.index(column.is_null(), True).as_py())
            return place, f"row {row:,} has none"
        if pc.count_distinct(column).as_py() == len(column):
            return None
        counts = pc.value_counts(column)
        most = pc.index(counts.field("counts"), pc.max(counts.field("counts"))).as_py()
        value, rows = counts[most]["values"], counts[most]["counts"].as_py()
        first = pc.index(column, value).as_py()
        second = first + 1 + pc.index(column.slice(first + 1), value).as_py()
    except pa.ArrowException as error:
        return files.places[0], str(error)
    trouble = f"{value.as_py()!r} stands in {rows:,} rows"
    if first < 0 or second <= first:  # NaN equals no value
        return files.places[0], trouble
    (place, row), (other, again) = _in_its_file(files, first), _in_its_file(files, second)
    where = f"row {again:,}" if other is place else f"{other}, row {again:,}"
    return place, f"{trouble}, the first are row {row:,} and {where}"


def _in_its_file(files: RowFiles, row: int) -> tuple[Place, int]:
    """The file of a row, and its number in that file."""
    number = int(files.file_numbers(np.array([row]))[0])
    before = sum(len(files.file_columns(files.schema.names[:1], each)) for each in range(number))
    return files.places[number], row - before
