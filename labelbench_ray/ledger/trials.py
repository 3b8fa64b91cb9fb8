"""The ledger: a trial's directory, the truth about what was chosen and measured.

    <experiment folder>/experiment.json           the trials of the grid as last run
    <experiment folder>/<fingerprint>/trial.json  what the trial is, and which store it reads
                                     /rounds/000.json, .safetensors, .hits  a round, its proxy, which rows are right
                                     /queries/000.json  what a round asked for, where the oracle does not answer at once
                                     /failure.json  why the last attempt ended, if it failed
                                     /stopped.json  by which rule it was ended early, if it was
                                     /lock          held by the process that writes
                                     /quarantine/   damaged files whose rounds were run again, see `quarantine`

A trial is done when all its rounds are recorded. Records are published by rename, carry a checksum, and are refused by
name when they are cut short, repeated, over budget or of another trial; nothing is ever mixed in. A writer quarantines
such a round and all later ones and runs them again: a round depends only on earlier ones.
"""

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

from labelbench_ray import tasks
from labelbench_ray.costs import Cost, total
from labelbench_ray.encoders.networks.device_models import without_models
from labelbench_ray.errors import DamagedError, LedgerError, LostLockError
from labelbench_ray.ledger.failures import read_failure, write_failure
from labelbench_ray.ledger.hits import NO_HITS, SUFFIX, Hits, hits_file
from labelbench_ray.ledger.queries import Query, read_query
from labelbench_ray.ledger.records import Failure, Header, RoundRecord, Stopped
from labelbench_ray.ledger.stopped import STOPPED, read_stopped
from labelbench_ray.storage.atomic import publish, publish_once, refuse_links
from labelbench_ray.storage.checksummed import ROUNDS, from_checked_json, read_value, to_checked_json
from labelbench_ray.storage.locks import NO_LOCK, Lock, locked
from labelbench_ray.storage.quarantine import set_aside
from labelbench_ray.types import Labels

__all__ = ["Failure", "Header", "History", "Ledger", "RoundRecord", "Sound", "check_record", "read_failure"]
__all__ += ["read_header", "read_history", "read_record", "read_records", "sound_records", "write_failure"]


@dataclass(frozen=True, slots=True)
class History:
    """Everything that a ledger holds about one trial."""

    header: Header
    records: tuple[RoundRecord, ...]
    failure: Failure | None
    stopped: Stopped | None = None
    query: Query | None = None
    """What the next round asks for, where its labels are still to come."""


