"""What issue 3 asks of `select`, beside what LabelBench takes."""

from dataclasses import dataclass

MIB_EXTRA = 512
BYTES_A_ROW = 300
EXPONENT = 1.1
OTHERS_SECONDS = 20.0
"""CPU seconds of each strategy that is not in the table."""
SCORERS_RATIO = 0.6


@dataclass(frozen=True, slots=True)
class Limit:
    """CPU seconds of choosing 1,000 of 50,000 x 512 rows."""

    labelbench: float | None
    at_most: float


TABLE = {
    "confidence": {10: Limit(0.03, 0.03), 100: Limit(0.09, 0.09)},
    "margin": {10: Limit(0.03, 0.03), 100: Limit(0.09, 0.09)},
    "entropy": {10: Limit(0.03, 0.03), 100: Limit(0.09, 0.09)},
    "coreset": {10: Limit(43.7, 0.45), 100: Limit(46, 0.5)},
    "badge": {10: Limit(22.3, 0.3), 100: Limit(27, 0.35)},
    "galaxy": {10: Limit(16.9, 0.2), 100: Limit(26, 1.0)},
    "direct": {10: Limit(38, 0.3), 100: Limit(18, 1.5)},
    "bait": {10: Limit(29.5, 15), 100: Limit(5761, 20)},
}
TIGHT_SECONDS = {"coreset": 4.0, "badge": 1.0}
"""CPU seconds on the pool of 500 tight clusters."""

IMAGENET_SECONDS = {
    **dict.fromkeys(("random", "confidence", "margin", "entropy", "power_margin", "cluster_margin"), 90.0),
    **dict.fromkeys(("badge", "coreset"), 300.0),
    **dict.fromkeys(("direct", "galaxy"), 900.0),
}
"""Wall seconds on two cores."""
IMAGENET_GIB = 6.0
TEN_MILLION = ("margin", "badge")
TEN_MILLION_GIB = 8.0
SCORED = ("margin", "badge", "coreset")


def seconds(strategy: str, classes: int) -> Limit:
    """The limit of a strategy in the table; K that the issue does not name have those of its K = 100."""
    row = TABLE.get(strategy)
    if row is None:
        return Limit(None, OTHERS_SECONDS)
    return row.get(classes, row[100])


def extra_mib(strategy: str, rows: int, classes: int) -> float:
    """Memory beyond what the process held before; galaxy may keep an order (4 bytes) of the rows for every class."""
    orders = 4 * classes if strategy == "galaxy" else 0
    return MIB_EXTRA + (BYTES_A_ROW + orders) * rows / 2**20
