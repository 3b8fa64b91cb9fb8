"""The ledger of fine-tunes: one checked record a budget, below the trial whose labels were used.

<trial's folder>/finetune/<fingerprint>/finetune.json    which model and trainer
                                       /000500.json      metrics of the model trained on the first 500 labels
                                       /000500.safetensors  its tensors
                                       /000500.hits      which evaluation rows it has right, see `hits`
                                       /failure.json     why the last attempt ended, if it failed
                                       /checkpoint.pt    the state of a fit while it runs
                                       /lock             held by the process that writes
                                       /quarantine/      files that were damaged and fitted again
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray
from pydantic import FiniteFloat, NonNegativeInt, PositiveInt
from safetensors.numpy import save as save_tensors

from labelbench_ray.config import FineTune, Fingerprint, digest
from labelbench_ray.costs import Cost, total
from labelbench_ray.errors import DamagedError, LedgerError
from labelbench_ray.ledger.hits import NO_HITS, SUFFIX, Hits, hits_file
from labelbench_ray.plugins import Frozen
from labelbench_ray.storage.atomic import publish, refuse_links
from labelbench_ray.storage.checksummed import from_checked_json, read_value, to_checked_json
from labelbench_ray.storage.locks import NO_LOCK, Lock
from labelbench_ray.storage.quarantine import set_aside

FOLDER, HEADER = "finetune", "finetune.json"
COMPARING: Final = "fidelity"
"""The stage in which the model is compared with the proxy."""
BESIDE: Final = (".safetensors", SUFFIX)
"""Endings of the files beside a record."""
AGAIN = "`labelbench finetune` sets it aside and fits that model again"


class FineTuneHeader(Frozen):
    """`finetune.json`: what is fitted."""

    fingerprint: Fingerprint
    trial: Fingerprint
    """Fingerprint of the trial."""
    recipe: FineTune
    store: str
    """Content hash of the embedding store whose rows were used."""
    versions: dict[str, str] = {}
    """Versions of the code that fits what is missing; each record states its own."""


class FineTuneRecord(Frozen):
    """A full model trained on the first `num_labeled` labels of a trial."""

    fingerprint: Fingerprint
    trial: Fingerprint
    num_labeled: PositiveInt
    chosen: str
    """Hash of the ids and labels in the training set."""
    metrics: dict[str, FiniteFloat]
    seconds: dict[str, FiniteFloat]
    """Wall seconds by stage, like CPU and GPU seconds below."""
    cpu: dict[str, FiniteFloat]
    gpu: dict[str, FiniteFloat]
    bytes_written: NonNegativeInt
    finished: NonNegativeInt
    """When the fit ended, in milliseconds since 1970."""
    model: str
    """SHA-256 of the safetensors file."""
    versions: dict[str, str] = {}
    """Versions of the code that made it; empty in older records."""

    @property
    def spent(self) -> Cost:
        """What all stages took."""
        return total(self._stage(name) for name in self.seconds)

    @property
    def training(self) -> Cost:
        """What the model took: all stages but the comparison with the proxy, which nobody needs to get the model."""
        return total(self._stage(name) for name in self.seconds if name != COMPARING)

    def _stage(self, name: str) -> Cost:
        return Cost(self.seconds[name], self.cpu.get(name, 0.0), self.gpu.get(name, 0.0))


@dataclass(frozen=True, slots=True)
class FineTuneLedger:
    """The folder of one fine-tune; the writer holds its lock."""

    directory: Path
    header: FineTuneHeader
    lock: Lock = NO_LOCK

    @classmethod
    def open(cls, trial: Path, header: FineTuneHeader, lock: Lock = NO_LOCK) -> "FineTuneLedger":
        """Make the folder, or check that it belongs to this fine-tune; damaged files are quarantined.

        Raises:
            LedgerError: its records were made from another store, or the trial's folder holds a link.
        """
        refuse_links(trial)
        directory = trial / FOLDER / header.fingerprint
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / HEADER
        if path.is_file() or _records(directory):
            try:
                found = _read_header(path)
            except DamagedError as error:
                beside = [each for suffix in BESIDE for each in directory.glob(f"*{suffix}")]
                set_aside(directory, [path, *_records(directory), *beside], str(error))
            else:
                _check_store(path, found, header)
        for each in _records(directory):
            try:
                _check_tensors(each.with_suffix(".safetensors"), _read_record(each))
            except DamagedError as error:
                set_aside(directory, [each, *map(each.with_suffix, BESIDE)], str(error))
        publish(path, header.model_dump_json(indent=1).encode())
        (directory / "failure.json").unlink(missing_ok=True)
        return cls(directory, header, lock)

    def publish(
        self,
        num_labeled: int,
        chosen: str,
        metrics: Mapping[str, float],
        spent: Mapping[str, Cost],
        tensors: Mapping[str, NDArray[Any]],
        hits: Hits = NO_HITS,
    ) -> FineTuneRecord:
        """Write tensors and hits, then the record, which makes them count; `LostLockError` without the lock."""
        self.lock.check()
        data = save_tensors(dict(tensors))
        record = FineTuneRecord(
            fingerprint=self.header.fingerprint,
            trial=self.header.trial,
            num_labeled=num_labeled,
            chosen=chosen,
            metrics=dict(metrics),
            seconds={stage: each.wall for stage, each in spent.items()},
            cpu={stage: each.cpu for stage, each in spent.items()},
            gpu={stage: each.gpu for stage, each in spent.items()},
            bytes_written=len(data),
            finished=int(time.time() * 1000),
            model=sha256(data).hexdigest(),
            versions=self.header.versions,
        )
        publish(self.path(num_labeled).with_suffix(".safetensors"), data)
        for path, content in hits_file(self.path(num_labeled), self.header.fingerprint, num_labeled, hits).items():
            publish(path, content)
        publish(self.path(num_labeled), to_checked_json(record))
        return record

    def path(self, num_labeled: int) -> Path:
        """The record's file."""
        return self.directory / f"{num_labeled:06d}.json"


