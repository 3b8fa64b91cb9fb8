"""Counters for Ray's metrics, which Prometheus reads from each node: rows, rejected rows, rounds, failed trials.

The driver counts: rows with each finished shard, rounds and failures with their events. A driver that is a client of
the cluster (`ray://`) is not one of its processes and counts nothing.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Final

from ray.util.client import ray as client
from ray.util.metrics import Counter

from labelbench_ray.console.events import Event, logger
from labelbench_ray.embeddings.embed import EmbeddedShard

EMBEDDED, REJECTED = "labelbench_rows_embedded", "labelbench_rows_rejected"
ROUNDS, FAILED = "labelbench_rounds_finished", "labelbench_trials_failed"
EXPERIMENT: Final = "experiment"
"""The tag of what belongs to one experiment; several share a store, so its rows have none."""
DESCRIPTIONS: Final = {
    EMBEDDED: "Rows that were embedded, those of views included.",
    REJECTED: "Rows that could not be decoded.",
    ROUNDS: "Rounds that trials recorded.",
    FAILED: "Trials that ended with an error.",
}
OF_EVENTS: Final = {Event.ROUND_RECORDED: ROUNDS, Event.TRIAL_FAILED: FAILED}


def count_shard(shard: EmbeddedShard) -> None:
    """Count the rows of a finished shard."""
    _count(EMBEDDED, shard.entry.rows, {})
    _count(REJECTED, len(shard.rejects), {})


@contextmanager
def events_counted() -> Iterator[None]:
    """Count rounds and failures within the context."""
    handler = _Counted()
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class _Counted(logging.Handler):
    """Adds one to the counter of each event that has one."""

    def emit(self, record: logging.LogRecord) -> None:
        """Count it."""
        fields = vars(record)
        if name := OF_EVENTS.get(fields["event"]):
            _count(name, 1, {EXPERIMENT: fields["experiment"]})


def _count(name: str, number: int, tags: dict[str, str]) -> None:
    if number and not client.is_connected():
        _counter(name, tuple(tags)).inc(number, tags)


@cache
def _counter(name: str, tag_keys: tuple[str, ...]) -> Counter:
    """One for each process: Ray exports a counter under its name."""
    return Counter(name, DESCRIPTIONS[name], tag_keys)
