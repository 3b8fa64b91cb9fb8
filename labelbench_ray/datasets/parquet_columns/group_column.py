"""Groups in parquet files: a column of names or numbers by which the rows of evaluation splits are compared."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labelbench_ray.datasets import Groups, Split, Table
from labelbench_ray.datasets.parquet_columns.parquet_files import check_column
from labelbench_ray.datasets.parquet_columns.row_files import RowFiles
from labelbench_ray.errors import DataError


def column_groups(files: RowFiles, name: str) -> Groups:
    """The groups of all rows of some files; numbers are sorted by value, names by letter.

    Raises:
        DataError: a null, or values that are neither text nor integers nor truths.
    """
    check_column(files, name)
    where, column = f"{files.places[0]}, column {name!r}", files.column(name)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    if not (text or pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
        raise DataError(f"{where}: groups are {kind}; groups must be text, integers or truths; convert the column")
    if column.null_count:
        row = pc.index(column.is_null(), True).as_py()
        raise DataError(f"{where}, row {row}: the group is null; every row needs a group; give it one, such as 'other'")
    if text:
        column = column.cast(pa.string())
    values = sorted(pc.unique(column).to_pylist())
    numbers = pc.index_in(column, value_set=pa.array(values, column.type))
    return Groups(np.asarray(numbers.to_numpy(), np.int64), tuple(str(value) for value in values))


def with_column_groups(
    splits: Mapping[str, Split], files: Mapping[str, RowFiles], tables: Mapping[str, Table], name: str | None
) -> dict[str, Split]:
    """The splits, those that are evaluated with the groups in a column of their files; without a name, as they are.

    Args:
        files: by part.
        tables: the table of each part's files.

    Raises:
        DataError: no evaluated file has the column; as from `column_groups`.
    """
    if name is None:
        return dict(splits)
    used = {id(split.table) for split_name, split in splits.items() if split_name != "pool"}
    evaluated = [part for part in files if id(tables[part]) in used]
    having = [part for part in evaluated if name in files[part].schema.names]
    if not having:
        check_column(files[evaluated[-1]], name)
    groups = {id(tables[part]): column_groups(files[part], name) for part in having}
    return {
        split_name: split
        if split_name == "pool" or id(split.table) not in groups
        else replace(split, groups=groups[id(split.table)].take(np.asarray(split.rows, np.int64)))
        for split_name, split in splits.items()
    }
