"""What people see while a command works: done, running, failed, and the time left."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

QUIET_SECONDS = 10.0
"""Where output is no terminal (a log, a CI job), a line is printed this often."""


@dataclass
class Meter:
    """One bar on a terminal, or a line every few seconds elsewhere."""

    console: Console
    bar: Progress
    task: Any
    printed: float = field(default_factory=time.monotonic)
    began: tuple[float, float] | None = None
    """When the first work was done, and how much: what came before is starting up, and says nothing of the speed."""

    def show(self, done: float, total: float, words: str) -> None:
        """Bring the display up to date."""
        self.bar.update(self.task, completed=done, total=total, description=words)
        now = time.monotonic()
        if self.began is None and done:
            self.began = (now, done)
        if not self.console.is_terminal and now - self.printed >= QUIET_SECONDS:
            self.printed = now
            self.console.print(f"{words}: {done:g} of {total:g}{self._left(now, done, total)}", highlight=False)

    def _left(self, now: float, done: float, total: float) -> str:
        if self.began is None or done <= self.began[1]:
            return ""
        return f", {duration((now - self.began[0]) / (done - self.began[1]) * (total - done))} left"


@contextmanager
def meter(console: Console, words: str) -> Iterator[Meter]:
    """Show progress while inside."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),  # the total is None until the first unit is reported
        TimeElapsedColumn(),
        TextColumn("elapsed,"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        yield Meter(console, bar, bar.add_task(words, total=None))


def duration(seconds: float) -> str:
    """Seconds as people say them: 8 s, 3 min 20 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
