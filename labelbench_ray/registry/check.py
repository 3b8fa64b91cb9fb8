"""`check`: what files of a registry hold, refused where they contradict each other or themselves.

Where the ledgers are among the files, both tables are made again from them and every value is compared. Tiers are given
here, never by who submits:

    reproduced  a trial of the submission was run again and gave the same rows and metrics (`tiers` keeps it)
    checked     everything follows from the ledgers, fingerprints included
    reported    tables alone, or a recipe whose fingerprint cannot be computed here
    imported    curves that others published
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import pyarrow.compute as pc

from labelbench_ray.errors import RegistryError
from labelbench_ray.registry.archive import HOW, read_archive
from labelbench_ray.registry.differences import first_difference
from labelbench_ray.registry.fingerprints import is_upper_bound
from labelbench_ray.registry.reported import check_reported
from labelbench_ray.registry.rows import rounds_table, trials_table
from labelbench_ray.registry.schema import (
    LEDGERS_FILE,
    ROUND_KEY,
    ROUNDS_BY_VERSION,
    ROUNDS_FILE,
    TIERS_FILE,
    TRIAL_KEY,
    TRIALS,
    TRIALS_BY_VERSION,
    TRIALS_FILE,
)
from labelbench_ray.registry.tables import completed, read_registry_table
from labelbench_ray.registry.trials import RegistryTrial, trial_of
from labelbench_ray.registry.valid import check_rounds, check_trials
from labelbench_ray.report.curves import RANDOM

SUFFIXES: Final = (TRIALS_FILE, ROUNDS_FILE, LEDGERS_FILE)


class Tier(StrEnum):
    """How far a trial's numbers were verified, best first."""

    REPRODUCED = "reproduced"
    CHECKED = "checked"
    REPORTED = "reported"
    IMPORTED = "imported"


@dataclass(frozen=True, slots=True, eq=False)
class Checked:
    """The files of one submission, consistent in themselves."""

    name: str
    """What its files' names begin with."""
    trials: Any
    """The table of trials."""
    rounds: Any
    ledgers: tuple[RegistryTrial, ...]
    """Empty where the ledgers are not among the files."""
    reproduced: frozenset[str] = frozenset()
    """Checked trials of which one was run again, and gave the same rows, labels and metrics."""

    @property
    def tiers(self) -> dict[str, Tier]:
        """The tier of each trial, by fingerprint."""
        found = dict.fromkeys(self.trials["fingerprint"].to_pylist(), Tier.REPORTED)
        found |= {each.fingerprint: Tier.CHECKED for each in self.checked}
        return found | dict.fromkeys(self.reproduced, Tier.REPRODUCED)

    @property
    def checked(self) -> tuple[RegistryTrial, ...]:
        """The trials that follow from their ledgers, fingerprints included."""
        return tuple(each for each in self.ledgers if not each.unchecked)


def check(paths: Iterable[Path]) -> tuple[Checked, ...]:
    """Read and check files of a registry, in any order.

    Raises:
        RegistryError: names the file, the trial, the round and the value.
        LedgerError: a packed ledger is damaged.
    """
    found = tuple(_submission(name, mine) for name, mine in _by_name(paths))
    _refuse_repeated(found)
    _refuse_other_first_batches(found)
    return found


def unpaired(submissions: Iterable[Checked]) -> Iterator[str]:
    """What keeps strategies from being compared by pairs of seeds, in a sentence each: seeds that random has alone."""
    columns = ("protocol_id", "dataset", "strategy", "seed")
    values = [[each.trials[name].to_pylist() for name in columns] for each in submissions]
    rows = sorted({row for each in values for row in zip(*each, strict=True)})
    for (protocol, dataset), mine in groupby(rows, lambda row: row[:2]):
        seeds: dict[str, set[int]] = {}
        for _, _, strategy, seed in mine:
            seeds.setdefault(strategy, set()).add(seed)
        if RANDOM not in seeds:
            yield f"{dataset}, protocol {protocol}: no trial of {RANDOM}, so nothing can be compared with it"
            continue
        for strategy, own in seeds.items():
            if lacking := seeds[RANDOM] - own:
                listed = ", ".join(map(str, sorted(lacking)))
                yield f"{dataset}, protocol {protocol}: {strategy} lacks seeds that {RANDOM} has: {listed}"


