"""Checks of what a pool view is given: each error names the argument, its value and the rule.

Every function takes what a user passed, returns it as the array that it must be, and raises `ValueError` otherwise.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labelbench_ray.pool import probabilities

CHUNK_ROWS = 4096


def embeddings(given: ArrayLike) -> NDArray[Any]:
    """(N, D) finite embeddings."""
    embeddings_ND = np.asarray(given)
    if embeddings_ND.ndim != 2:
        raise ValueError(f"embeddings: shape {embeddings_ND.shape} must be (N, D), D numbers for each of N rows")
    if embeddings_ND.dtype.kind != "f":
        raise ValueError(
            f"embeddings: dtype {embeddings_ND.dtype} must be float32 or float16; convert them with "
            ".astype(numpy.float32)"
        )
    for start in range(0, len(embeddings_ND), CHUNK_ROWS):
        finite_B = np.isfinite(embeddings_ND[start : start + CHUNK_ROWS]).all(axis=1)
        if not finite_B.all():
            raise ValueError(
                f"embeddings: row {start + int(np.flatnonzero(~finite_B)[0])} holds NaN or infinity; "
                "every entry must be finite"
            )
    return embeddings_ND


def distributions(given: ArrayLike | None, num_rows: int) -> NDArray[np.float32]:
    """(N, K) probabilities with a row for each embedding, whose sum is 1."""
    probabilities_NK = _float_rows(given, num_rows)
    if probabilities_NK.shape[1] < 2:
        raise ValueError(
            f"probabilities: {probabilities_NK.shape[1]} columns; at least 2 classes are needed "
            "(a single sigmoid column needs its complement beside it)"
        )
    for start in range(0, len(probabilities_NK), CHUNK_ROWS):
        probabilities.check(probabilities_NK[start : start + CHUNK_ROWS], first_row=start)
    return probabilities_NK.astype(np.float32, copy=False)


def independent_probabilities(given: ArrayLike | None, num_rows: int) -> NDArray[np.float32]:
    """(N, K) probabilities with a row for each embedding, each entry on its own in 0 .. 1."""
    probabilities_NK = _float_rows(given, num_rows)
    for start in range(0, len(probabilities_NK), CHUNK_ROWS):
        part_BK = probabilities_NK[start : start + CHUNK_ROWS]
        inside_B = ((part_BK >= 0) & (part_BK <= 1)).all(axis=1)  # false for NaN, too
        if not inside_B.all():
            row = int(np.flatnonzero(~inside_B)[0])
            wrong_K = part_BK[row][~((part_BK[row] >= 0) & (part_BK[row] <= 1))]
            raise ValueError(
                f"probabilities: row {start + row} holds {wrong_K[0]}; every entry must lie in 0 .. 1 "
                "(logits need a sigmoid)"
            )
    return probabilities_NK.astype(np.float32, copy=False)


def predictions(given: ArrayLike | None, num_rows: int) -> NDArray[np.float32]:
    """(N, 1) finite predicted numbers, a row for each embedding."""
    predicted_NK = _float_rows(given, num_rows)
    if predicted_NK.shape[1] != 1:
        raise ValueError(f"probabilities: {predicted_NK.shape[1]} columns; a predicted number is one column, (N, 1)")
    if not np.isfinite(predicted_NK).all():
        row = int(np.flatnonzero(~np.isfinite(predicted_NK[:, 0]))[0])
        raise ValueError(f"probabilities: row {row} holds NaN or infinity; every prediction must be finite")
    return predicted_NK.astype(np.float32, copy=False)


def answers(labeled: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Labeled ids and their answers, aligned: finite numbers."""
    labeled_L, answers_L = int64("labeled", labeled), np.asarray(labels)
    if answers_L.shape != labeled_L.shape:
        raise ValueError(
            f"labeled, labels: shapes {labeled_L.shape}, {answers_L.shape} must be equal; give one number for each "
            "labeled row"
        )
    if answers_L.size and answers_L.dtype.kind not in "fiu":
        raise ValueError(f"labels: dtype {answers_L.dtype} must be float64; convert it with .astype(numpy.float64)")
    if not np.isfinite(answers_L.astype(np.float64)).all():
        row = labeled_L[~np.isfinite(answers_L.astype(np.float64))][0]
        raise ValueError(f"labels: row {row} holds NaN or infinity; every answer must be a finite number")
    return labeled_L, answers_L.astype(np.float64)