def read_recipe(directory: Path) -> FineTune:
    """The model and trainer of a fine-tune's folder; `LedgerError` if its header is missing or damaged."""
    return _read_header(directory / HEADER).recipe


def read_finetune_records(directory: Path) -> dict[int, FineTuneRecord]:
    """The records of a fine-tune's folder by number of labels; empty without a folder.

    Raises:
        LedgerError: a record is cut short, altered, or of another fine-tune.
    """
    return {int(path.stem): _read_record(path) for path in _records(directory)}


def _records(directory: Path) -> list[Path]:
    return sorted(path for path in directory.glob("*.json") if _is_number(path.stem))


def _is_number(stem: str) -> bool:
    return stem.isascii() and stem.isdigit() and stem == f"{int(stem):06d}"


def _read_record(path: Path) -> FineTuneRecord:
    record = from_checked_json(FineTuneRecord, path, AGAIN)
    if record.fingerprint != path.parent.name or record.num_labeled != int(path.stem):
        raise DamagedError(f"{path}: is of fine-tune {record.fingerprint} with {record.num_labeled} labels; {AGAIN}")
    return record


def _check_tensors(path: Path, record: FineTuneRecord) -> None:
    try:
        found = sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError as error:
        raise DamagedError(f"{path}: there is no such file; {AGAIN}") from error
    if found != record.model:
        raise DamagedError(f"{path}: does not have the hash that its record states; {AGAIN}")


def _read_header(path: Path) -> FineTuneHeader:
    return read_value(FineTuneHeader, path, "`labelbench finetune` sets it and its models aside and fits them again")


def _check_store(path: Path, found: FineTuneHeader, header: FineTuneHeader) -> None:
    if found.store != header.store:
        raise LedgerError(
            f"{path}: store is {found.store!r}, this run's is {header.store!r}; delete {path.parent} to fine-tune again"
        )


def chosen_hash(ids: list[int], labels: list[int]) -> str:
    """Hash of the rows that a model is trained on, with their labels."""
    return digest([*ids, *labels])