def _by_name(paths: Iterable[Path]) -> list[tuple[str, dict[str, Path]]]:
    found: dict[Path, dict[str, Path]] = {}
    for path in paths:
        if path.name.endswith(TIERS_FILE):
            raise RegistryError(f"{path}: is a table of tiers, which no submission holds; give it with --tiers")
        suffix = next((each for each in SUFFIXES if path.name.endswith(each)), None)
        if suffix is None:
            raise RegistryError(f"{path}: is not a file of a registry; their names end in {', '.join(SUFFIXES)}")
        if not path.is_file():
            raise RegistryError(f"{path}: there is no such file")
        found.setdefault(path.with_name(path.name.removesuffix(suffix)), {})[suffix] = path
    for name, mine in found.items():
        for suffix in (TRIALS_FILE, ROUNDS_FILE):
            if suffix not in mine:
                raise RegistryError(
                    f"{name}{suffix} is not among the files, and {next(iter(mine.values()))} is; give both"
                )
    return [(name.name, mine) for name, mine in sorted(found.items())]


def _submission(name: str, files: dict[str, Path]) -> Checked:
    trials = read_registry_table(files[TRIALS_FILE], TRIALS_BY_VERSION)
    rounds = read_registry_table(files[ROUNDS_FILE], ROUNDS_BY_VERSION)
    check_trials(files[TRIALS_FILE], trials)
    ledgers: tuple[RegistryTrial, ...] = ()
    if LEDGERS_FILE in files:
        archive = files[LEDGERS_FILE]
        ledgers = tuple(trial_of(archive, fingerprint, mine) for fingerprint, mine in read_archive(archive))
        complete = trials_table(ledgers)
        for suffix, given, expected, key in (
            (ROUNDS_FILE, rounds, rounds_table(ledgers), ROUND_KEY),  # first: it names the round of an altered record
            (TRIALS_FILE, trials, complete.select(trials.column_names), TRIAL_KEY),
        ):
            if wrong := first_difference(given, expected, key):
                raise RegistryError(f"{files[suffix]}: {wrong} ({archive.name}); {HOW}")
        trials = complete
        check_trials(files[TRIALS_FILE], trials)
        check_rounds(files[ROUNDS_FILE], rounds, files[TRIALS_FILE], trials)
    else:
        check_rounds(files[ROUNDS_FILE], rounds, files[TRIALS_FILE], trials)
        check_reported(files[TRIALS_FILE], trials, files[ROUNDS_FILE], rounds)
        _refuse_upper_bounds(files[TRIALS_FILE], trials)
        trials = completed(trials, TRIALS)
    return Checked(name, trials, rounds, ledgers)


def _refuse_repeated(submissions: Sequence[Checked]) -> None:
    seen: dict[str, str] = {}
    for each in submissions:
        for fingerprint in pc.unique(each.trials["fingerprint"]).to_pylist():
            if fingerprint in seen:
                raise RegistryError(
                    f"{each.name}{TRIALS_FILE}: trial {fingerprint} is in {seen[fingerprint]}{TRIALS_FILE}, too; a "
                    "registry holds a trial once, leave one of the two out"
                )
            seen[fingerprint] = each.name


def _refuse_other_first_batches(submissions: Sequence[Checked]) -> None:
    """Trials are compared by pairs of seeds, so the ledgers of one protocol and seed must begin with the same rows."""
    seen: dict[tuple[str, int], tuple[str, RegistryTrial]] = {}
    for each in submissions:
        protocols = dict(zip(*(each.trials[name].to_pylist() for name in ("fingerprint", "protocol_id")), strict=True))
        for trial in each.ledgers:
            seed = trial.header.trial.seed
            where, first = seen.setdefault((protocols[trial.fingerprint], seed), (each.name, trial))
            if trial.records[0].chosen != first.records[0].chosen:
                raise RegistryError(
                    f"{each.name}{LEDGERS_FILE}: trial {trial.fingerprint}, round 0: chooses other rows than trial "
                    f"{first.fingerprint} of {where}{LEDGERS_FILE}, which has the same protocol and seed {seed}; "
                    "trials are compared by pairs of seeds, which begin with one batch; run both again with one "
                    "version and one store, or leave one of the two out"
                )


def _refuse_upper_bounds(trials_file: Path, trials: Any) -> None:  # noqa: ANN401
    for fingerprint, strategy in zip(trials["fingerprint"].to_pylist(), trials["strategy"].to_pylist(), strict=True):
        if is_upper_bound(strategy.partition("(")[0]):
            raise RegistryError(
                f"{trials_file}: trial {fingerprint}: its strategy {strategy} sees labels that nobody has paid for, an "
                "upper bound which a registry does not rank; leave it out"
            )
