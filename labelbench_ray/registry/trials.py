"""One trial of a registry, made from the files of its ledger and checked: the same for who packs and who checks."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePath
from typing import Final

from pydantic import Field, FiniteFloat, JsonValue

from labelbench_ray.console.redaction import redacted
from labelbench_ray.costs import Prices
from labelbench_ray.errors import RegistryError
from labelbench_ray.ledger.records import Header, RoundRecord
from labelbench_ray.ledger.trials import check_record
from labelbench_ray.plugins import Frozen
from labelbench_ray.registry.archive import HOW, Files
from labelbench_ray.registry.fingerprints import recomputed
from labelbench_ray.registry.valid import AGAIN, LARGEST_COST, LAST_TIME, is_cost, metric_trouble, shipped_task
from labelbench_ray.storage.checksummed import checked_value_of, value_of
from labelbench_ray.trial.traits import shipped_traits

HEADER: Final = "trial.json"
SUBMISSION: Final = "submission.json"
ELSEWHERE: Final = re.compile(r"^(/|~|[A-Za-z]:[\\/]|\\\\|file:)")
"""How places begin that only one machine has."""
RESPONSE: Final = "response"


class Submission(Frozen):
    """`submission.json`: what a ledger does not state about a trial. Nobody can check it."""

    submitter: str
    commit: str
    """Of the experiment's file; "" where it was not recorded."""
    machine: str
    data_hash: str
    """Of the data set: its recipe, files and classes; the store's content hash where the store was not at hand."""
    encoder_hash: str
    """Of the encoder: its recipe, weights and preprocessing; the same."""
    imbalance: FiniteFloat | None = Field(default=None, exclude_if=lambda ratio: ratio is None)
    """Rows of the pool's largest class over those of its smallest; None where the experiment did not note them."""
    prices: Prices | None = Field(default=None, exclude_if=lambda prices: prices is None)
    """The submitter's; None where an older version packed it."""


@dataclass(frozen=True, slots=True)
class RegistryTrial:
    """A finished trial, consistent in itself."""

    header: Header
    records: tuple[RoundRecord, ...]
    record_hashes: tuple[str, ...]
    """SHA-256 of each round's file."""
    submission: Submission
    ledger_sha256: str
    """Of all its files."""
    unchecked: str
    """Why its fingerprint could not be recomputed; "" where it was."""

    @property
    def fingerprint(self) -> str:
        """Its name."""
        return self.header.fingerprint


def round_file(number: int) -> str:
    """The name of a round's record below the trial's folder."""
    return f"rounds/{number:03d}.json"


def trial_of(where: Path, fingerprint: str, files: Files) -> RegistryTrial:
    """The trial in these files.

    Raises:
        LedgerError: a file is missing, altered, of another trial, or chooses a row twice.
        RegistryError: it is unfinished, has another fingerprint, or states what must not be published.
    """
    place = where / fingerprint
    for name in (HEADER, SUBMISSION):
        if name not in files:
            raise RegistryError(f"{place}: holds no {name}; {HOW}")
    header = value_of(Header, place / HEADER, files[HEADER], HOW)
    submission = value_of(Submission, place / SUBMISSION, files[SUBMISSION], HOW)
    if header.fingerprint != fingerprint:
        raise RegistryError(f"{place / HEADER}: is of trial {header.fingerprint}, not of {fingerprint}; {HOW}")
    check_publishable(place, header, submission)
    _check_files(place, header.trial.rounds, files)
    check_deciding(place / HEADER, header)
    found, task, unchecked = recomputed(header.trial)
    if task not in ("", header.task):
        raise RegistryError(
            f"{place / HEADER}: task is {header.task}, labels of {header.trial.dataset} are {task}; {HOW}"
        )
    if found not in ("", fingerprint):
        stated = header.versions.get("labelbench-ray", "unknown")
        raise RegistryError(
            f"{place / HEADER}: its recipe has the fingerprint {found}, it states {fingerprint}; the file was altered, "
            f"or version {stated}, which made it, computes other numbers than this one; {HOW}"
        )
    records = tuple(_records(place, header, files))
    hashes = tuple(sha256(files[round_file(number)]).hexdigest() for number in range(len(records)))
    return RegistryTrial(header, records, hashes, submission, ledger_hash(files), unchecked)