@dataclass(frozen=True, slots=True)
class Sound:
    """The rounds of a trial before the first damaged one."""

    records: tuple[RoundRecord, ...]
    trouble: DamagedError | None
    """What is wrong with the next one; None if there is none."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """A trial's directory, opened for writing by the one process that holds its lock."""

    directory: Path
    header: Header
    lock: Lock = NO_LOCK

    @classmethod
    @contextmanager
    def open(cls, directory: Path, header: Header) -> Iterator["Ledger"]:
        """Lock the directory, waiting for a dying predecessor, and write or check its `trial.json`.

        Damaged rounds are quarantined; if `trial.json` is damaged, all are, since their store is unknown then.

        Raises:
            LedgerError: the directory belongs to another trial, its rounds were made from another store, or it holds a
                link.
            OtherVersionError: another version wrote its files.
        """
        refuse_links(directory)
        (directory / "rounds").mkdir(parents=True, exist_ok=True)
        with locked(directory / "lock") as lock:
            ledger = cls(directory, header, lock)
            found = ledger._claim()
            kept = ledger._keep_sound_rounds()
            began = found.versions if found and kept else header.versions
            stated = header.model_copy(update={"versions": began})
            publish(directory / "trial.json", stated.model_dump_json(indent=1).encode())
            (directory / "failure.json").unlink(missing_ok=True)
            (directory / STOPPED).unlink(missing_ok=True)
            yield ledger

    def _claim(self) -> Header | None:
        """The header that is there; None without one, or if it was quarantined with its rounds."""
        path, rounds = self.directory / "trial.json", _round_files(self.directory, 0)
        if not path.exists() and not rounds:
            return None
        try:
            found = read_header(path)
        except DamagedError as error:
            set_aside(self.directory, [path, *rounds], str(error))
            return None
        _check_same(path, found, self.header)
        return found

    def _keep_sound_rounds(self) -> int:
        """Quarantine the rounds that cannot be used; returns how many are kept."""
        sound = sound_records(self.directory, self.header)
        kept, trouble = 0, sound.trouble
        for record in sound.records:
            try:
                self.proxy(record)
            except DamagedError as error:
                trouble = error
                break
            kept += 1
        if trouble:
            set_aside(self.directory, _round_files(self.directory, kept), str(trouble))
        return kept

    def records(self) -> list[RoundRecord]:
        """The finished rounds, checked."""
        return read_records(self.directory, self.header)

    def proxy(self, record: RoundRecord) -> dict[str, NDArray[Any]]:
        """The tensors of the proxy that was fitted in this round, checked."""
        path = _proxy_path(self.directory, record.round)
        try:
            data = path.read_bytes()
            if sha256(data).hexdigest() != record.proxy:
                raise DamagedError(f"{path}: does not have the hash that its record states; {ROUNDS}")
            tensors: dict[str, NDArray[Any]] = load_tensors(data)
        except (FileNotFoundError, SafetensorError) as error:
            raise DamagedError(f"{path}: {error}; {ROUNDS}") from error
        return tensors

    def publish(
        self,
        number: int,
        chosen: NDArray[np.int64],
        labels: Labels,
        num_labeled: int,
        metrics: Mapping[str, float],
        spent: Mapping[str, Cost],
        tensors: dict[str, NDArray[Any]],
        notes: NDArray[np.int64] | None = None,
        groups: Mapping[str, dict[str, float]] | None = None,
        scored_on: str = "",
        hits: Hits = NO_HITS,
    ) -> RoundRecord:
        """Write a round: the proxy and the hits first, then the record, which makes the round count.

        Raises:
            LostLockError: another process may write here, or has recorded the round.
        """
        self.lock.check()
        path, data = _record_path(self.directory, number), save_tensors(tensors)
        files = hits_file(path, self.header.fingerprint, number, hits) | {_proxy_path(self.directory, number): data}
        record = RoundRecord(
            fingerprint=self.header.fingerprint,
            round=number,
            chosen=tuple(chosen.tolist()),
            labels=tuple(tasks.create(self.header.task).to_json(labels)),
            notes=() if notes is None else tuple(notes.tolist()),
            num_labeled=num_labeled,
            metrics=dict(metrics),
            groups=dict(groups or {}),
            scored_on=scored_on,
            seconds={stage: each.wall for stage, each in spent.items()},
            cpu_seconds=total(spent.values()).cpu,
            cpu={stage: each.cpu for stage, each in spent.items()},
            gpu={stage: each.gpu for stage, each in spent.items()},
            bytes_written=0,
            finished=int(time.time() * 1000),
            proxy=sha256(data).hexdigest(),
            versions=self.header.versions,
        )
        record = record.model_copy(update={"bytes_written": sum(map(len, [to_checked_json(record), *files.values()]))})
        try:
            if path.is_file():  # the proxy beside it is the other run's: keep it
                raise FileExistsError(path)
            publish_once(path, to_checked_json(record), files)
        except FileExistsError as error:
            raise LostLockError(
                f"{path}: another run recorded this round while this one did not answer; let it continue alone, "
                "or start this one again after it"
            ) from error
        return record


def read_header(path: Path) -> Header:
    """A checked `trial.json`; `LedgerError` names the file and what is wrong, or a link in the trial's folder."""
    refuse_links(path.parent)
    return read_value(Header, path, "`labelbench run` sets it and its rounds aside and runs the trial again")


