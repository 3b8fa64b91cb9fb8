"""Where the time of a selection goes, as fractions of what plain matrix products and reads reach on the same core.

The model counts what the textbook form of a strategy multiplies and adds over N rows, and how often it must read the
pool at least; comparisons, exponentials, sorting and the driver count nothing. A strategy that leaves products out (by
bounds, say) does less than the model, so its fraction may be above 1: that is work avoided, not speed. The rate that
it is held against is that of the float32 product (N, D) @ (D, width) in blocks, on one thread, where the width is that
of the strategy's own products.
"""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from pools import Shape
from threadpoolctl import threadpool_limits

from labelbench_ray.types import BLOCK_ROWS

WIDE = 512


@dataclass(frozen=True, slots=True)
class Model:
    """What a strategy does at least, in words and numbers."""

    words: str
    flops: float
    width: int
    """Of the products that the flops are spent in."""


def models(shape: Shape, budget: int) -> dict[str, Model]:
    """By the name of the strategy: 2 flops for a multiplication with its addition."""
    rows, dimensions, classes = shape.rows, shape.dimensions, shape.classes
    probabilities = 2 * rows * dimensions * classes
    scoring = Model("the logits: 2 N D K", probabilities, classes)
    distances = 2 * rows * dimensions
    return {
        **dict.fromkeys(("confidence", "margin", "entropy", "galaxy", "direct"), scoring),
        "coreset": Model(
            "distances to all labels and picks: 2 N D (L + budget)", distances * (shape.labeled + budget), WIDE
        ),
        "badge": Model(
            "the logits, and distances of gradients to the picks: 2 N D K + 2 N (D + K) budget",
            probabilities + 2 * rows * (dimensions + classes) * budget,
            WIDE,
        ),
        "bait": Model(
            "two products with every row for each of 2 budget picks: 8 N D budget", 4 * distances * budget, WIDE
        ),
    }


NAMES = ("margin", "entropy", "coreset", "badge", "bait", "galaxy", "direct")


def against_products(shape: Shape, budget: int, found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The machine's rates, and every strategy's fractions of them."""
    known = models(shape, budget)
    with threadpool_limits(1):
        rates = {width: product_rate(shape, width) for width in {shape.classes, WIDE}}
        pool_seconds = read_seconds(shape)
    answers: dict[str, Any] = {
        "product_gflops_by_width": {width: rate / 1e9 for width, rate in rates.items()},
        "read_pool_seconds": pool_seconds,
        "read_gib_per_second": shape.rows * shape.dimensions * 4 / 2**30 / pool_seconds,
    }
    for name, measured in found.items():
        if name not in known or "failed" in measured:
            answers[name] = measured
            continue
        model, seconds = known[name], measured["cpu_seconds"]
        answers[name] = {
            "cpu_seconds": seconds,
            "model": model.words,
            "fraction_of_product_rate": model.flops / rates[model.width] / seconds,
            "fraction_of_bandwidth_of_one_read": pool_seconds / seconds,
        }
    return answers


def product_rate(shape: Shape, width: int) -> float:
    """Flops a second of (N, D) @ (D, width), block by block; the best of three."""
    pool_ND = np.ones((shape.rows, shape.dimensions), np.float32)
    other_DW = np.ones((shape.dimensions, width), np.float32)

    def once() -> float:
        start = time.process_time()
        for first in range(0, shape.rows, BLOCK_ROWS):
            pool_ND[first : first + BLOCK_ROWS] @ other_DW
        return time.process_time() - start

    return 2 * shape.rows * shape.dimensions * width / min(once() for _ in range(3))


def read_seconds(shape: Shape) -> float:
    """CPU seconds of reading a pool of that shape once, adding it up; the best of three."""
    pool_ND = np.ones((shape.rows, shape.dimensions), np.float32)

    def once() -> float:
        start = time.process_time()
        pool_ND.sum()
        return time.process_time() - start

    return min(once() for _ in range(3))
