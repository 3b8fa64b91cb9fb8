"""Audit rows: a uniform sample of the pool that is closed to strategies and training, so that it can score any model.

The first proposal fixes a key and a limit. Rows whose keyed hash is at most the limit are the audit reserve, in the
order of their hashes: neither the order of the files nor later rows change which they are. Rows that are added to the
pool join the reserve at the same rate, so it stays a uniform sample of the pool, none ever leaves it, and none enters
it that a model was trained on.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Final
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.errors import ConfigError
from labelbench_ray.report.statistics.audit import AuditEstimate, audit_estimate
from labelbench_ray.report.statistics.paired import Floats

AUDIT_SHARE: Final = 0.1
"""Of each batch's budget, and of a small pool."""
LARGEST_RESERVE: Final = 1000


def default_reserve(rows: int) -> int:
    """The audit rows of a pool: a tenth of it, 1,000 at most."""
    return min(LARGEST_RESERVE, int(rows * AUDIT_SHARE))


def audit_order(row_ids: Iterable[str], key: str) -> list[str]:
    """The rows in a random order that depends on the key and on each row's own id alone."""
    return [row_id for _, row_id in sorted((_hash(row_id, key), row_id) for row_id in row_ids)]


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
    return _hash(audit_order(row_ids, key)[reserve - 1], key) if reserve else ""


def audit_reserve(row_ids: Iterable[str], key: str, limit: str) -> list[str]:
    """The audit rows, those to ask for first at the start: rows whose hash is at most the limit."""
    return audit_order((row_id for row_id in row_ids if _hash(row_id, key) <= limit), key)


def next_audit_rows(order: Sequence[str], asked: Collection[str], budget: int, share: float = AUDIT_SHARE) -> list[str]:
    """The audit rows of the next batch: the first ones that were not asked for, a tenth of its budget, rounded.

    Args:
        order: the audit reserve.
        asked: rows that were proposed already, answered or not.
        budget: of the batch, audit rows included.
        share: of the budget.
    """
    asked = frozenset(asked)
    return [row_id for row_id in order if row_id not in asked][: int(share * budget + 0.5)]


def training_rows(answered: Iterable[str], reserve: Collection[str], *, release_audit: bool) -> list[str]:
    """The answered rows to train on: no audit row, and all where the last fit releases them.

    A model that was trained on audit rows cannot be scored on them: nothing may be estimated after the release.
    """
    closed = frozenset() if release_audit else frozenset(reserve)
    return [row_id for row_id in answered if row_id not in closed]


def audited_accuracy(
    reserve: Sequence[str],
    labels: Mapping[str, int],
    predicted_R: NDArray[np.int64],
    confidence_R: Floats,
    population: int,
) -> AuditEstimate | None:
    """A model's accuracy on rows like the pool's, from all answered audit rows; None before the first answer.

    The confidences are compared with those of the other rows of the reserve alone: a strategy chose from the rest of
    the pool, and the model was fitted to a part of it.

    Args:
        reserve: the audit reserve, R rows.
        labels: class numbers that people agreed on, by row id; other rows than audit rows do not count.
        predicted_R: the model's classes for the reserve.
        confidence_R: its largest probabilities there.
        population: the number of rows of the pool.
    """
    answered_R = np.array([row_id in labels for row_id in reserve], bool)
    if not answered_R.any():
        return None
    labels_A = np.array([labels[row_id] for row_id in reserve if row_id in labels])
    return audit_estimate(
        labels_A == predicted_R[answered_R], confidence_R[answered_R], confidence_R[~answered_R], population
    )


def _hash(row_id: str, key: str) -> str:
    """16 hexadecimal digits, the same for every way to write the id in Unicode."""
    secret = blake2b(key.encode(errors="surrogatepass"), digest_size=32).digest()
    text = normalize("NFC", row_id).encode(errors="surrogatepass")
    return blake2b(text, digest_size=8, key=secret, person=b"audit").hexdigest()
