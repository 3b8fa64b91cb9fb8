"""Why an attempt at a trial or a fine-tune ended: `failure.json` in its folder, until the next attempt begins."""

from pathlib import Path

from labelbench_ray.ledger.records import Failure
from labelbench_ray.storage.atomic import publish
from labelbench_ray.storage.checksummed import read_value

FILE = "failure.json"


def write_failure(directory: Path, failure: Failure) -> None:
    """Record why an attempt ended."""
    directory.mkdir(parents=True, exist_ok=True)
    publish(directory / FILE, failure.model_dump_json(indent=1).encode())


def read_failure(directory: Path) -> Failure | None:
    """Why the last attempt ended, if it failed."""
    path = directory / FILE
    return read_value(Failure, path, "delete it; `labelbench run` tries again") if path.is_file() else None
