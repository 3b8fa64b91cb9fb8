"""Answers of several annotators to the same rows, as arrays.

    V votes     P distinct pairs of a row and a label that was given to it     W annotators     N rows     K classes

Nothing here has N x K entries: memory grows with the votes.
"""

from dataclasses import dataclass, field
from typing import Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labelbench_ray.errors import DataError

Ids = NDArray[np.int64]
Floats = NDArray[np.float64]
TIE = 1e-9
"""Two labels are equally likely if their probabilities differ by no more than this."""
UNDECIDED = -1


@dataclass(frozen=True, slots=True, eq=False)
class Votes:
    """Votes sorted by row, then annotator: the order in which they arrived changes nothing."""

    rows_V: Ids
    annotators_V: Ids
    labels_V: Ids
    num_rows: int
    num_classes: int
    pairs_V: Ids
    """The pair of each vote."""
    rows_P: Ids
    labels_P: Ids
    """Pairs sorted by row, then label."""
    answers_N: Ids
    """The number of votes on each row."""
    known_N: Ids | None = None
    """The label that a reference answer states, which is not a vote; -1 for none. None: there are no references."""

    @classmethod
    def of(
        cls,
        rows: ArrayLike,
        annotators: ArrayLike,
        labels: ArrayLike,
        num_rows: int,
        num_classes: int,
        known_N: Ids | None = None,
    ) -> Self:
        """Votes in any order.

        Args:
            rows: (V,) integers 0 .. N-1.
            annotators: (V,) integers from 0. Number annotators by their sorted names, so that the numbers do not
                depend on who answered first.
            labels: (V,) integers 0 .. K-1.
            num_rows: N.
            num_classes: K.
            known_N: the labels of reference answers, -1 for none.

        Raises:
            DataError: arrays of different lengths, a number out of range, or two votes of one annotator on one row.
        """
        rows_V, annotators_V, labels_V = (np.asarray(each, np.int64) for each in (rows, annotators, labels))
        if not rows_V.shape == annotators_V.shape == labels_V.shape == (rows_V.size,):
            shapes = f"{rows_V.shape}, {annotators_V.shape} and {labels_V.shape}"
            raise DataError(f"votes: rows, annotators and labels have the shapes {shapes}; give one entry each a vote")
        _check("row", rows_V, num_rows)
        _check("label", labels_V, num_classes)
        _check("annotator", annotators_V, None)
        order_V = np.lexsort((annotators_V, rows_V))
        rows_V, annotators_V, labels_V = rows_V[order_V], annotators_V[order_V], labels_V[order_V]
        repeated_V = (rows_V[1:] == rows_V[:-1]) & (annotators_V[1:] == annotators_V[:-1])
        if repeated_V.any():
            row, annotator = rows_V[1:][repeated_V][0], annotators_V[1:][repeated_V][0]
            raise DataError(f"votes: annotator {annotator} has several votes on row {row}; keep the latest")
        pairs_P, pairs_V = np.unique(rows_V * max(num_classes, 1) + labels_V, return_inverse=True)
        rows_P, labels_P = np.divmod(pairs_P, max(num_classes, 1))
        answers_N = np.bincount(rows_V, minlength=num_rows)
        return cls(rows_V, annotators_V, labels_V, num_rows, num_classes, pairs_V, rows_P, labels_P, answers_N, known_N)

    @property
    def num_annotators(self) -> int:
        """W."""
        return int(self.annotators_V.max(initial=-1)) + 1

    def shares(self) -> Floats:
        """(P,) the share of its row's votes that each pair has."""
        shares_P: Floats = np.bincount(self.pairs_V, minlength=len(self.rows_P)) / self.answers_N[self.rows_P]
        return shares_P


@dataclass(frozen=True, slots=True, eq=False)
class Posterior:
    """How likely each label is that somebody gave to a row. What is missing to 1 lies on the row's other classes."""

    rows_P: Ids
    labels_P: Ids
    """Sorted by row, then label."""
    probabilities_P: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Consensus:
    """One label a row, as far as the answers agree."""

    labels_N: Ids
    """-1 where the row is disputed or has no answer."""
    confidence_N: Floats
    """The probability of the label; of a disputed row, that of each of its likeliest labels. 0 without an answer."""
    disputed_N: NDArray[np.bool_]
    """Several labels are equally likely."""
    answers_N: Ids
    """The number of votes on each row."""
    posterior: Posterior
    skills_W: Floats | None = field(default=None, kw_only=True)
    """How often each annotator is right, if the method estimates that."""


class Method(Protocol):
    """A way to find one label a row."""

    def __call__(self, votes: Votes, probabilities_NK: Floats | None = None, /) -> Consensus:
        """The consensus of these votes: a pure function, and the same bytes for votes in any order.

        Args:
            votes: any number of them, on any of the rows.
            probabilities_NK: what a model that did not learn from these votes predicts. Read by methods that use it.
        """
        ...


def likeliest(votes: Votes, probabilities_P: Floats, skills_W: Floats | None = None) -> Consensus:
    """The likeliest label of each row that has votes; ties are disputed."""
    top_N = np.zeros(votes.num_rows)
    np.maximum.at(top_N, votes.rows_P, probabilities_P)
    at_top_P = probabilities_P >= top_N[votes.rows_P] - TIE
    disputed_N = np.bincount(votes.rows_P[at_top_P], minlength=votes.num_rows) > 1
    labels_N = np.full(votes.num_rows, UNDECIDED, np.int64)
    labels_N[votes.rows_P[at_top_P]] = votes.labels_P[at_top_P]
    labels_N[disputed_N] = UNDECIDED
    posterior = Posterior(votes.rows_P, votes.labels_P, probabilities_P)
    return Consensus(labels_N, top_N, disputed_N, votes.answers_N, posterior, skills_W=skills_W)


def references(rows_G: Ids, labels_G: Ids, num_rows: int) -> Ids:
    """(N,) the label that the reference answers to each row state; -1 where there is none, or where they differ."""
    lowest_N, highest_N = np.full(num_rows, np.iinfo(np.int64).max), np.full(num_rows, UNDECIDED)
    np.minimum.at(lowest_N, rows_G, labels_G)
    np.maximum.at(highest_N, rows_G, labels_G)
    return np.where(lowest_N == highest_N, highest_N, UNDECIDED)


def _check(name: str, numbers_V: Ids, end: int | None) -> None:
    """Refuse numbers below 0 or from `end` on."""
    wrong_V = (numbers_V < 0) | (numbers_V >= (np.iinfo(np.int64).max if end is None else end))
    if wrong_V.any():
        rule = "at least 0" if end is None else f"0 .. {end - 1}"
        raise DataError(f"votes: {name} {numbers_V[wrong_V][0]} is out of range; it must be {rule}")
