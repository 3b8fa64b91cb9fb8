"""The key column of parquet files: a repeated key is found before anything is embedded."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

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
        if trouble := key_trouble(files, named):
            raise DataError(
                f"{files.places[0]}, column {named!r}: {trouble}; ids are the keys of rows and must be distinct; name "
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
    if files.schema.names.count(name) > 1:
        return "the files have it twice"
    column: Any = files.column(name)
    try:
        column.validate(full=True)
        if column.null_count:
            return f"row {pc.index(column.is_null(), True).as_py():,} has none"
        if pc.count_distinct(column).as_py() == len(column):
            return None
        counts = pc.value_counts(column)
        most = pc.index(counts.field("counts"), pc.max(counts.field("counts"))).as_py()
        return f"{counts[most]['values'].as_py()!r} stands in {counts[most]['counts'].as_py():,} rows"
    except pa.ArrowException as error:
        return str(error)
