"""Limits of a trial: a watch in its own process ends the process, on record, when it takes too much memory or time.

A limit must hold against code that never returns, so nothing is asked of the trial itself: a thread looks at it from
beside. Code that hangs without letting other threads run is ended by `faulthandler`, which runs outside of Python and
can write no record.
"""

import faulthandler
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import psutil  # type: ignore[import-untyped]

from labelbench_ray.ledger.trials import Failure

GIB: Final = 2**30
SECONDS_BETWEEN_LOOKS: Final = 0.5
GRACE_SECONDS: Final = 15.0
"""After a time limit, until a process is ended that lets no thread of ours run."""
ENDED: Final = 70
"""Exit status of a process that a limit ended."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a trial may take; None: as much as it wants."""

    memory_gib: float | None = None
    """Private memory of its process: Python and its packages included, mapped embeddings and shared memory not."""
    round_minutes: float | None = None
    """Time without a new round; the first one's time includes starting."""

    def passed(self, private_bytes: int, seconds: float) -> str:
        """Which limit is passed, in words; "" while none is."""
        if self.memory_gib is not None and private_bytes > self.memory_gib * GIB:
            return (
                f"memory limit: the trial's process holds {private_bytes / GIB:.2f} GiB of its own, "
                f"--memory-per-trial allows {self.memory_gib:g}; ended, raise the limit or ask for less"
            )
        if self.round_minutes is not None and seconds > self.round_minutes * 60:
            return (
                f"time limit: no round was finished for {seconds / 60:.3g} min, --round-minutes allows "
                f"{self.round_minutes:g}; ended, raise the limit or see the traceback for where it was"
            )
        return ""


@dataclass(slots=True)
class Watch:
    """Looks at this process, and at the thread that made it, from a thread of its own."""

    limits: Limits
    record: Callable[[Failure], None]
    """Called before the process ends."""
    trial_thread: int = field(default_factory=threading.get_ident)
    last_round: float = field(default_factory=time.monotonic)
    over: threading.Event = field(default_factory=threading.Event)

    def round_done(self) -> None:
        """The next round has its own time."""
        self.last_round = time.monotonic()
        if self.limits.round_minutes is not None:
            faulthandler.dump_traceback_later(self.limits.round_minutes * 60 + GRACE_SECONDS, exit=True, file=2)

    def look(self) -> None:
        """Until it is over, or a limit is passed, which ends the process."""
        process = psutil.Process()
        while not self.over.wait(SECONDS_BETWEEN_LOOKS):
            memory = process.memory_info()
            if error := self.limits.passed(memory.rss - memory.shared, time.monotonic() - self.last_round):
                self._end(error)

    def _end(self, error: str) -> None:
        stack = "".join(traceback.format_stack(sys._current_frames().get(self.trial_thread)))
        try:
            self.record(Failure.of(error, f"where the trial was:\n{stack}"))
        except Exception:
            traceback.print_exc()  # it cannot be written down: the limit holds all the same
        sys.stderr.flush()
        os._exit(ENDED)


@contextmanager
def watched(limits: Limits, record: Callable[[Failure], None]) -> Iterator[Callable[[], None]]:
    """Hold what happens inside to the limits; yields what is to be called after each round.

    Args:
        record: writes down why; called in another thread, and the process ends at once when it returns.
    """
    if limits == Limits():
        yield lambda: None
        return
    watch = Watch(limits, record)
    thread = threading.Thread(target=watch.look, name="limits", daemon=True)
    watch.round_done()
    thread.start()
    try:
        yield watch.round_done
    finally:
        watch.over.set()
        faulthandler.cancel_dump_traceback_later()
        thread.join()
