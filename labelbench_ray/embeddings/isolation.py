"""Decoding rows where a row that ends its process does no harm: in child processes, or under a watch.

A decoder is foreign code: a C library that crashes, an exit, a loop, an allocation without limit. Rows are decoded in
the process that has read them, which is fast, and a row that hangs there ends that process. Once processes died of a
shard, its rows are decoded `apart`: in short-lived children, each of which holds one row at a time. A row that ends its
child, or that takes too long, becomes a reject. A child imports the encoder's module alone (0.3 CPU s for ours, without
torch and Ray) and what its `prepare_decoding` needs. This module does not use Ray.
"""

import faulthandler
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe
from queue import LifoQueue
from typing import Final

from labelbench_ray.datasets import Payload
from labelbench_ray.datasets.images import OUT_OF_MEMORY
from labelbench_ray.encoders import Decoded, Encoder
from labelbench_ray.environment import ROW_SECONDS
from labelbench_ray.errors import DataError, PluginError
from labelbench_ray.user_code import raised

SUSPECT: Final = 1 / 3
"""Share of a row's time after which it ends a process that other rows share; its shard then moves to children."""
ROW_GIB: Final = 4
"""Memory that a child may allocate."""
START_SECONDS: Final = 120.0
"""For a child to import the encoder's module."""
CHILDREN: Final = 4
"""Children at a time, so that the other rows do not wait for one that hangs."""
TRIES: Final = 2
"""A row is rejected after it ended this many children: an earlier row or a full machine may have ended the first."""
GRACE_SECONDS: Final = 10.0
"""After its time, until a child ends itself because its parent is gone."""
SECONDS_BETWEEN_RENEWALS: Final = 1.0
PROGRAM: Final = "import sys; from labelbench_ray.embeddings.isolation import serve; serve(int(sys.argv[1]))"


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that cannot be decoded, and why; the reason is reproducible, since a shard's hash covers it."""

    reason: str


Outcome = Decoded | Rejected
Decoding = Callable[[Sequence[Payload]], Iterator[Outcome]]
"""A way to decode rows: one outcome for each, in their order."""


def decode_row(encoder: Encoder, payload: Payload) -> Outcome:
    """Decode one row; the error of its decoder is the reason."""
    try:
        return encoder.decode(payload)
    except MemoryError:
        return Rejected(OUT_OF_MEMORY)
    except SystemExit as error:  # would end a Ray worker silently
        return _ended(error.code if isinstance(error.code, int) else int(error.code is not None))
    except (ValueError, OSError) as error:
        return Rejected(str(error))


def decode_here(encoder: Encoder, payloads: Sequence[Payload]) -> Iterator[Outcome]:
    """Decode in this process, without a time limit."""
    return (decode_row(encoder, payload) for payload in payloads)


def decode_watched(encoder: Encoder, payloads: Sequence[Payload], seconds: float) -> Iterator[Outcome]:
    """Decode in this process, which ends with status 1, at most a second late, if a row takes longer."""
    encoder.prepare_decoding()
    with _ends_itself(seconds) as renew:
        for payload in payloads:
            yield decode_row(encoder, payload)
            renew()


@contextmanager
def _ends_itself(seconds: float) -> Iterator[Callable[[], None]]:
    """`faulthandler` ends the process even while C code blocks Python; each renewal costs a thread."""
    renewed = -SECONDS_BETWEEN_RENEWALS

    def renew() -> None:
        nonlocal renewed
        if time.monotonic() - renewed >= SECONDS_BETWEEN_RENEWALS:
            faulthandler.dump_traceback_later(seconds + SECONDS_BETWEEN_RENEWALS, exit=True, file=2)
            renewed = time.monotonic()

    renew()
    try:
        yield renew
    finally:
        faulthandler.cancel_dump_traceback_later()


