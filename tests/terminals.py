"""Commands on a pseudo-terminal: what was on the screen, when, and what stays there."""

import os
import pty
import re
import subprocess
import sys
import termios
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pyte

ROOT = Path(__file__).parent.parent
ROWS = 50
DOTS = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


@dataclass(frozen=True)
class Chunk:
    """What was written at once."""

    seconds: float
    """Since the command began."""
    cpu: float
    """CPU seconds that the command's own process had spent: on a loaded machine seconds say little."""
    written: bytes


@dataclass(frozen=True)
class Recording:
    """A command that has ended."""

    status: int
    columns: int
    chunks: tuple[Chunk, ...] = field(repr=False)

    @property
    def text(self) -> str:
        """All that was written, control sequences included."""
        return b"".join(chunk.written for chunk in self.chunks).decode()

    @property
    def final(self) -> list[str]:
        """The lines that stay, those that have scrolled away first."""
        screen = screen_after((chunk.written for chunk in self.chunks), self.columns)
        gone = ["".join(line[place].data for place in range(self.columns)) for line in screen.history.top]
        return [line.rstrip() for line in [*gone, *screen.display] if line.strip()]

    def lines(self) -> list[tuple[Chunk, str]]:
        """After each chunk, the line that the cursor is in."""
        screen = pyte.Screen(self.columns, ROWS)
        stream = pyte.ByteStream(screen)
        found = []
        for chunk in self.chunks:
            stream.feed(chunk.written)
            found.append((chunk, screen.display[screen.cursor.y].rstrip()))
        return found

    def first(self, pattern: str) -> Chunk:
        """The first chunk after which the cursor's line has this."""
        return next(chunk for chunk, line in self.lines() if re.search(pattern, line))


def screen_after(written: Iterable[bytes], columns: int) -> pyte.HistoryScreen:
    """A terminal's screen and what has scrolled out of it."""
    screen = pyte.HistoryScreen(columns, ROWS, history=10_000)
    stream = pyte.ByteStream(screen)
    for chunk in written:
        stream.feed(chunk)
    return screen


def record(folder: Path, *words: str, columns: int = 80, timeout: float = 300, **environment: str) -> Recording:
    """Run `labelbench ...` in a folder on a terminal of its own."""
    controller, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (ROWS, columns))
    inherited = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-m", "labelbench_ray", *words],
        cwd=folder,
        env=inherited | {"PYTHONPATH": str(ROOT), "TERM": "xterm-256color"} | environment,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    start, itself, chunks = time.monotonic(), psutil.Process(process.pid), []
    try:
        while written := _read(controller):
            chunks.append(Chunk(time.monotonic() - start, _cpu(itself), written))
            assert chunks[-1].seconds < timeout, chunks[-1]
    finally:
        if process.poll() is None and chunks and chunks[-1].seconds >= timeout:
            process.kill()
        os.close(controller)
    return Recording(process.wait(timeout), columns, tuple(chunks))


def _read(controller: int) -> bytes:
    try:
        return os.read(controller, 65536)
    except OSError:  # how Linux reports that the other side was closed
        return b""


def _cpu(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return times.user + times.system
