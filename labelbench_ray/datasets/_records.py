"""What a table read, checked: it may be of a user's own, and whatever it returns would be embedded."""

from typing import Final

import numpy as np

from labelbench_ray.datasets import without_label
from labelbench_ray.errors import DataError
from labelbench_ray.tasks import Task

RULE: Final = "it must return Records: row_ids a list of str, payloads of bytes or str, labels_B"


def check_records(records: object, reader: str, num_rows: int, task: Task, num_classes: int) -> None:
    """Refuse records that are not `num_rows` rows with an id, a payload and a label of the task each.

    Raises:
        DataError: names the reader, what is wrong, and the rule.
    """
    if trouble := _trouble(records, num_rows, task, num_classes):
        shape = f"(B, {num_classes})" if task.shape(num_classes) else "(B,)"
        kind = "floats" if _are_floats(task) else "integers"
        raise DataError(f"{reader} returned {trouble} for {num_rows} rows; {RULE} {shape} {kind}")


def _trouble(records: object, num_rows: int, task: Task, num_classes: int) -> str:
    row_ids, payloads, labels = (getattr(records, name, None) for name in ("row_ids", "payloads", "labels_B"))
    if row_ids is None or payloads is None or labels is None:
        return type(records).__name__
    shape = task.shape(num_classes)
    right = isinstance(labels, np.ndarray) and labels.dtype.kind in ("f" if _are_floats(task) else "iu")
    if not right or labels.ndim != 1 + len(shape) or labels.shape[1:] != shape:
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
    wrong_B = ~(task.is_label(labels, num_classes) | without_label(labels))
    if not wrong_B.any():
        return ""
    return f"label {labels[wrong_B][0]}{'' if _are_floats(task) else f' of {num_classes} classes'}"


def _are_floats(task: Task) -> bool:
    return np.dtype(task.dtype).kind == "f"
