"""A table as text, the same for the page and the terminal."""

from dataclasses import dataclass
from typing import Final

from labelbench_ray.report import words
from labelbench_ray.report.protocols import Ratio
from labelbench_ray.report.statistics.paired import Estimate


@dataclass(frozen=True, slots=True)
class Cell:
    """A text with a smaller one below it, such as its interval."""

    text: str
    note: str = ""
    key: float | None = None
    """What the page sorts by, where the number in the text is not enough: seconds, bytes."""
    shade: float | None = None
    """0 .. 1: how dark the page makes the cell, for tables that are read as heat maps."""


NOTHING: Final = Cell(words.NONE)


@dataclass(frozen=True, slots=True)
class Table:
    """A head and rows of cells; the first cell of a row names the strategy or trial."""

    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def gain(estimate: Estimate, adjusted: float | None = None) -> Cell:
    """A difference in points over its interval, and p where it was adjusted."""
    tested = adjusted is not None and estimate.has_interval
    note = [words.points_interval(estimate), words.p_value(adjusted) if tested and adjusted is not None else ""]
    return Cell(words.signed(100 * estimate.value, words.digits(estimate)), ", ".join(filter(None, note)))


def seconds_cell(value: float) -> Cell:
    """A duration."""
    return Cell(words.seconds(value), key=value)


def size_cell(number: int) -> Cell:
    """A number of bytes."""
    return Cell(words.size(number), key=number)


def bounded(estimate: Estimate | None) -> Cell:
    """A mean that lies in -1 .. 1 over its interval."""
    if estimate is None:
        return NOTHING
    return Cell(words.signed(estimate.value, 2, plus=""), words.bounded_interval(estimate))


def ratio_cell(ratio: Ratio | None) -> Cell:
    """A ratio over the least and the largest of the seeds' own."""
    if ratio is None:
        return NOTHING
    low, high = words.times(ratio.low), words.times(ratio.high)
    return Cell(words.times(ratio.value), f"{low} to {high}" if low != high else "")
