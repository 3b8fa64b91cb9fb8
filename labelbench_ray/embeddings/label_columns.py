"""Labels as a parquet column: a number a row (whole or real), or a list of numbers of the same length for every row."""

from typing import Any

import pyarrow as pa

from labelbench_ray.types import Labels

LabelValue = int | float | tuple[int, ...]
"""One label as a value that can be compared and written as JSON."""


def label_column(labels_B: Labels) -> Any:  # noqa: ANN401  pyarrow has no types
    """The column of (B,) or (B, K) labels."""
    if labels_B.ndim == 1:
        return pa.array(labels_B)
    return pa.FixedSizeListArray.from_arrays(pa.array(labels_B.reshape(-1)), labels_B.shape[1])


def label_array(column: Any) -> Labels:  # noqa: ANN401
    """The inverse of `label_column`; a column of a table without nulls."""
    if not pa.types.is_fixed_size_list(column.type):
        labels_B: Labels = column.to_numpy()
        return labels_B
    flat: Labels = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(-1, column.type.list_size)


def label_values(labels_B: Labels) -> list[LabelValue]:
    """Each label as a value."""
    return labels_B.tolist() if labels_B.ndim == 1 else [tuple(row_K) for row_K in labels_B.tolist()]
