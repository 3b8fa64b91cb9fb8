"""Connecting to Ray: a cluster by address, or a local one for as long as the command runs."""

import gc
import logging
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress

# Read when Ray is imported. Tune's own display is off: the driver shows trials, failures and the time left itself.
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
# Tune's own record of the sweep is not written either: that takes longer with every trial, and the ledger replaces it.
os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", "1000000000")
# Workers stay where the command was started: relative paths in settings (weights, templates) mean the same there.
os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
# A trial that ends with an error reports no score.
os.environ.setdefault("TUNE_DISABLE_STRICT_METRIC_CHECKING", "1")
# Our handler ends the command; Tune's would end only the sweep and continue with the report.
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")

import ray
from ray.util.client import ray as client

from labelbench_ray.cluster.address import ASKED_SECONDS, call, check_address, check_answers
from labelbench_ray.cluster.servers import check_ray_answers
from labelbench_ray.console.interruption import end_at_once, handlers_kept, how_to_go_on
from labelbench_ray.environment import ONE_THREAD
from labelbench_ray.errors import ConfigError

LOST_SECONDS = 40.0
"""A head that has not answered for so long counts as lost. Ray's core gives up after 60 s, and ends the process with
words of its own."""
ANNOUNCEMENT = b"Set ray log level from environment variable"
CHATTY = ("ray.data", "ray.tune", "ray._private.authentication")
LISTING = "ray.tune.tune"
"""Lists, as an error, the slots of a sweep whose workers died; their jobs have been resumed or reported."""


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Join the cluster at `address` (or the one that runs this job), else start a local one; leave it at the end.

    Raises:
        ConfigError: nothing answers at the address.
    """
    if ray.is_initialized():
        yield
        return
    if address is None:
        # Ray Data's actors make the core log, as an error, that their constructors' arguments lie in the object store.
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.getLogger(LISTING).setLevel(logging.CRITICAL)
    check_address(address)
    if address and ":" in address:
        check_answers(address)
        check_ray_answers(address)
    try:
        with handlers_kept(), core_silenced():
            _start(address)
        # A client (ray://) does not know the head; Ray reports when its connection is lost.
        with nullcontext() if client.is_connected() else _watched(ray.get_runtime_context().gcs_address):
            yield
    finally:
        gc.collect()  # what refers to Ray must go before Ray does
        ray.shutdown()


def _start(address: str | None) -> None:
    try:
        # Workers of a local Ray inherit these variables. As a runtime environment they would cost the workers that Ray
        # starts at once: none of them would have it, and others would be started for the first trials.
        with _set(ONE_THREAD) if address is None else nullcontext():
            ray.init(
                address=address or "local",
                include_dashboard=False if address is None else None,
                log_to_driver=False,
                runtime_env={"env_vars": ONE_THREAD} if address else None,
                logging_level=logging.ERROR,
            )
    except (ConnectionError, TimeoutError, RuntimeError, ValueError) as error:
        where = f"--address {address} (or RAY_ADDRESS): no Ray cluster can be joined" if address else "Ray cannot start"
        raise ConfigError(f"{where}: {' '.join(str(error).split())}") from error


@contextmanager
def _set(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables while inside."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


@contextmanager
def core_silenced() -> Iterator[None]:
    """Keep back the line by which Ray's core announces its log level; it has no setting for that.

    Whatever else is written to standard error is printed afterwards; the words of an end by a signal go out at once.
    """
    python, below = sys.__stderr__, os.dup(2)
    with tempfile.TemporaryFile() as held, os.fdopen(below, "w", errors="backslashreplace") as error:
        os.dup2(held.fileno(), 2)
        sys.__stderr__ = error  # type: ignore[misc]
        try:
            yield
        finally:
            sys.__stderr__ = python  # type: ignore[misc]
            os.dup2(below, 2)
            held.seek(0)
            with suppress(OSError):  # nobody can read it
                os.write(2, b"".join(line for line in held if ANNOUNCEMENT not in line))


@contextmanager
def _watched(head: str) -> Iterator[None]:
    """End this process in words when the cluster's head (host:port) is gone: calls to Ray would wait for it."""
    left = threading.Event()
    threading.Thread(target=_watch, args=(head, left), name="watch-head", daemon=True).start()
    try:
        yield
    finally:
        left.set()


def _watch(head: str, left: threading.Event) -> None:
    answered = time.monotonic()
    while not left.wait(ASKED_SECONDS):
        try:
            call(head)
            answered = time.monotonic()
        except OSError as error:
            silent = time.monotonic() - answered
            if silent > LOST_SECONDS and not left.is_set():
                end_at_once(
                    1,
                    f"error: the head of the Ray cluster at {head} has not answered for {silent:.0f} s ({error}): "
                    f"it was stopped or killed, or the network is cut; {how_to_go_on()}",
                )
