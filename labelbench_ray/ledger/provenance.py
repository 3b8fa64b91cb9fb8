"""Which versions of the code and its libraries made which rounds: a curve that several made is marked."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from labelbench_ray.ledger.records import Header, RoundRecord
from labelbench_ray.storage.versions import OURS

NUMERIC: Final = (OURS, "numpy", "torch", "ray", "scikit-learn")
"""Packages whose version may change a number."""
MAY_DIFFER: Final = "numbers may differ in the last bits"
Versions = tuple[tuple[str, str], ...]
"""(package, version) of the numeric packages, in the order of `NUMERIC`; empty where they are not known."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """The rounds that one set of versions made."""

    versions: Versions
    rounds: tuple[int, ...]


def numeric(versions: Mapping[str, str]) -> Versions:
    """The versions of packages that numbers depend on."""
    return tuple((package, versions[package]) for package in NUMERIC if package in versions)


def provenances(header: Header, records: Iterable[RoundRecord]) -> tuple[Provenance, ...]:
    """The rounds of a trial by the versions that made them, earliest first."""
    rounds: dict[Versions, list[int]] = {}
    for record in records:
        rounds.setdefault(numeric(record.versions or header.versions), []).append(record.round)
    return tuple(Provenance(versions, tuple(numbers)) for versions, numbers in rounds.items())


def describe(found: Sequence[Provenance]) -> str:
    """`rounds 0 to 4 were made by A, the others by B: numbers may differ in the last bits`; "" if one made all."""
    if len(found) < 2:
        return ""
    every = [each.versions for each in found]
    first, *between, last = [version_words(versions, every) for versions in every]
    spans = [_spans(each.rounds) for each in found]
    parts = [f"{spans[0]} {'was' if len(found[0].rounds) == 1 else 'were'} made by {first}"]
    parts += [f"{span} by {words}" for span, words in zip(spans[1:-1], between, strict=True)]
    return f"{', '.join([*parts, f'the others by {last}'])}: {MAY_DIFFER}"


def version_words(versions: Versions, every: Iterable[Versions]) -> str:
    """`labelbench_ray 0.1.0 with torch 2.13.0`: our version, and packages whose versions differ."""
    if not versions:
        return "unknown versions"
    stated, others = dict(versions), [dict(each) for each in every if each]
    differing = [
        f"{package} {stated.get(package, 'unknown')}"
        for package in NUMERIC
        if package != OURS and len({other.get(package) for other in others}) > 1
    ]
    return f"labelbench_ray {stated.get(OURS, 'unknown')}{' with ' if differing else ''}{' and '.join(differing)}"


def _spans(rounds: Sequence[int]) -> str:
    """`round 3`, `rounds 0 to 4`, `rounds 0 to 2 and 5`."""
    runs = [[each for _, each in run] for _, run in groupby(enumerate(rounds), lambda pair: pair[1] - pair[0])]
    spans = [f"{run[0]} to {run[-1]}" if len(run) > 1 else str(run[0]) for run in runs]
    joined = " and ".join([", ".join(spans[:-1]), spans[-1]] if len(spans) > 1 else spans)
    return f"round{'s' if len(rounds) > 1 else ''} {joined}"
