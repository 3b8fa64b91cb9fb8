"""Audit rows: a uniform sample of the pool that is closed to strategies and training, so that it can score any model.

The first proposal fixes a key and a limit. Rows whose keyed hash is at most the limit are the audit reserve, in the
order of their hashes: neither the order of the files nor later rows change which they are. Rows that are added to the
pool join the reserve at the same rate, so it stays a uniform sample of the pool, none ever leaves it, and none enters
it that a model was trained on.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from heapq import nsmallest
from typing import Final
from unicodedata import normalize

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labelbench_ray.errors import ConfigError
from labelbench_ray.report.statistics.audit import (
    AuditEstimate,
    Sample,
    error_covariance,
    estimate_of_parts,
)
from labelbench_ray.report.statistics.paired import Floats
from labelbench_ray.types import Ids, Labels

AUDIT_SHARE: Final = 0.1
"""Of each batch's budget, and of a small pool."""
LARGEST_RESERVE: Final = 1000
LEAST_ANSWERS: Final = 10
"""Of a version of the pool, from which on the estimate is for its rows, too."""


def default_reserve(rows: int) -> int:
    """The audit rows of a pool: a tenth of it, 1,000 at most."""
    return min(LARGEST_RESERVE, int(rows * AUDIT_SHARE))


def audit_order(row_ids: Iterable[str], key: str) -> list[str]:
    """The rows in a random order that depends on the key and on each row's own id alone."""
    return [row_id for _, row_id in sorted(_hashed(row_ids, key))]


def audit_limit(row_ids: Collection[str], key: str, reserve: int) -> str:
    """The hash of the last row of the reserve, for the campaign's record; "" for a reserve without rows.

    Raises:
        ConfigError: the reserve would leave the strategy no row.
    """
    if reserve < 0 or (reserve and reserve >= len(row_ids)):
        raise ConfigError(
            f"an audit reserve of {reserve:,} rows, of a pool of {len(row_ids):,}; it must leave rows for the "
            f"strategy: the default is {default_reserve(len(row_ids)):,}"
        )
    return nsmallest(reserve, _hashed(row_ids, key))[-1][0] if reserve else ""


def audit_reserve(row_ids: Iterable[str], key: str, limit: str) -> list[str]:
    """The audit rows, those to ask for first at the start: rows whose hash is at most the limit."""
    return [row_id for _, row_id in sorted(each for each in _hashed(row_ids, key) if each[0] <= limit)]


def next_audit_rows(order: Sequence[str], known: Collection[str], budget: int, share: float = AUDIT_SHARE) -> list[str]:
    """The audit rows of the next batch: the first ones that are not known yet, a tenth of its budget, rounded.

    Args:
        order: the audit reserve.
        known: rows that were proposed already, answered or not, and those that have a label without.
        budget: of the batch, audit rows included.
        share: of the budget.
    """
    known = frozenset(known)
    return [row_id for row_id in order if row_id not in known][: int(share * budget + 0.5)]


