"""Numeric passes over a block, on the processor that holds its rows: numpy arrays, or torch tensors on any device.

The kind of the array chooses the code, and the result is of the same kind. Arrays take the code that ledgers were made
with; tensors agree with it within rounding, and choose the same rows where no two scores are that close.
"""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.pool import probabilities

Tensor = Any
"""A `torch.Tensor`; torch is not imported here."""
Array = TypeVar("Array", NDArray[Any], Tensor)


def softmax(logits_BK: Array) -> Array:
    """(B, K) rows that sum to 1. Arrays are overwritten; the caller gives them up."""
    if isinstance(logits_BK, np.ndarray):
        return probabilities.softmax(logits_BK)
    return logits_BK.softmax(dim=1)


def least_confidence(probabilities_BK: Array) -> Array:
    """(B,) float64 mass outside the likeliest class."""
    if isinstance(probabilities_BK, np.ndarray):
        return probabilities.summarize(probabilities_BK).others_B
    others_B, _ = _summary(probabilities_BK)
    return others_B


def small_margin(probabilities_BK: Array) -> Array:
    """(B,) float64 1 - (p_(1) - p_(2))."""
    if isinstance(probabilities_BK, np.ndarray):
        # Written so that rows with p_(1) = 1.0 keep their order.
        summary = probabilities.summarize(probabilities_BK)
        return summary.others_B + summary.second_B
    others_B, second_B = _summary(probabilities_BK)
    return others_B + second_B


def entropy(probabilities_BK: Array) -> Array:
    """(B,) float64 entropy in nats."""
    if isinstance(probabilities_BK, np.ndarray):
        return probabilities.entropy(probabilities_BK)
    rest_BK = _others(probabilities_BK.double())
    total_B = rest_BK.sum(dim=1) + probabilities_BK.double().amax(dim=1)
    rest_BK = rest_BK / total_B[:, None]
    rest_B = rest_BK.sum(dim=1)
    return -rest_BK.xlogy(rest_BK).sum(dim=1) - (1 - rest_B) * (-rest_B).log1p()


def residuals(probabilities_BK: Array) -> Array:
    """(B, K) p - e_y of the likeliest class y."""
    if isinstance(probabilities_BK, np.ndarray):
        residuals_BK = probabilities.others(probabilities_BK)
        # p_y - 1, written so that rows with p_y = 1.0 keep their digits.
        residuals_BK[np.arange(len(residuals_BK)), probabilities_BK.argmax(axis=1)] = -residuals_BK.sum(axis=1)
        return residuals_BK
    rest_BK = _others(probabilities_BK)
    return rest_BK.scatter(1, probabilities_BK.argmax(dim=1, keepdim=True), -rest_BK.sum(dim=1, keepdim=True))


def squared_norms(rows_BD: Array) -> Array:
    """(B,) squared lengths."""
    if isinstance(rows_BD, np.ndarray):
        norms_B: NDArray[Any] = np.einsum("bd,bd->b", rows_BD, rows_BD)
        return norms_B
    return (rows_BD * rows_BD).sum(dim=1)


def row_minimum(values_BC: Array) -> Array:
    """(B,) the least of each row."""
    if isinstance(values_BC, np.ndarray):
        least_B: NDArray[Any] = values_BC.min(axis=1)
        return least_B
    return values_BC.amin(dim=1)


def beside(values: NDArray[Any], others: Array) -> Array:
    """The values where the others are: as they are, or as a tensor of their dtype on their device."""
    return values if isinstance(others, np.ndarray) else others.new_tensor(values)


def array(values: Any) -> NDArray[Any]:  # noqa: ANN401  what plug-ins return too
    """The values in the computer's memory: a tensor is copied from its device, everything else stays as it is."""
    copied = getattr(values, "cpu", None)
    found: NDArray[Any] = values if copied is None else copied().numpy()
    return found


def _others(probabilities_BK: Tensor) -> Tensor:
    return probabilities_BK.scatter(1, probabilities_BK.argmax(dim=1, keepdim=True), 0)


def _summary(probabilities_BK: Tensor) -> tuple[Tensor, Tensor]:
    rest_BK = _others(probabilities_BK.double())
    total_B = rest_BK.sum(dim=1) + probabilities_BK.double().amax(dim=1)
    return rest_BK.sum(dim=1) / total_B, rest_BK.amax(dim=1) / total_B
