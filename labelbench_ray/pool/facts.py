"""Facts: numbers of each row of a pool beside its embedding, which strategies read by name."""

import re
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labelbench_ray.errors import unknown

FACT_NAME: Final = r"[A-Za-z][A-Za-z0-9_]*"
LONGEST_FACT_NAME: Final = 64
DUPLICATE_OF: Final = "duplicate_of"
"""The fact of a row that repeats another one: the number of that one, or -1. Every strategy leaves repeats out."""
LARGEST_INTEGER: Final = 2**53
"""float64 holds every integer up to this one."""
RULE: Final = "a fact must be a finite number in every row; write another number, such as -1, where there is none"


class Facts(dict[str, NDArray[np.float64]]):
    """(N,) float64 for each name, in the order of the names; to be read, not written."""

    def __missing__(self, name: str) -> NDArray[np.float64]:
        raise KeyError(unknown("fact", name, self))

    def take(self, rows: slice | NDArray[Any]) -> "Facts":
        """The facts of some rows."""
        return Facts({name: values_N[rows] for name, values_N in self.items()})

    def sampled(self, rows_M: NDArray[np.int64]) -> "Facts":
        """The facts of ascending rows that become a pool of their own, whose duplicates repeat rows that are in it."""
        taken = self.take(rows_M)
        if DUPLICATE_OF in taken:
            repeated_M = taken[DUPLICATE_OF]
            origins_M = np.where(repeated_M < 0, rows_M, repeated_M)
            order_M = np.lexsort((repeated_M >= 0, origins_M))  # of equal rows the one that was kept, if it is here
            _, firsts, inverse_M = np.unique(origins_M[order_M], return_index=True, return_inverse=True)
            first_M = np.empty(len(rows_M), np.int64)
            first_M[order_M] = order_M[firsts][inverse_M]
            taken[DUPLICATE_OF] = np.where(first_M == np.arange(len(rows_M)), -1.0, first_M)
        return taken


def fact_name_trouble(name: str) -> str:
    """Why a fact may not have this name; "" for a name that it may have."""
    if re.fullmatch(FACT_NAME, name) and len(name) <= LONGEST_FACT_NAME:
        return ""
    return (
        f"the fact {name!r}: its name must be a letter and then letters, digits or underscores, as in 'num_tokens', at "
        f"most {LONGEST_FACT_NAME} characters; rename it"
    )


def checked_facts(given: Mapping[str, ArrayLike], num_rows: int, row_ids: Sequence[str] | None = None) -> Facts:
    """Facts as they must be.

    Args:
        given: (N,) floats, integers or booleans for each name.
        num_rows: N.
        row_ids: how an error names a row; None: by its number.

    Raises:
        ValueError: a name, shape or dtype that a fact may not have, or a value that is not a finite number.
    """
    return Facts({name: _checked(name, given[name], num_rows, row_ids) for name in sorted(given)})


def _checked(name: str, given: ArrayLike, num_rows: int, row_ids: Sequence[str] | None) -> NDArray[np.float64]:
    if trouble := fact_name_trouble(name):
        raise ValueError(trouble)
    values_N = np.asarray(given)
    if values_N.shape != (num_rows,):
        raise ValueError(f"the fact {name!r}: shape {values_N.shape} must be ({num_rows},), a number for each row")
    if values_N.dtype.kind not in "fiub":
        raise ValueError(f"the fact {name!r}: dtype {values_N.dtype} must be float, integer or boolean; convert it")
    if (trouble_N := wrong_values(values_N)).any():
        place = int(np.flatnonzero(trouble_N)[0])
        row = place if row_ids is None else repr(row_ids[place])
        raise ValueError(f"the fact {name!r}: row {row} has {values_N[place]}; {RULE}")
    return values_N.astype(np.float64)


def wrong_values(values_N: NDArray[Any]) -> NDArray[np.bool_]:
    """(N,) whether a number is not finite, or is an integer that float64 does not hold exactly."""
    if values_N.dtype.kind in "iu":
        beyond_N: NDArray[np.bool_] = (values_N > LARGEST_INTEGER) | (values_N < -LARGEST_INTEGER)
        return beyond_N
    infinite_N: NDArray[np.bool_] = ~np.isfinite(values_N)
    return infinite_N


def fact_hash(values_N: NDArray[np.float64]) -> str:
    """A hash of one fact of all rows."""
    return sha256(np.ascontiguousarray(values_N.astype("<f8")).data).hexdigest()


def missing_facts(needed: Iterable[str], have: Iterable[str]) -> str:
    """Which facts are missing and which there are, in words; "" if none is missing."""
    there = sorted(have)
    missing = [repr(name) for name in needed if name not in there]
    if not missing:
        return ""
    facts = "fact" if len(missing) == 1 else "facts"
    return f"needs the {facts} {', '.join(missing)}, and the pool has {', '.join(map(repr, there)) or 'none'}"
