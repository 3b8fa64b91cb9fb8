"""Progress of a command: what is being done, how much of it is done, and the time left.

On a terminal and in a notebook, one line that is redrawn and disappears at the end; elsewhere, a line of text every few
seconds.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from labelbench_ray.console.escaping import escaped
from labelbench_ray.console.notebook import notebook_line

QUIET_SECONDS = 10.0
"""Where output is not a terminal (a log, a CI job), a line is printed this often."""
NOTEBOOK_SECONDS = 0.5
"""A notebook's line is replaced no more often: each time is a message to the browser."""
FRAMES_PER_SECOND = 10
SHORTEST_BAR, LONGEST_BAR = 8, 40
SPINNER_CELLS = 2


@dataclass
class Meter:
    """The progress of one phase of a command. A phase without units (`total` is None) shows words only."""

    console: Console
    words: str
    total: float | None = None
    done: float = 0
    printed: float = field(init=False)
    """When a line was last printed, or the phase began."""
    started: tuple[float, float] = field(init=False)
    """When work began, and how much was done then."""
    first: tuple[float, float] | None = None
    """When the first unit was reported, and how much was done then: before it, workers start up."""
    ends: float | None = None
    """When the last unit will be done, as estimated at the last report."""
    write: Callable[[str], None] | None = None
    """Replaces a notebook's line; None elsewhere."""

    def __post_init__(self) -> None:
        self.printed = time.monotonic()
        self.started = (self.printed, self.done)

    def show(self, done: float, total: float, words: str) -> None:
        """Update the display. Reports without a new unit restart the clock: the phase is starting up."""
        now = time.monotonic()
        self.words, self.total = words, total
        if done > self.started[1]:
            since, before = self.first if self.first and done > self.first[1] else self.started
            self.first = self.first or (now, done)
            if done > self.done:
                self.ends = now + (now - since) / (done - before) * (total - done)
        else:
            self.started = (now, done)
        self.done = done
        if not animated(self.console) and now - self.printed >= (NOTEBOOK_SECONDS if self.write else QUIET_SECONDS):
            self.printed = now
            left = f", {self.time}" if self.ends else ""
            text = f"{words}: {done:,.0f} of {total:,.0f}{left}"
            if self.write:
                self.write(escaped(text))
            else:
                self.console.print(text, highlight=False, soft_wrap=True)

    @property
    def time(self) -> str:
        """The time left once a unit is done; until then, how long the phase has lasted."""
        now = time.monotonic()
        if self.ends is not None:
            return f"{duration(max(self.ends - now, 1.0))} left"
        return duration(now - self.started[0])


@dataclass(frozen=True)
class Line:
    """A meter as one line of a terminal, whatever its width: words give way first to the bar, then to the numbers."""

    meter: Meter
    dots: Spinner = field(default_factory=lambda: Spinner("dots"))
    letters: Spinner = field(default_factory=lambda: Spinner("line"))
    """For terminals that are limited to ASCII."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        # Read each once: another thread updates them.
        words, done, total, seconds = self.meter.words, self.meter.done, self.meter.total, self.meter.time
        count = "" if total is None else f"{done:,.0f}/{total:,.0f}"
        width, bar, numbers = layout(options.max_width, cell_len(words), len(count), len(seconds))
        spinner = self.letters if options.ascii_only else self.dots
        cells = [spinner.render(console.get_time()), _cut(words, width)]
        if bar:
            cells.append(ProgressBar(total=total, completed=done, width=bar))
        cells += [Text(text) for text, shown in zip((count, seconds), numbers, strict=True) if shown]
        line = Table.grid(padding=(0, 1, 0, 0))
        for _ in cells:
            line.add_column(no_wrap=True)
        line.add_row(*cells)
        yield line


def layout(width: int, words: int, count: int, time: int) -> tuple[int, int, tuple[bool, bool]]:
    """Cells for the words and for the bar (0: none), and whether the count and the time are shown."""
    free = width - SPINNER_CELLS - 1
    shown_count = bool(count) and count + 1 + min(words, SHORTEST_BAR) <= free
    free -= (count + 1) * shown_count
    shown_time = time + 1 + min(words, SHORTEST_BAR) <= free
    free -= (time + 1) * shown_time
    bar = min(free - words - 1, LONGEST_BAR) if count else 0
    if bar < SHORTEST_BAR:
        return max(min(words, free), 0), 0, (shown_count, shown_time)
    return words, bar, (shown_count, shown_time)


def _cut(words: str, cells: int) -> Text:
    text = Text(escaped(words))
    text.truncate(cells, overflow="ellipsis")
    return text


@contextmanager
def meter(console: Console, words: str, total: float | None = None, done: float = 0) -> Iterator[Meter]:
    """Show progress within the context; it disappears from a terminal afterwards."""
    shown = Meter(console, words, total, done)
    if console.is_jupyter and not console.quiet:
        shown.write = notebook_line(console)
        shown.write(escaped(words))
        try:
            yield shown
        finally:
            shown.write("")
        return
    if not animated(console):
        if console.file.isatty():  # a terminal that cannot redraw a line would show nothing for some seconds
            console.print(words, highlight=False, markup=False)
        yield shown
        return
    with Live(Line(shown), console=console, transient=True, refresh_per_second=FRAMES_PER_SECOND):
        yield shown


def animated(console: Console) -> bool:
    """Whether a line can be redrawn. FORCE_COLOR, as CI jobs set it, does not turn a log into a terminal."""
    return console.is_interactive and console.file.isatty()


def duration(seconds: float) -> str:
    """A length of time in words: 8 s, 3 min 20 s, 2 h 5 min."""
    total = round(seconds)
    if total < 60:
        return f"{total} s"
    if total < 3600:
        return f"{total // 60} min {total % 60} s"
    return f"{total // 3600} h {total % 3600 // 60} min"
