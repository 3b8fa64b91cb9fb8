"""The ledger: a trial's directory, the truth about what was chosen and measured.

    <experiment folder>/experiment.json           the trials of the grid as last run
    <experiment folder>/<fingerprint>/trial.json  what the trial is, and which store it reads
                                     /rounds/000.json, 000.safetensors  one record a round, and the proxy fitted in it
                                     /failure.json  why the last attempt ended, if it failed
                                     /lock          held by the process that writes

A trial is done when its records say so. Records are published by rename, carry a checksum, and are refused by name
when they are cut short, repeated, over budget or of another trial; nothing is ever mixed in.
"""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from labelbench_ray.atomic import locked, publish, publish_once
from labelbench_ray.costs import Spent, total
from labelbench_ray.errors import LedgerError
from labelbench_ray.records import Entry, Failure, Grid, Header, RoundRecord
from labelbench_ray.sealing import parsed, read_json, sealed, unsealed

__all__ = [
    "Entry",
    "Failure",
    "Grid",
    "Header",
    "History",
    "Ledger",
    "RoundRecord",
    "read_failure",
    "read_grid",
    "read_header",
    "read_history",
    "read_records",
    "write_failure",
    "write_grid",
]


@dataclass(frozen=True, slots=True)
class History:
    """All that a ledger holds about one trial."""

    header: Header
    records: tuple[RoundRecord, ...]
    failure: Failure | None

    @property
    def done(self) -> bool:
        """Every round that the trial asks for is recorded."""
        return len(self.records) >= self.header.trial.rounds


@dataclass(frozen=True, slots=True)
class Ledger:
    """A trial's directory, opened for writing by the one process that holds its lock."""

    directory: Path
    header: Header

    @classmethod
    @contextmanager
    def open(cls, directory: Path, header: Header) -> Iterator["Ledger"]:
        """Lock the directory, waiting for a dying predecessor, and write or check its `trial.json`.

        Raises:
            LedgerError: the directory belongs to another trial, or its rounds were made from another store.
        """
        (directory / "rounds").mkdir(parents=True, exist_ok=True)
        with locked(directory / "lock"):
            path = directory / "trial.json"
            if path.is_file():
                _check_same(path, read_header(path), header)
            publish(path, header.model_dump_json(indent=1).encode())
            (directory / "failure.json").unlink(missing_ok=True)
            yield cls(directory, header)

    def records(self) -> list[RoundRecord]:
        """The finished rounds, checked."""
        return read_records(self.directory, self.header)

    def proxy(self, record: RoundRecord) -> dict[str, NDArray[Any]]:
        """The tensors of the proxy that was fitted in this round, checked."""
        path = _proxy_path(self.directory, record.round)
        try:
            data = path.read_bytes()
            if sha256(data).hexdigest() != record.proxy:
                raise LedgerError(
                    f"{path}: does not have the hash that its record states; delete this round's files and "
                    "those after it to run them again"
                )
            tensors: dict[str, NDArray[Any]] = load_tensors(data)
        except (FileNotFoundError, SafetensorError) as error:
            raise LedgerError(
                f"{path}: {error}; delete this round's files and those after it to run them again"
            ) from error
        return tensors

    def publish(
        self,
        number: int,
        chosen: NDArray[np.int64],
        labels: NDArray[np.int64],
        num_labeled: int,
        metrics: Mapping[str, float],
        spent: Mapping[str, Spent],
        tensors: dict[str, NDArray[Any]],
    ) -> RoundRecord:
        """Write a round: the proxy first, then the record, which makes the round count."""
        data = save_tensors(tensors)
        record = RoundRecord(
            fingerprint=self.header.fingerprint,
            round=number,
            chosen=tuple(chosen.tolist()),
            labels=tuple(labels.tolist()),
            num_labeled=num_labeled,
            metrics=dict(metrics),
            seconds={stage: each.wall for stage, each in spent.items()},
            cpu_seconds=total(spent.values()).cpu,
            cpu={stage: each.cpu for stage, each in spent.items()},
            gpu={stage: each.gpu for stage, each in spent.items()},
            finished=int(time.time() * 1000),
            proxy=sha256(data).hexdigest(),
        )
        record = record.model_copy(update={"bytes_written": len(data) + len(sealed(record))})
        publish(_proxy_path(self.directory, number), data)
        path = _record_path(self.directory, number)
        try:
            publish_once(path, sealed(record))
        except FileExistsError as error:
            raise LedgerError(
                f"{path}: another run recorded this round meanwhile, since this one did not answer for a while; let it "
                "go on alone, or start this one again once it is over"
            ) from error
        return record