def read_history(directory: Path) -> History:
    """Read everything about one trial and check it."""
    header = read_header(directory / "trial.json")
    records = tuple(read_records(directory, header))
    query = read_query(directory, header.fingerprint, len(records))
    return History(header, records, read_failure(directory), read_stopped(directory), query)


def read_records(directory: Path, header: Header) -> list[RoundRecord]:
    """A trial's rounds 0, 1, ..., checked one by one and against each other.

    Raises:
        LedgerError: a record is cut short, altered, missing between others, of another trial, of the wrong size, or
            chooses a row again.
    """
    sound = sound_records(directory, header)
    if sound.trouble:
        raise sound.trouble
    return list(sound.records)


def read_record(directory: Path, number: int) -> RoundRecord:
    """One round, its checksum checked; `LedgerError` where it is missing or damaged."""
    return from_checked_json(RoundRecord, _record_path(directory, number))


def sound_records(directory: Path, header: Header) -> Sound:
    """A trial's rounds up to the first damaged one, and what is wrong with that."""
    numbers = sorted({_number(path) for path in _round_files(directory, 0) if path.suffix == ".json"})
    records: list[RoundRecord] = []
    chosen: set[int] = set()
    try:
        for expected, number in enumerate(numbers):
            path = _record_path(directory, number)
            if number != expected:
                raise DamagedError(f"{path}: round {expected} is missing before it; {ROUNDS}")
            record = from_checked_json(RoundRecord, path)
            check_record(path, record, number, chosen, header)
            chosen.update(record.chosen)
            records.append(record)
    except DamagedError as error:
        return Sound(tuple(records), error)
    return Sound(tuple(records), None)


def check_record(
    path: Path, record: RoundRecord, number: int, chosen: set[int], header: Header, hint: str = ROUNDS
) -> None:
    """Refuse a record that is not round `number` of the trial (`DamagedError`); `chosen`: rows of earlier rounds."""
    budget = header.trial.budget
    if record.fingerprint != header.fingerprint:
        raise DamagedError(f"{path}: belongs to trial {record.fingerprint}, not to {header.fingerprint}; {hint}")
    if record.round != number:
        raise DamagedError(f"{path}: holds round {record.round}, its name is of round {number}; {hint}")
    if len(record.chosen) != budget or len(record.labels) != budget or record.num_labeled != budget * (number + 1):
        raise DamagedError(
            f"{path}: {len(record.chosen)} rows, {len(record.labels)} labels, {record.num_labeled} in all; "
            f"the budget is {budget} a round; {hint}"
        )
    if len(set(record.chosen)) != budget or not chosen.isdisjoint(record.chosen):
        raise DamagedError(f"{path}: chooses a row twice; {hint}")


def _check_same(path: Path, found: Header, asked: Header) -> None:
    for name in ("format", "fingerprint", "store", "compute", "views_content"):
        there, here = getattr(found, name), getattr(asked, name)
        # Equal content of several models of GPUs is one store.
        if there != here and not (name == "compute" and without_models(there) == without_models(here)):
            raise LedgerError(
                f"{path}: {name} is {there!r}, this run's is {here!r}; rounds of both would mix. "
                "Use another --runs directory, or delete this trial's folder to start it again"
            )


def _round_files(directory: Path, first: int) -> list[Path]:
    """The files of the rounds from `first` on: the records, in order, and then the proxies and hits."""
    suffixes = (".json", ".safetensors", SUFFIX)
    found = [path for suffix in suffixes for path in sorted((directory / "rounds").glob(f"*{suffix}"), key=_number)]
    return [path for path in found if _number(path) >= first]


def _number(path: Path) -> int:
    """The round that a file is named for; -1 for other files."""
    stem = path.stem
    return int(stem) if stem.isascii() and stem.isdigit() and stem == f"{int(stem):03d}" else -1


def _record_path(directory: Path, number: int) -> Path:
    return directory / "rounds" / f"{number:03d}.json"


def _proxy_path(directory: Path, number: int) -> Path:
    return directory / "rounds" / f"{number:03d}.safetensors"
