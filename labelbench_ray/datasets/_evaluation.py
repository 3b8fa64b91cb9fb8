"""Splits: what evaluation splits may be called, the groups of their rows, and the facts of the pool's."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labelbench_ray.errors import DataError
from labelbench_ray.pool.facts import Facts, checked_facts, fact_hash

SPLITS: Final = ("pool", "validation", "test")
"""The splits that every data set has. Others are named evaluation splits."""
SPLIT_NAME: Final = r"[a-z][a-z0-9]*(_[a-z0-9]+)*"
LONGEST_SPLIT_NAME: Final = 32
METRIC_WORDS: Final = frozenset(
    ("balanced", "labeled", "labeling", "max", "min", "num", "std", "total", "train", "training", "val", "worst")
)
"""Words that begin a metric's name; a split of that name could give two metrics one name."""
PRIOR_SPLIT: Final = "test_prior_"
"""Begins the names under which test rows are recorded with other class shares (`prior_alphas`)."""
MOST_GROUPS: Final = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """The group of every row of a split (N,) int64, and the groups' names."""

    numbers_N: NDArray[np.int64]
    names: tuple[str, ...]

    def sha256(self) -> str:
        """A hash of both."""
        digest = hashlib.sha256(repr(self.names).encode())
        digest.update(np.ascontiguousarray(self.numbers_N.astype("<i8")).data)
        return digest.hexdigest()

    def take(self, rows: slice | NDArray[np.int64]) -> "Groups":
        """The groups of some rows, with the names of all."""
        return Groups(self.numbers_N[rows], self.names)


def check_split_names(dataset: object, names: Iterable[str]) -> None:
    """Refuse a data set that lacks a split, or whose further splits have names that are not plain words.

    Raises:
        DataError: states the name and the rule.
    """
    found = tuple(names)
    for name in SPLITS:
        if name not in found:
            raise DataError(f"{dataset}: has no split {name!r}; every data set needs {', '.join(SPLITS)}")
    for name in found:
        if trouble := split_name_trouble(name):
            raise DataError(f"{dataset}: {trouble}")


def split_name_trouble(name: str) -> str:
    """Why a split may not have this name, and which names it may have; "" for a name that it may have."""
    fits = re.fullmatch(SPLIT_NAME, name) is not None and len(name) <= LONGEST_SPLIT_NAME
    words = name.split("_")
    if name.startswith(PRIOR_SPLIT):
        return f"the split {name!r}: names that begin with {PRIOR_SPLIT!r} are those of prior_alphas; use another name"
    if fits and words[0] not in METRIC_WORDS and words[-1] != "group":
        return ""
    return (
        f"the split {name!r}: its name must be words of lower-case letters and digits, joined by single underscores, "
        f"as in 'test_rotated', with at most {LONGEST_SPLIT_NAME} characters; it must not end with 'group', nor begin "
        f"with one of {', '.join(sorted(METRIC_WORDS))}"
    )


def check_further(splits: dict[str, str]) -> dict[str, str]:
    """The files of further evaluation splits by name, as a setting states them; `ValueError` for a wrong name."""
    for name in splits:
        if name in (*SPLITS, "train"):
            raise ValueError(f"{name!r} has a setting of its own; name the files of further splits only")
        if trouble := split_name_trouble(name):
            raise ValueError(trouble)
    return splits


def check_groups(dataset: object, name: str, groups: Groups | None, num_rows: int) -> None:
    """Refuse groups that are not one of a moderate number of names for each row of an evaluation split.

    Raises:
        DataError: states the split, the value and the rule.
    """
    if groups is None:
        return
    numbers, names = groups.numbers_N, groups.names
    trouble = ""
    if name == "pool":
        trouble = "groups are of evaluation splits, the pool has none"
    elif not isinstance(numbers, np.ndarray) or numbers.dtype != np.int64 or numbers.shape != (num_rows,):
        trouble = f"groups must be {num_rows} int64, one for each row"
    elif len(names) > MOST_GROUPS:
        trouble = f"{len(names):,} groups, at most {MOST_GROUPS:,} are compared; use a column with fewer values"
    elif len(set(names)) != len(names) or not all(names):
        trouble = "names of groups must be distinct and not empty"
    elif num_rows and not (numbers.min() >= 0 and numbers.max() < len(names)):
        trouble = f"a group's number must be in 0 .. {len(names) - 1}"
    if trouble:
        raise DataError(f"{dataset}, split {name!r}: {trouble}")


def ordered(names: Iterable[str]) -> tuple[str, ...]:
    """The names of splits: pool, validation and test, and then the others as they come."""
    return tuple(dict.fromkeys((*SPLITS, *names)))


def split_title(name: str) -> str:
    """A split as metrics name it: `test_rotated` is "Test Rotated"."""
    return " ".join(word.capitalize() for word in name.split("_"))


def further_facts(sizes: Mapping[str, int], groups: Mapping[str, Groups], facts: Facts) -> list[object]:
    """What identifies further splits, groups and facts of the pool, for a signature; nothing if there are none."""
    further = [(name, size) for name, size in sizes.items() if name not in SPLITS]
    hashes = [(name, each.sha256()) for name, each in groups.items()]
    return [*further, *hashes, *((name, fact_hash(values_N)) for name, values_N in facts.items())]


def split_facts(dataset: object, name: str, given: Mapping[str, ArrayLike], num_rows: int) -> Facts:
    """The facts of a split as they must be; `DataError` states the data set, the split, the value and the rule."""
    if given and name != "pool":
        raise DataError(f"{dataset}, split {name!r}: has facts; facts are of pool rows, leave them out here")
    try:
        return checked_facts(given, num_rows)
    except ValueError as error:
        raise DataError(f"{dataset}, split {name!r}: {error}") from error
