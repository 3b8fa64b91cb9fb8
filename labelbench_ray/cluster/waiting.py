"""A worker that waits for a lock reports it, so that the driver can state whom a trial waits for."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from ray import tune

from labelbench_ray.storage import lease, locks

WAITING: Final = "waiting"
"""The key of the report."""


class _Reports(logging.Handler):
    """Reports what this thread waits for; other threads' waits are not the trial's."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        """Report a line."""
        if record.thread == self._thread:
            tune.report({WAITING: record.getMessage()})


@contextmanager
def waits_reported() -> Iterator[None]:
    """Report waits for locks to Tune while inside."""
    reports, loggers = _Reports(), (lease.logger, locks.logger)
    for logger in loggers:
        logger.addHandler(reports)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(reports)
