"""`stopped.json` in a trial's folder: the record that it was ended early."""

from pathlib import Path
from typing import Final

from labelbench_ray.ledger.records import Stopped
from labelbench_ray.storage.atomic import publish
from labelbench_ray.storage.checksummed import from_checked_json, to_checked_json

STOPPED: Final = "stopped.json"


def write_stopped(directory: Path, stopped: Stopped) -> None:
    """Record that a trial was ended early."""
    publish(directory / STOPPED, to_checked_json(stopped))


def read_stopped(directory: Path) -> Stopped | None:
    """How a trial was ended early, unless it was not or has been resumed; `LedgerError` if the record is damaged."""
    path = directory / STOPPED
    return (
        from_checked_json(Stopped, path, "delete it; `labelbench run` goes on with the trial")
        if path.is_file()
        else None
    )