def _float_rows(given: ArrayLike | None, num_rows: int) -> NDArray[Any]:
    probabilities_NK = np.asarray(given)
    if probabilities_NK.ndim != 2 or len(probabilities_NK) != num_rows:
        raise ValueError(
            f"probabilities: shape {probabilities_NK.shape} must be ({num_rows}, K), a row for each embedding"
        )
    if probabilities_NK.dtype.kind != "f":
        raise ValueError(
            f"probabilities: dtype {probabilities_NK.dtype} must be float32; give what the model predicts for each "
            "class, not the predicted class"
        )
    return probabilities_NK


def ascending(ids: ArrayLike | None, num_rows: int) -> tuple[NDArray[np.int64], Any]:
    """Pool ids in ascending order, and the rows in that order; None means 0 .. N-1."""
    if ids is None:
        return np.arange(num_rows), slice(None)
    ids_N = int64("ids", ids)
    if ids_N.shape != (num_rows,):
        raise ValueError(f"ids: shape {ids_N.shape} must be ({num_rows},), an id for each row")
    order_N = np.argsort(ids_N, kind="stable")
    ascending_N = ids_N[order_N]
    if num_rows and ascending_N[0] < 0:
        raise ValueError(f"ids: {ascending_N[0]} is out of range; pool ids are 0 or larger")
    if (ascending_N[1:] == ascending_N[:-1]).any():
        raise ValueError("ids: an id is repeated; pool ids are distinct")
    return ascending_N, order_N


def labels(labeled: ArrayLike, labels: ArrayLike, num_classes: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Labeled ids and their labels, aligned; labels in 0 .. K-1."""
    labeled_L, labels_L = int64("labeled", labeled), int64("labels", labels)
    if labeled_L.shape != labels_L.shape:
        raise ValueError(
            f"labeled, labels: shapes {labeled_L.shape}, {labels_L.shape} must be equal; give one label for each "
            "labeled row"
        )
    if (wrong_L := (labels_L < 0) | (labels_L >= num_classes)).any():
        raise ValueError(
            f"labels: {labels_L[wrong_L][0]} of row {labeled_L[wrong_L][0]} must lie in 0 .. {num_classes - 1}; number "
            f"the {num_classes} classes in the order of the probabilities' columns"
        )
    return labeled_L, labels_L


def label_rows(labeled: ArrayLike, labels: ArrayLike, num_classes: int) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """Labeled ids and their rows of labels, aligned: 1 for a class that is there, 0 for one that is not, -1 unknown."""
    labeled_L, labels_LK = int64("labeled", labeled), np.asarray(labels)
    if not len(labeled_L) and not labels_LK.size:
        return labeled_L, np.empty((0, num_classes), np.int8)
    if labels_LK.shape != (len(labeled_L), num_classes):
        raise ValueError(
            f"labels: shape {labels_LK.shape} must be ({len(labeled_L)}, {num_classes}), a row for each labeled id"
        )
    if labels_LK.dtype.kind not in "iub":
        raise ValueError(f"labels: dtype {labels_LK.dtype} must be an integer one")
    if (wrong := ~np.isin(labels_LK, (-1, 0, 1))).any():
        raise ValueError(f"labels: {labels_LK[wrong][0]} must be 1, 0 or -1 (unknown)")
    return labeled_L, labels_LK.astype(np.int8)


def rows_of_numbers(labeled: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Labeled ids and a row of integers for each, aligned."""
    labeled_L, labels_LW = int64("labeled", labeled), np.asarray(labels)
    if not len(labeled_L) and not labels_LW.size:
        return labeled_L, labels_LW.astype(np.int64).reshape(0, labels_LW.shape[-1] if labels_LW.ndim == 2 else 0)
    if labels_LW.ndim != 2 or len(labels_LW) != len(labeled_L) or labels_LW.dtype.kind not in "iu":
        raise ValueError(
            f"labels: {labels_LW.dtype} of shape {labels_LW.shape} must be ({len(labeled_L)}, W) integers, a row for "
            "each labeled id"
        )
    return labeled_L, labels_LW.astype(np.int64)


def int64(name: str, given: ArrayLike) -> NDArray[np.int64]:
    """A list of integers."""
    array = np.asarray(given)
    if array.ndim != 1:
        raise ValueError(f"{name}: shape {array.shape} must have one axis")
    if array.size and array.dtype.kind not in "iu":
        raise ValueError(f"{name}: dtype {array.dtype} must be int64; {_as_integers(array)}")
    return array.astype(np.int64)


def _as_integers(array: NDArray[Any]) -> str:
    """How what is given instead of integers becomes some."""
    if array.dtype.kind == "b":
        return "numpy.flatnonzero makes row numbers of a mask"
    if array.dtype.kind in "USO":
        return "numpy.unique(names, return_inverse=True) numbers names"
    return "convert it with .astype(numpy.int64)"
