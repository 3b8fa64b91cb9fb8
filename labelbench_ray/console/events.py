"""The event log: a JSON line for everything that happens to a trial, written by the driver as it happens.

The ledger is the truth; the log states when. Every line has `time` (ISO 8601, UTC), `event` and `experiment`; lines of
a trial also have `trial` (its fingerprint), `strategy` and `seed`, and what belongs to the event
(docs/observability.md). Nothing of the process's environment is in it.
"""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from io import FileIO, RawIOBase
from pathlib import Path
from typing import Any

from pythonjsonlogger.json import JsonFormatter
from rich.console import Console

from labelbench_ray.console.escaping import SafeConsole
from labelbench_ray.console.progress import duration
from labelbench_ray.console.redaction import redacted
from labelbench_ray.environment import Environment

STANDARD_ERROR = "-"
logger = logging.getLogger(__name__)
logger.propagate = False  # these lines go to their file, not to handlers of the root logger
logger.setLevel(logging.INFO)
logger.addHandler(logging.NullHandler())  # without a handler, lines would go to standard error


class Event(StrEnum):
    """What can happen."""

    SWEEP_ENDED = "sweep_ended"
    EMBEDDING_STARTED = "embedding_started"
    EMBEDDING_DONE = "embedding_done"
    TRIAL_STARTED = "trial_started"
    TRIAL_TAKEN_UP = "trial_taken_up"
    """Its worker died, and another one resumes from the recorded rounds."""
    TRIAL_WAITING = "trial_waiting"
    """Its worker waits for a lock that another process holds."""
    TRIAL_AWAITING_LABELS = "trial_awaiting_labels"
    """Its next rows are chosen, and people are asked for their labels."""
    ROUND_RECORDED = "round_recorded"
    FINE_TUNE_RECORDED = "fine_tune_recorded"
    SET_ASIDE = "set_aside"
    """Unusable records were moved to its quarantine."""
    TRIAL_FAILED = "trial_failed"
    TRIAL_STOPPED = "trial_stopped"
    TRIAL_PAUSED = "trial_paused"
    """Its run reached --max-hours or --max-cost; a later run resumes it."""
    TRIAL_DONE = "trial_done"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Events:
    """Where the events of one experiment go."""

    experiment: str

    def log(self, event: Event, **fields: Any) -> None:  # noqa: ANN401  JSON
        """Write one line; fields must be JSON."""
        logger.info("", extra={"event": str(event), "experiment": self.experiment} | fields)


def events_file(runs: Path, experiment: str) -> Path | str:
    """Where events go by default: beside the ledger, or to standard error if the ledger is in an object store."""
    return STANDARD_ERROR if "://" in str(runs) else runs / experiment / "events.jsonl"


@contextmanager
def logged(experiment: str, environment: Environment, console: Console) -> Iterator[Events]:
    """Log the events of an experiment within the context, and print each one with `--verbose`.

    A file that cannot be written is reported once and stops nothing.
    """
    lines = _Lines(environment.events or events_file(environment.runs, experiment))
    lines.setFormatter(_Formatter())
    handlers: list[logging.Handler] = [lines, *([_Printed(console)] if environment.verbose else [])]
    for handler in handlers:
        logger.addHandler(handler)
    try:
        yield Events(experiment)
    finally:
        for handler in handlers:
            logger.removeHandler(handler)
            handler.close()


@lru_cache(1024)
def _redacted(text: str) -> str:
    """The names of a trial are in each of its lines, and looking for secrets takes longer than writing them."""
    return redacted(text)


class _Formatter(JsonFormatter):
    """Exactly the given fields, time first."""

    def __init__(self) -> None:
        super().__init__("", json_ensure_ascii=True)

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        """Drop the fields that the standard library adds, and secrets in texts."""
        kept = {key: value for key, value in log_data.items() if key not in ("message", "taskName")}
        return {key: _redacted(value) if isinstance(value, str) else value for key, value in kept.items()}

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        """Put the time first."""
        log_data["time"] = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        super().add_fields(log_data, record, message_dict)


class _Lines(logging.Handler):
    """Appends each line immediately; the file is opened with the first."""

    def __init__(self, file: Path | str) -> None:
        super().__init__()
        self._file = file
        self._stream: RawIOBase | None = None
        self._broken = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, or report once that it cannot be written."""
        if self._broken:
            return
        try:
            self._stream = self._stream or self._opened()
            self._stream.write(self.format(record).encode() + b"\n")  # a complete line in one call, unbuffered
        except OSError as error:
            self._broken = True
            text = f"events are not written: {error} ({self._file}); trials go on"
            SafeConsole(stderr=True).print(redacted(text), style="yellow", markup=False, soft_wrap=True)

    def close(self) -> None:
        """Close the file."""
        if self._stream:
            self._stream.close()
        super().close()

    def _opened(self) -> RawIOBase:
        if str(self._file) == STANDARD_ERROR:
            return FileIO(os.dup(2), "w")
        Path(self._file).parent.mkdir(parents=True, exist_ok=True)
        return FileIO(self._file, "a")


class _Printed(logging.Handler):
    """Prints one short line for each event."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Print a line."""
        self._console.print(words(vars(record)), markup=False, highlight=False, soft_wrap=True, style="dim")


def words(fields: Mapping[str, Any]) -> str:
    """An event in words."""
    who = f"{fields['strategy']}, seed {fields['seed']}: " if "strategy" in fields else ""
    text = str(fields["event"]).replace("_", " ")
    if "round" in fields:
        text += f" {fields['round']}"
    if "num_labeled" in fields:
        text += f", {fields['num_labeled']} labels"
    for name in fields:
        if name.startswith("test_"):
            text += f", {name.replace('_', ' ')} {fields[name]:.4f}"
    if "seconds" in fields:
        text += f", {duration(fields['seconds'])}"
    for name in ("reason", "error"):
        if name in fields:
            text += f": {fields[name]}"
    return redacted(who + text)
