"""Waits for locks, reported to the caller: which lock this thread waits for, and who holds it."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from labelbench_ray.storage import lease, locks


class _Reports(logging.Handler):
    """Reports what this thread waits for; other threads' waits are not the trial's."""

    def __init__(self, report: Callable[[str], None]) -> None:
        super().__init__()
        self._report = report
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        """Report a line."""
        if record.thread == self._thread:
            self._report(record.getMessage())


@contextmanager
def waits_reported(report: Callable[[str], None]) -> Iterator[None]:
    """Report each wait of this thread for a lock while inside, in words that name the lock's holder."""
    reports, loggers = _Reports(report), (lease.logger, locks.logger)
    for logger in loggers:
        logger.addHandler(reports)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(reports)
