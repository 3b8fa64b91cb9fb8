"""A lock in an object store: a lease that its holder keeps renewing, taken over once it no longer does.

An object store has no locks, only conditional puts. The holder writes a new state every few seconds. A process that
waits and sees the same state for `LEASE_SECONDS` by its own clock puts its own name there, on the condition that the
state is still the same, so that exactly one of several succeeds. No clocks are compared. A holder that was only
suspended may wake up after it lost the lease: what must not be written twice is written by `atomic.publish_once`.
"""

import json
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from labelbench_ray.console.escaping import escaped
from labelbench_ray.storage.remote import Remote, Version

LEASE_SECONDS = 30.0
POLL_SECONDS = 1.0
NOTICE_SECONDS = 5.0
"""A process that waits longer for a lock logs which process holds it."""
FREE = ""
logger = logging.getLogger(__name__)


def waiting_words(path: Path | Remote, holder: str) -> str:
    """The message of a process that waits for a lock."""
    return escaped(f"waiting for {path}: {holder} holds it; work here goes on when that process ends")


@contextmanager
def leased(path: Remote) -> Iterator[Callable[[], bool]]:
    """Hold the lease, after waiting for a holder that was alive a moment ago; yields a check that it is still held."""
    owner = secrets.token_hex(8)
    version = _acquire(path, owner)
    over = threading.Event()
    keeper = threading.Thread(target=_keep, args=(path, owner, version, over), name="lease", daemon=True)
    keeper.start()
    try:
        yield lambda: _is_owner(path, owner)
    finally:
        over.set()
        keeper.join()


def renewed(path: Remote) -> bool:
    """Whether the lease is held and was renewed recently, by the store's clock and ours."""
    try:
        owner, _ = _owner_and_holder(path.read_bytes())
        return owner != FREE and datetime.now(UTC) - path.modified() < timedelta(seconds=2 * LEASE_SECONDS)
    except FileNotFoundError:
        return False


def _is_owner(path: Remote, owner: str) -> bool:
    """True also for a store that does not answer: what is written then is put conditionally, or fails."""
    try:
        return _owner_and_holder(path.read_bytes())[0] == owner
    except FileNotFoundError:
        return False
    except OSError:
        return True


def _acquire(path: Remote, owner: str) -> Version:
    seen: Version = {}
    began = since = time.monotonic()
    is_silent = True
    while True:
        try:
            return path.create(_state(owner, 0))
        except FileExistsError:
            pass
        try:
            data, version = path.read_version()
        except FileNotFoundError:
            time.sleep(POLL_SECONDS)  # it was just freed, or the store is not consistent yet
            continue
        found, holder = _owner_and_holder(data)
        if found == owner:
            return version  # ours: the answer to our own put was lost on its way
        if is_silent and found != FREE and time.monotonic() - began > NOTICE_SECONDS:
            logger.warning("%s", waiting_words(path, holder))
            is_silent = False
        if version != seen:
            seen, since = version, time.monotonic()
        if found == FREE or time.monotonic() - since > LEASE_SECONDS:
            with suppress(FileExistsError):
                return path.swap(_state(owner, 0), version)
        else:
            time.sleep(POLL_SECONDS)


def _keep(path: Remote, owner: str, version: Version, over: threading.Event) -> None:
    """Renew the lease until `over` is set, then free it; ends early when another process took it over."""
    for number in range(1, 1 << 62):
        ended = over.wait(LEASE_SECONDS / 3)
        try:
            version = path.swap(_state(FREE if ended else owner, number), version)
        except FileExistsError:
            try:
                data, version = path.read_version()
            except OSError:
                continue
            if _owner_and_holder(data)[0] != owner:
                return
        except OSError:
            pass  # retried soon; if that is too late, another process takes over
        if ended:
            return


def _state(owner: str, number: int) -> bytes:
    """Never the same bytes twice: a store may name a version by its content."""
    whose = f"{socket.gethostname()}, process {os.getpid()}" if owner else FREE
    return json.dumps({"owner": owner, "holder": whose, "number": number, "by": secrets.token_hex(4)}).encode()


def _owner_and_holder(data: bytes) -> tuple[str, str]:
    """The owner and the holder's name; "?" for an unreadable state, which no process renews."""
    try:
        state = json.loads(data)
        return str(state["owner"]), str(state["holder"])
    except (ValueError, KeyError, TypeError):
        return "?", "?"