def write_failure(directory: Path, failure: Failure) -> None:
    """Record why an attempt ended that did not come as far as opening its ledger."""
    directory.mkdir(parents=True, exist_ok=True)
    publish(directory / "failure.json", failure.model_dump_json(indent=1).encode())


def read_header(path: Path) -> Header:
    """A checked `trial.json`; `LedgerError` names the file and what is wrong."""
    return parsed(Header, path, read_json(path))


def read_history(directory: Path) -> History:
    """Everything about one trial, checked."""
    header = read_header(directory / "trial.json")
    return History(header, tuple(read_records(directory, header)), read_failure(directory))


def read_failure(directory: Path) -> Failure | None:
    """Why the last attempt ended, if it failed."""
    path = directory / "failure.json"
    return parsed(Failure, path, read_json(path)) if path.is_file() else None


def read_records(directory: Path, header: Header) -> list[RoundRecord]:
    """A trial's rounds 0, 1, ..., checked one by one and against each other.

    Raises:
        LedgerError: a record is cut short, altered, missing between others, of another trial, of the wrong size, or
            chooses a row again.
    """
    numbers = sorted(
        int(path.stem) for path in (directory / "rounds").glob("*.json") if re.fullmatch(r"\d{3,}", path.stem)
    )
    records: list[RoundRecord] = []
    chosen: set[int] = set()
    for expected, number in enumerate(numbers):
        path = _record_path(directory, number)
        if number != expected:
            raise LedgerError(f"{path}: round {expected} is missing before it; delete the rounds after the gap")
        record = unsealed(RoundRecord, path)
        _check_record(path, record, number, chosen, header)
        chosen.update(record.chosen)
        records.append(record)
    return records


def _check_record(path: Path, record: RoundRecord, number: int, chosen: set[int], header: Header) -> None:
    budget = header.trial.budget
    if record.fingerprint != header.fingerprint:
        raise LedgerError(f"{path}: belongs to trial {record.fingerprint}, not to {header.fingerprint}; move it back")
    if record.round != number:
        raise LedgerError(f"{path}: holds round {record.round}, its name says {number}; rename or delete it")
    if len(record.chosen) != budget or len(record.labels) != budget or record.num_labeled != budget * (number + 1):
        raise LedgerError(
            f"{path}: {len(record.chosen)} rows, {len(record.labels)} labels, {record.num_labeled} in all; "
            f"the budget is {budget} a round; delete it and the rounds after it"
        )
    if len(set(record.chosen)) != budget or not chosen.isdisjoint(record.chosen):
        raise LedgerError(f"{path}: chooses a row twice; delete it and the rounds after it")


def _check_same(path: Path, found: Header, asked: Header) -> None:
    for name in ("format", "fingerprint", "store", "compute", "views_content"):
        there, here = getattr(found, name), getattr(asked, name)
        if there != here:
            raise LedgerError(
                f"{path}: {name} is {there!r}, this run's is {here!r}; rounds of both would mix. "
                "Use another --runs directory, or delete this trial's folder to start it again"
            )


def _record_path(directory: Path, number: int) -> Path:
    return directory / "rounds" / f"{number:03d}.json"


def _proxy_path(directory: Path, number: int) -> Path:
    return directory / "rounds" / f"{number:03d}.safetensors"


def write_grid(folder: Path, grid: Grid) -> None:
    """Note which trials belong to the experiment now; those of earlier grids stay on disk."""
    folder.mkdir(parents=True, exist_ok=True)
    publish(folder / "experiment.json", grid.model_dump_json(indent=1).encode())


def read_grid(folder: Path) -> Grid:
    """A checked `experiment.json`."""
    return parsed(Grid, folder / "experiment.json", read_json(folder / "experiment.json"))