@dataclass(frozen=True, slots=True, eq=False)
class AuditRows:
    """The answered audit rows of a pool that may have gained rows. (Letters: R the reserve, V versions of the pool.)"""

    reserve: Sequence[str]
    labels_R: Labels
    """(R,) class numbers, or (R, K) rows of 0 and 1 for several classes a row; -1: the row does not score models."""
    version_R: Ids
    """The version of the pool that brought each row."""
    rows_V: Ids
    """How many rows each version brought."""

    def __len__(self) -> int:
        """The answered rows."""
        return int(self.answered_R.sum())

    @property
    def answered_R(self) -> NDArray[np.bool_]:
        """Which rows score models."""
        return _rows_of(self.labels_R >= 0, 1)

    def _right(self, labels_A: Labels, predicted_A: Labels) -> NDArray[np.bool_]:
        """(..., A) whether a row is right: its class, or every one of several."""
        return _rows_of(labels_A == predicted_A, predicted_A.ndim - self.labels_R.ndim + 1)

    @property
    def scored_V(self) -> Ids:
        """The versions that models are scored on: those with ten answers; before the first, the one with the most."""
        answers_V = self._answers_V()
        enough_V = np.flatnonzero(answers_V >= LEAST_ANSWERS)
        return enough_V if len(enough_V) else np.array([answers_V.argmax()])

    def estimate(self, predicted_R: Labels, confidence_R: Floats) -> AuditEstimate | None:
        """A model's accuracy on rows like those of the pool's versions that have answers enough; None before the first.

        Later rows may be of another kind, and fewer of them were asked: each version has a sample of its own. The
        confidences are compared with those of the other rows of the reserve alone: a strategy chose from the rest of
        the pool, and the model was fitted to a part of it.

        Args:
            predicted_R: what the model answers to the reserve, as labels are held.
            confidence_R: the probability of each answer.
        """
        if not len(self):
            return None
        samples = []
        for version in self.scored_V.tolist():
            answered_R = self._answered_R(version)
            others_R = (self.version_R == version) & ~answered_R
            correct_A = self._right(self.labels_R[answered_R], predicted_R[answered_R])
            population = int(self.rows_V[version])
            samples.append(Sample(correct_A, confidence_R[answered_R], confidence_R[others_R], population))
        found = estimate_of_parts(samples)
        return replace(found, sentence=f"{found.sentence}{self._left_out()}")

    def covariance(self, predicted_TR: Labels) -> Floats:
        """(T, T) covariances of the errors of the estimates of T models; needs two answers."""
        versions = self.scored_V
        answered_VR = [self._answered_R(version) for version in versions.tolist()]
        correct_VTA = [self._right(self.labels_R[some_R], predicted_TR[:, some_R]) for some_R in answered_VR]
        return error_covariance(correct_VTA, self.rows_V[versions] / self.rows_V[versions].sum())

    def _answered_R(self, version: int) -> NDArray[np.bool_]:
        answered_R: NDArray[np.bool_] = (self.version_R == version) & self.answered_R
        return answered_R

    def _answers_V(self) -> Ids:
        return np.bincount(self.version_R[self.answered_R], minlength=len(self.rows_V))

    def _left_out(self) -> str:
        """A sentence on the versions that models are not scored on; "" where there is none."""
        others_V = np.setdiff1d(np.arange(len(self.rows_V)), self.scored_V)
        if not len(others_V):
            return ""
        answers, rows = int(self._answers_V()[others_V].sum()), int(self.rows_V[others_V].sum())
        return (
            f" It is for {self.rows_V.sum() - rows:,} of the pool's {self.rows_V.sum():,} rows: the other {rows:,} "
            f"came at other times, and too few of them measure the model so far ({answers:,}; {LEAST_ANSWERS} of each "
            "time)."
        )


def audit_rows(
    reserve: Sequence[str], version_R: Ids, rows_V: Ids, asked: Collection[str], labels: Mapping[str, ArrayLike]
) -> AuditRows:
    """The audit rows with the labels that score models: of each version, those up to the last row that was asked.

    People may label rows that no batch asked for, and choose them by what they see. Such a label counts only where the
    order of the reserve has come to its row.

    Args:
        reserve: the audit reserve, R rows in their order.
        version_R: the version of the pool that brought each.
        rows_V: the rows of each version.
        asked: rows that batches asked for.
        labels: what people agreed on, by row id: a class number, or a row of 0 and 1 for several classes.
    """
    asked_R = np.array([row_id in asked for row_id in reserve], bool)
    labels_R = np.full((len(reserve), *np.shape(next(iter(labels.values()), 0))), -1, np.int64)
    for place, row_id in enumerate(reserve):
        labels_R[place] = labels.get(row_id, -1)
    last_V = np.full(len(rows_V), -1)
    np.maximum.at(last_V, version_R[asked_R], np.flatnonzero(asked_R))
    labels_R[np.arange(len(reserve)) > last_V[version_R]] = -1
    return AuditRows(reserve, labels_R, version_R, rows_V)


def _rows_of(entries: NDArray[np.bool_], dimensions: int) -> NDArray[np.bool_]:
    """Whether all entries of each row hold; a row is what follows the first dimensions."""
    return np.asarray(entries.all(axis=tuple(range(dimensions, entries.ndim))), np.bool_)


def _hashed(row_ids: Iterable[str], key: str) -> Iterator[tuple[str, str]]:
    """Each row with its hash: 16 hexadecimal digits, the same for every way to write the id in Unicode."""
    secret = blake2b(key.encode(errors="surrogatepass"), digest_size=32).digest()
    keyed = blake2b(digest_size=8, key=secret, person=b"audit")  # copied for each row: half of the time of a new one
    for row_id in row_ids:
        of_row = keyed.copy()
        of_row.update(normalize("NFC", row_id).encode(errors="surrogatepass"))
        yield of_row.hexdigest(), row_id
