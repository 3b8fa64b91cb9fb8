"""What a run may take, by `--max-hours` and `--max-cost`: reached, it ends between rounds and can be resumed.

Hours pass on the clock from when the run has its plan. The cost is what this run adds: the CPU and GPU seconds that it
records, of embeddings and of rounds, and the labels that people give in its rounds, at the prices of the report. Labels
that an oracle simulates cost nothing. Computers that wait, and rounds under way, are not part of it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from labelbench_ray.costs import HOUR, Cost, Prices


@dataclass
class SpendingLimit:
    """Adds up what a run takes and states which limit is reached; None: no such limit."""

    max_hours: float | None = None
    max_cost: float | None = None
    prices: Prices = field(default_factory=Prices)
    clock: Callable[[], float] = time.monotonic
    spent: float = 0.0
    """In the currency of the prices."""
    began: float = field(init=False)

    def __post_init__(self) -> None:
        self.began = self.clock()

    def add(self, computing: Cost, labels: int = 0) -> None:
        """Count computing and labels of people."""
        self.spent += self.prices.money(computing, labels)

    @property
    def reached(self) -> str | None:
        """The limit that is reached, in words; None while there is none."""
        hours = (self.clock() - self.began) / HOUR
        if self.max_hours is not None and hours >= self.max_hours:
            return f"--max-hours {self.max_hours:g} is reached after {hours:.2f} hours"
        if self.max_cost is not None and self.spent >= self.max_cost:
            currency = self.prices.currency
            return f"--max-cost {self.max_cost:g} is reached: this run took {self.spent:.2f} {currency}"
        return None
