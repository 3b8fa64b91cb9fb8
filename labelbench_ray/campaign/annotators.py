"""Who is asked for which row of a batch, when several people label it.

As many rows as there are annotators, each row the one before moved on by one annotator, give everybody the same
number of rows. How the first of such rows is spaced decides which pairs share rows; it is chosen so that they share
evenly. The rows that are left over go to those with the fewest.
"""

from itertools import combinations, islice
from math import comb
from typing import Final

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.errors import ConfigError

MOST_GROUPS: Final = 5_000
"""Groups of annotators that are compared with each other."""
Counts = NDArray[np.int64]


def plan(num_rows: int, annotators: int, overlap: int) -> list[list[int]]:
    """The annotators of each row: `overlap` different ones, ascending.

    The numbers of rows of any two annotators differ by at most 1, and pairs of annotators share about equally many.

    Raises:
        ConfigError: more answers a row than there are annotators, or less than one of either.
    """
    if annotators < 1 or not 1 <= overlap <= annotators:
        raise ConfigError(
            f"--overlap {overlap}: each row goes to that many of the {annotators} annotators; give 1 to {annotators}"
        )
    shared_AA = np.zeros((annotators, annotators), np.int64)
    spacings_GO = _groups(annotators, overlap)
    added_GA = np.stack([_differences(spacing_O, annotators) for spacing_O in spacings_GO])
    planned: list[list[int]] = []
    for _ in range(num_rows // annotators):
        best = np.square(shared_AA[0] + added_GA)[:, 1:].sum(axis=1).argmin()
        for first in range(annotators):
            _give(planned, shared_AA, (spacings_GO[best] + first) % annotators)
    loads_A = np.zeros(annotators, np.int64)
    for _ in range(num_rows % annotators):
        group_O = _fewest(loads_A, shared_AA, overlap)
        loads_A[group_O] += 1
        _give(planned, shared_AA, group_O)
    return planned


def _give(planned: list[list[int]], shared_AA: Counts, group_O: Counts) -> None:
    shared_AA[np.ix_(group_O, group_O)] += 1
    planned.append(sorted(group_O.tolist()))


def _groups(annotators: int, overlap: int) -> Counts:
    """(G, O) groups with the first annotator in them: all, or a fixed sample of them."""
    if comb(annotators - 1, overlap - 1) <= MOST_GROUPS:
        return np.array([(0, *rest) for rest in combinations(range(1, annotators), overlap - 1)], np.int64)
    rng = np.random.default_rng(0)
    drawn = (np.sort(rng.choice(annotators - 1, overlap - 1, replace=False)) + 1 for _ in range(MOST_GROUPS))
    return np.array([(0, *rest_O) for rest_O in drawn], np.int64)


def _differences(group_O: Counts, annotators: int) -> Counts:
    """(A,) how often two of a group are so many annotators apart."""
    apart_OO = (group_O[:, None] - group_O[None, :]) % annotators
    return np.bincount(apart_OO.reshape(-1), minlength=annotators)


def _fewest(loads_A: Counts, shared_AA: Counts, overlap: int) -> Counts:
    """(O,) those with the fewest rows; among equals, those who shared the least with the others."""
    last = np.sort(loads_A)[overlap - 1]
    fixed, equal = np.flatnonzero(loads_A < last), np.flatnonzero(loads_A == last)
    groups = islice(combinations(equal.tolist(), overlap - len(fixed)), MOST_GROUPS)
    groups_GO = np.array([[*fixed.tolist(), *group] for group in groups], np.int64)
    evenest = np.array([shared_AA[np.ix_(group_O, group_O)].sum() for group_O in groups_GO]).argmin()
    chosen_O: Counts = groups_GO[evenest]
    return chosen_O
