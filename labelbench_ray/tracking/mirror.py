"""A copy of the ledgers in an experiment tracker such as MLflow, written by one thread of the driver.

The tracker can be down, slow or deleted without any effect on trials. What it did not accept is tried again, at longer
and longer intervals, while the sweep goes on. `labelbench sync`, or the next run, writes what is missing at the end.
"""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from labelbench_ray.console.redaction import redacted
from labelbench_ray.errors import UserError
from labelbench_ray.tracking.runs import TrackedRun, read_tracked_run

FIRST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE_AT_THE_END = 0.5, 30.0, 4.0
"""Seconds between tries, each twice the last."""
REST = 9.0
"""CPU seconds of rest for each one of writing while trials run, which come first."""
SECONDS_AN_ENTRY = 0.1
"""What an entry that is still to be written at the end adds to the time that is waited."""


class Tracker(Protocol):
    """The runs of one experiment in a tracker. Every method may be called again after it raised."""

    def start(self) -> None:
        """Mark the experiment as running."""

    def log(self, run: TrackedRun) -> None:
        """Write the rounds of a trial, or the records of a fine-tune, that are not there yet, and its state."""

    def attach(self, path: Path) -> None:
        """Write a file of the experiment, such as its report, in place of an earlier one of that name."""

    def end(self) -> None:
        """Mark the experiment as finished."""


class Mirror:
    """Accepts finished trials from any thread and writes them to a tracker from its own."""

    def __init__(
        self, connect: Callable[[], Tracker], is_outage: Callable[[Exception], bool], name: str, address: str
    ) -> None:
        """A mirror that starts at once.

        Args:
            connect: opens the tracker; called again after each outage.
            is_outage: whether to try again after an error; otherwise the entry is refused for good.
            name: the tracker's, for messages.
            address: where it is; a password in it is never shown.
        """
        self._connect, self._is_outage, self._name, self._address = connect, is_outage, name, address
        self._waiting: dict[Path, None] = {}
        """In the order of submission; an entry that is submitted again before its turn is written once."""
        self._current: Path | None = None
        self._news = threading.Condition()
        self._ending = threading.Event()
        self._tracker: Tracker | None = None
        self._answered = False
        """The tracker has answered once, so that waiting for it at the end is worth it."""
        self._problem = ""
        self._refused: list[str] = []
        self._thread = threading.Thread(target=self._work, name="mirror", daemon=True)
        self._thread.start()

    def submit(self, path: Path) -> None:
        """Queue a trial's directory, a fine-tune's, or the report's page."""
        with self._news:
            self._waiting[path] = None
            self._news.notify()

    def finish(self, seconds: float) -> str:
        """Wait at most this long, and longer for many entries, until all is written.

        Returns what is wrong in one line, "" when nothing is.

        A tracker that has never answered gets one last try and no wait.
        """
        with self._news:
            self._ending.set()
            self._news.notify()
        seconds += SECONDS_AN_ENTRY * len(self._waiting) if seconds and self._answered else 0
        self._thread.join(seconds)
        problems = [f"refused {refused}" for refused in self._refused]
        if missing := len({*self._waiting, self._current} - {None}):
            why = self._problem or f"it is slow, {seconds:g} s were not enough"
            problems.append(f"did not take {missing} {'entry' if missing == 1 else 'entries'}: {why}")
        elif self._problem or self._thread.is_alive():
            problems.append(f"did not note the end of the experiment: {self._problem or 'it is slow'}")
        return f"{self._name} at {redacted(self._address)} {'; '.join(problems)}" if problems else ""

    def _work(self) -> None:
        pauses, last_tries = _pauses(), 0
        while True:
            path = self._next()
            last_tries += self._ending.is_set() and not self._answered
            before = time.thread_time()
            try:
                self._write(path)
            except Exception as error:  # no error may reach the trials; `finish` reports it
                text = redacted(f"{type(error).__name__}: {error}", self._address)
                if path and not self._is_outage(error):
                    self._refused.append(f"{path.name}: {error if isinstance(error, UserError) else text}")
                    continue
                self._keep()
                self._problem, self._tracker = text, None  # reconnecting reads what is there: an answer may be lost
                if last_tries > 1:
                    return
                if self._pause(next(pauses)):
                    pauses = _pauses()
                continue
            pauses, self._problem = _pauses(), ""
            if path is None:
                return
            self._ending.wait(REST * (time.thread_time() - before))

    def _next(self) -> Path | None:
        """The entry whose turn it is; None when there is none and there will be none."""
        with self._news:
            self._current = None
            self._news.wait_for(lambda: self._waiting or self._ending.is_set())
            self._current = next(iter(self._waiting), None)
            if self._current:
                del self._waiting[self._current]
            return self._current

    def _keep(self) -> None:
        """Queue the current entry after all others, which get through if this one alone makes the tracker fail."""
        with self._news:
            if self._current:
                self._waiting[self._current] = None

    def _write(self, path: Path | None) -> None:
        """Write an entry; None: the end of the experiment."""
        if path is None and not self._answered:
            return
        if self._tracker is None:
            self._tracker = self._connect()
            self._tracker.start()
            self._answered = True
        if path is None:
            self._tracker.end()
        elif path.is_dir():
            self._tracker.log(read_tracked_run(path))
        else:
            self._tracker.attach(path)

    def _pause(self, seconds: float) -> bool:
        """Wait before the next try; returns whether the end came during the wait, which is a reason to try at once."""
        if self._ending.is_set():
            threading.Event().wait(min(seconds, LONGEST_PAUSE_AT_THE_END))
            return False
        return self._ending.wait(seconds)


class NoMirror:
    """Stands in for a mirror where the tracker is not installed: keeps nothing."""

    def submit(self, path: Path) -> None:
        """Nothing."""

    def finish(self, seconds: float) -> str:
        """Nothing is wrong."""
        return ""


AnyMirror = Mirror | NoMirror


def _pauses() -> Iterator[float]:
    return (min(FIRST_PAUSE * 2**turn, LONGEST_PAUSE) for turn in itertools.count())
