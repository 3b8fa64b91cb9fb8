"""Sorting tables by columns, and the first and last row of each run of equal ones."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


def ordered(table: pa.Table, columns: Iterable[str]) -> pa.Table:
    """The rows sorted by these columns, ascending; texts by their UTF-8 bytes."""
    places = pc.sort_indices(table, sort_keys=[(name, "ascending") for name in columns])
    return table.take(places).combine_chunks()


def starts(table: pa.Table, columns: Iterable[str]) -> NDArray[np.bool_]:
    """(N,) whether a row differs from the one before it in any of these columns, which have no nulls."""
    first_N = np.zeros(len(table), np.bool_)
    first_N[:1] = True
    for name in columns:
        values = table.column(name)
        if len(values) > 1:
            first_N[1:] |= pc.not_equal(values.slice(1), values.slice(0, len(values) - 1)).to_numpy()
    return first_N


def last_of_each(table: pa.Table, order: Iterable[str], columns: Iterable[str]) -> pa.Table:
    """Sorted by `order`, the last of the rows that are equal in `columns`, with which `order` begins."""
    rows = ordered(table, order)
    ends_N = np.append(starts(rows, columns)[1:], True)[: len(rows)]
    return rows.filter(pa.array(ends_N)).combine_chunks()