@contextmanager
def apart(encoder: Encoder, seconds: float = ROW_SECONDS, children: int = CHILDREN) -> Iterator[Decoding]:
    """A way to decode rows in several children, which end with the context.

    Decoding raises `DataError` where a child ends before it can decode anything, and `PluginError` for what a decoder
    raises that does not mean "reject".

    Args:
        seconds: limit for one row.
    """
    lanes = [_Lane(encoder, seconds) for _ in range(children)]
    idle: LifoQueue[_Lane] = LifoQueue()
    for each in lanes:
        idle.put(each)

    def decode(payload: Payload) -> Outcome:
        lane = idle.get()
        try:
            return lane.decode(payload)
        finally:
            idle.put(lane)

    threads = ThreadPoolExecutor(children, thread_name_prefix="decode-apart")
    try:
        yield lambda payloads: threads.map(decode, payloads)
    finally:
        _close(lanes)  # rows that are being decoded end with their children
        threads.shutdown(cancel_futures=True)
        _close(lanes)


def _close(lanes: Sequence["_Lane"]) -> None:
    for lane in lanes:
        lane.closed.set()
        if lane.child:
            lane.child.end()


@dataclass
class _Lane:
    """Decodes one row after another in a child, which is replaced when it ends."""

    encoder: Encoder
    seconds: float
    child: "_Child | None" = None
    closed: threading.Event = field(default_factory=threading.Event)

    def decode(self, payload: Payload) -> Outcome:
        status = 0
        for _ in range(TRIES):
            child = self.child = self.child or _Child(self.encoder, self.seconds)
            if self.closed.is_set():  # while the child started
                child.end()
                break
            try:
                return child.decode(payload)
            except TimeoutError:
                child.end()
                self.child = None
                return Rejected(f"decoding this row took longer than {self.seconds:g} s")
            except (EOFError, ConnectionError):
                status = child.end()
                self.child = None
        return _ended(status)


class _Child:
    """A process that decodes the rows that it is sent, until it is ended or its parent is gone."""

    def __init__(self, encoder: Encoder, seconds: float) -> None:
        self._seconds = seconds
        self._pipe, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                process_group=0,  # Ctrl-C goes to the parent, which ends its children
                env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            )
        try:
            self._pipe.send((encoder, seconds))
            if not self._pipe.poll(START_SECONDS):
                raise TimeoutError
            self._pipe.recv()
        except (EOFError, OSError) as error:
            raise DataError(
                f"{encoder!r}: a process that imports this encoder ends with {_named(self.end())} before it decodes a "
                "row; fix what its module does on import"
            ) from error

    def decode(self, payload: Payload) -> Outcome:
        """Raises `TimeoutError`, or `EOFError` or `ConnectionError` where the child ended."""
        self._pipe.send(payload)
        if not self._pipe.poll(self._seconds):
            raise TimeoutError
        outcome: Outcome | PluginError = self._pipe.recv()
        if isinstance(outcome, PluginError):
            raise outcome
        return outcome

    def end(self) -> int:
        """End it; returns its exit status, in the form of `subprocess`."""
        with suppress(subprocess.TimeoutExpired, OSError):
            if self._pipe.poll(0):  # closed at its end: it is about to leave its own status
                self._process.wait(1)
        self._process.kill()
        return self._process.wait()


def serve(descriptor: int) -> None:
    """What a child does."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = ROW_GIB * 2**30
    resource.setrlimit(resource.RLIMIT_DATA, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
    with Connection(descriptor) as parent, suppress(EOFError, ConnectionError):
        encoder, seconds = parent.recv()
        with suppress(Exception):  # what is wrong shows again when a row is decoded
            encoder.prepare_decoding()
        parent.send(None)
        while True:
            payload = parent.recv()
            faulthandler.dump_traceback_later(seconds + GRACE_SECONDS, exit=True)
            parent.send(_served(encoder, payload))
            faulthandler.cancel_dump_traceback_later()


def _served(encoder: Encoder, payload: Payload) -> Outcome | PluginError:
    """What cannot be pickled would end the child: another error travels as its text, with the user's frames."""
    try:
        return decode_row(encoder, payload)
    except Exception as error:
        return PluginError(f"decoding a row by {encoder!r}: {raised(error)}")


def _ended(status: int) -> Rejected:
    return Rejected(f"decoding this row ended the process with {_named(status)}")


def _named(status: int) -> str:
    """How a process ended, as people know it."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
