"""Ctrl-C and SIGTERM: a command ends within seconds, whatever it is doing, and states how to resume it.

The first signal is raised as KeyboardInterrupt in the main thread, so that the command ends as after an error: Ray is
shut down, drafts are deleted. A second signal, or an end that takes longer than `ENDING_SECONDS`, ends the process at
once. That loses nothing more: records are published atomically, locks die with their process, and a local Ray dies with
its driver.

Imports nothing heavy: it handles signals while everything else is still being imported.
"""

import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

from labelbench_ray.console.redaction import redacted_command
from labelbench_ray.console.standard_streams import ERASE_LINE, SHOW_CURSOR, can_erase

ENDING_SECONDS = 15.0
"""Code that swallows the interrupt, or that ends slowly, gets no more time."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)
RESUMABLE = {"embed", "run", "finetune", "sync"}
"""Commands that resume where they ended."""
OURS = {"labelbench", "__main__"}
"""How the command line is started; a script or a notebook is called otherwise."""
JOB_VARIABLE = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""Ray sets it in the driver of a submitted job."""


@dataclass
class Interruption:
    """Handles the signals and remembers the first: the exception that is caught later may be another one."""

    received: signal.Signals | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        if self.received is not None:
            name = signal.Signals(number).name
            end_at_once(128 + number, f"ended at once by a second signal, {name}; {how_to_go_on()}")
        self.received = signal.Signals(number)
        patience = threading.Timer(ENDING_SECONDS, end_at_once, (self.status, f"{self.words}; it did not end in time"))
        patience.daemon = True
        patience.start()
        raise KeyboardInterrupt

    @property
    def status(self) -> int:
        """The exit status, as shells have it: 130 after SIGINT, 143 after SIGTERM."""
        return 128 + (self.received or signal.SIGINT)

    @property
    def words(self) -> str:
        """What happened and how to go on."""
        return f"interrupted by {signal.Signals(self.status - 128).name}; {how_to_go_on()}"


@contextmanager
def handling_signals() -> Iterator[Interruption]:
    """Handle signals, except those that this process ignores (`nohup`, a shell's background job)."""
    interruption = Interruption()
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, interruption)
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def handlers_kept() -> Iterator[None]:
    """Keep the signal handlers while Ray starts: Ray's own handler of SIGTERM takes a minute to end the process."""
    set_handler, before = signal.signal, {number: signal.getsignal(number) for number in SIGNALS}
    signal.signal = lambda number, handler: signal.getsignal(number)  # type: ignore[assignment]
    try:
        yield
    finally:
        signal.signal = set_handler
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                signal.signal(number, handler)  # once more: Ray's core has set one below Python's


def end_at_once(status: int, words: str) -> NoReturn:
    """End this process without any cleanup except of the terminal."""
    try:
        if can_erase(sys.__stdout__ or sys.stdout):  # progress may be shown there
            os.write(1, f"{ERASE_LINE}{SHOW_CURSOR}".encode())
        os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, f"{words}\n".encode(errors="surrogateescape"))
    finally:  # also if the streams are closed
        os._exit(status)


def how_to_go_on() -> str:
    """How to resume the command, without passwords; every finished round, shard and fine-tune is recorded."""
    if Path(sys.argv[0]).stem not in OURS:
        return "what is finished is recorded, and the same call goes on"
    words = redacted_command(sys.argv[1:])
    name = [sys.executable, "-m", __package__] if sys.argv[0].endswith("__main__.py") else ["labelbench"]
    again = "submit the same entrypoint again" if JOB_VARIABLE in os.environ else "the same command goes on"
    return f"what is finished is recorded, and {again}: {shlex.join([*name, *words])}"
