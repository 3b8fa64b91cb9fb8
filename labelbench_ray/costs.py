"""What things cost: time by stage, bytes written, and what that is in money.

Wall, CPU and GPU seconds are facts and are recorded; prices are the reader's, and nothing that is recorded depends on
them.
"""

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Self

from pydantic import Field, NonNegativeFloat

from labelbench_ray.plugins import Frozen

HOUR: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds on the clock, CPU seconds, GPU seconds (those that a GPU was held), and bytes written."""

    wall: float = 0.0
    cpu: float = 0.0
    gpu: float = 0.0
    bytes_written: int = 0

    def __add__(self, other: Self) -> "Cost":
        return Cost(
            self.wall + other.wall,
            self.cpu + other.cpu,
            self.gpu + other.gpu,
            self.bytes_written + other.bytes_written,
        )

    @property
    def computing(self) -> float:
        """CPU and GPU seconds together."""
        return self.cpu + self.gpu

    def part(self, share: float) -> "Cost":
        """This share of it."""
        return Cost(self.wall * share, self.cpu * share, self.gpu * share, round(self.bytes_written * share))


NOTHING: Final = Cost()


def total(spent: Iterable[Cost]) -> Cost:
    """The sum."""
    return sum(spent, NOTHING)


class Prices(Frozen):
    """What a label, an hour of a CPU core and an hour of a GPU cost. The defaults are assumptions, not measurements."""

    label: NonNegativeFloat = 0.05
    """About what a crowd worker's answer to one picture costs."""
    cpu_hour: NonNegativeFloat = 0.05
    """About what clouds ask for a core on demand."""
    gpu_hour: NonNegativeFloat = 2.5
    """About what clouds ask for a data center's GPU on demand."""
    currency: str = Field("USD", min_length=1, max_length=8)

    def money(self, spent: Cost, labels: float = 0) -> float:
        """The price of this computing and of this number of labels."""
        return labels * self.label + spent.cpu / HOUR * self.cpu_hour + spent.gpu / HOUR * self.gpu_hour


ASSUMED: Final = Prices()


def cpu_seconds() -> float:
    """CPU seconds of this process and of the children that it has waited for."""
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


@dataclass(frozen=True, slots=True)
class Stopwatch:
    """Measures stages of one process; the time of a nested stage is not counted in the outer one."""

    spent: dict[str, Cost] = field(default_factory=dict)
    """By stage, since the last lap."""
    _inner: list[Cost] = field(default_factory=list)
    """What stages within each stage that is running took."""

    @contextmanager
    def stage(self, name: str, gpus: float = 0.0) -> Iterator[None]:
        """Add the time inside to a stage that holds this number of GPUs."""
        wall, cpu = time.perf_counter(), time.process_time()
        self._inner.append(Cost())
        try:
            yield
        finally:
            whole = Cost(time.perf_counter() - wall, time.process_time() - cpu)
            inner = self._inner.pop()
            own = Cost(whole.wall - inner.wall, whole.cpu - inner.cpu, gpus * (whole.wall - inner.wall))
            self.spent[name] = self.spent.get(name, Cost()) + own
            if self._inner:
                self._inner[-1] += whole

    def elsewhere(self, name: str, spent: Cost) -> None:
        """Add the cost of other processes to a stage."""
        self.spent[name] = self.spent.get(name, Cost()) + spent

    def lap(self) -> dict[str, Cost]:
        """What was spent since the last lap, by stage; starts anew."""
        spent = dict(self.spent)
        self.spent.clear()
        return spent