def deciding_metric(header: Header) -> str:
    """That of its task where that ships here, for a header that may state none; else the first that it states."""
    known = shipped_task(header.task)
    if known is not None:
        return known.shown[0]
    return "".join(header.traits.metrics[:1]) if header.traits else ""


def check_deciding(path: PurePath, header: Header) -> None:
    """Refuse a header that states another deciding metric than its task's, or none: a submitter does not choose it."""
    stated = "".join(header.traits.metrics[:1]) if header.traits else deciding_metric(header)
    if trouble := metric_trouble(header.task, stated):
        raise RegistryError(f"{path}: {trouble}; {HOW}")


def _check_files(place: Path, rounds: int, files: Files) -> None:
    """The trial's files are there and no others; the time depends on how many there are, not on what is stated."""
    if lacking := next((name for name in map(round_file, range(rounds)) if name not in files), ""):
        raise RegistryError(f"{place}: lacks {lacking}; the trial has {rounds} rounds; {HOW}")
    if odd := sorted({*files} - {HEADER, SUBMISSION, *map(round_file, range(rounds))}):
        raise RegistryError(f"{place}: holds {odd[0]}; the trial has {rounds} rounds; {HOW}")


def ledger_hash(files: Files) -> str:
    """SHA-256 over the names and hashes of a trial's files."""
    lines = (f"{name} {sha256(files[name]).hexdigest()}\n" for name in sorted(files))
    return sha256("".join(lines).encode()).hexdigest()


def check_publishable(place: PurePath, header: Header, submission: Submission) -> None:
    """Refuse a trial that states a place of one machine or a secret, is an upper bound, or has texts as labels."""
    if header.task == RESPONSE:
        raise RegistryError(
            f"{place}: its labels are written responses, which a registry does not publish; leave it out"
        )
    if sees_labels(header):
        raise RegistryError(
            f"{place}: its strategy {header.trial.strategy} sees labels that nobody has paid for, an upper bound which "
            "a registry does not rank; leave it out"
        )
    stated = [*_texts(header.trial.model_dump(mode="json"), "trial"), *_texts(submission.model_dump(), "submission")]
    for setting, text in stated:
        if ELSEWHERE.match(text):
            raise RegistryError(
                f"{place}: {setting} is {text!r}, a place of one machine; give data by a path relative to --data-root "
                "and run the trial again"
            )
        if redacted(text) != text:
            raise RegistryError(f"{place}: {setting} holds what looks like a secret ({redacted(text)}); leave it out")


def sees_labels(header: Header) -> bool:
    """Whether the trial is an upper bound, by what it states and by its strategy, where that ships here."""
    stated = header.traits is not None and header.traits.sees_labels
    return stated or shipped_traits(header.trial).sees_labels


def _texts(value: JsonValue, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner, f"{name}.{key}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _texts(inner, f"{name}.{number}")


def _records(place: Path, header: Header, files: Files) -> Iterator[RoundRecord]:
    chosen: set[int] = set()
    for number in range(header.trial.rounds):
        path = place / round_file(number)
        record = checked_value_of(RoundRecord, path, files[round_file(number)], HOW)
        check_record(path, record, number, chosen, header, HOW)
        check_possible(path, record)
        chosen.update(record.chosen)
        yield record


def check_possible(path: PurePath, record: RoundRecord) -> None:
    """Refuse times that no round can have."""
    if record.finished >= LAST_TIME:
        raise RegistryError(f"{path}: finished is {record.finished} ms after 1970; it is before the year 3000; {AGAIN}")
    for name, spent in (("seconds", record.seconds), ("cpu", record.cpu), ("gpu", record.gpu)):
        for stage, value in spent.items():
            if not is_cost(value):
                raise RegistryError(
                    f"{path}: {name} of {stage} is {value}; it is from 0 to {LARGEST_COST:g} seconds; {AGAIN}"
                )
