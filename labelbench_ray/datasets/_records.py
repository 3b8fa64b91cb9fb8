"""What a table read, checked: it may be of a user's own, and whatever it returns would be embedded."""

from typing import Final

import numpy as np

from labelbench_ray.errors import DataError

RULE: Final = "it must return Records: row_ids a list of str, payloads of bytes or str, labels_B (B,) integers"


def check_records(records: object, reader: str, num_rows: int, num_classes: int) -> None:
    """Refuse records that are not `num_rows` rows with an id, a payload and a label of 0 .. K-1 each.

    Raises:
        DataError: names the reader, what is wrong, and the rule.
    """
    if trouble := _trouble(records, num_rows, num_classes):
        raise DataError(f"{reader} returned {trouble} for {num_rows} rows; {RULE}")


def _trouble(records: object, num_rows: int, num_classes: int) -> str:
    row_ids, payloads, labels = (getattr(records, name, None) for name in ("row_ids", "payloads", "labels_B"))
    if row_ids is None or payloads is None or labels is None:
        return type(records).__name__
    if not isinstance(labels, np.ndarray) or labels.ndim != 1 or labels.dtype.kind not in "iu":
        what = f"{labels.dtype} of shape {labels.shape}" if isinstance(labels, np.ndarray) else type(labels).__name__
        return f"labels_B as {what}"
    counts = {"row_ids": len(row_ids), "payloads": len(payloads), "labels": len(labels)}
    if wrong := next((name for name, count in counts.items() if count != num_rows), ""):
        return f"{counts[wrong]} {wrong}"
    wrong_ids = [row_id for row_id in row_ids if not isinstance(row_id, str)]
    if wrong_ids:
        return f"the row id {wrong_ids[0]!r}"
    strange = [type(payload).__name__ for payload in payloads if not isinstance(payload, bytes | str)]
    if strange:
        return f"a payload of type {strange[0]}"
    beyond_B = (labels < 0) | (labels >= num_classes)
    return f"label {labels[beyond_B][0]} of {num_classes} classes" if beyond_B.any() else ""
