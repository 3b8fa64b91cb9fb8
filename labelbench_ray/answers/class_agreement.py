"""How far annotators agree on each class, where a row may have several of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labelbench_ray.answers import fold
from labelbench_ray.answers.consensus.votes import Ids
from labelbench_ray.answers.events import Status


@dataclass(frozen=True, slots=True)
class ClassAgreement:
    """One class as a yes-or-no question: everybody who answers a row answers it."""

    name: str
    given: int
    """Answers that give the class."""
    raw: float | None
    """The share of equal pairs of answers to one row; None without such a pair."""
    alpha: float | None
    """Krippendorff's; None without pairs, or where all answers are equal."""

    def __str__(self) -> str:
        raw = "-" if self.raw is None else f"{100 * self.raw:.1f} %"
        alpha = "undefined" if self.alpha is None else f"{self.alpha:.3f}"
        return f"{self.name}: {raw} of pairs, alpha {alpha} (given {self.given:,} times)"


def class_agreement(events: pa.Table, classes: Sequence[str]) -> list[ClassAgreement]:
    """Each class, in order; reference answers do not count.

    Args:
        events: rows of `events.SCHEMA`, each event once, in any order.
        classes: the names; others do not count.
    """
    held = fold.latest(events)
    submitted = pc.equal(held.column("status"), Status.SUBMITTED)
    held = held.filter(pc.and_not(submitted, held.column("gold"))).combine_chunks()
    row_ids = pc.unique(held.column("row_id"))
    rows_A = pc.index_in(held.column("row_id"), value_set=row_ids).to_numpy().astype(np.int64)
    labels = held.column("labels").combine_chunks()
    answers_E = pc.list_parent_indices(labels).to_numpy().astype(np.int64)
    places = pc.index_in(pc.list_flatten(labels), value_set=pa.array(classes, pa.string()))
    classes_E = pc.fill_null(places, -1).to_numpy().astype(np.int64)
    return _of_each(rows_A, answers_E[classes_E >= 0], classes_E[classes_E >= 0], classes)


def _of_each(rows_A: Ids, answers_E: Ids, classes_E: Ids, classes: Sequence[str]) -> list[ClassAgreement]:
    """Time grows with the answers and their entries E, not with the classes that a row does not have.

    Of n answers to a row of which y give a class, y (n - y) pairs are not equal: none where nobody gives it.
    """
    # An answer that names a class twice gives it once.
    answers_E, classes_E = np.divmod(np.unique(answers_E * max(len(classes), 1) + classes_E), max(len(classes), 1))
    answers_N = np.bincount(rows_A)
    pairs_P, yes_P = np.unique(rows_A[answers_E] * max(len(classes), 1) + classes_E, return_counts=True)
    rows_P, classes_P = np.divmod(pairs_P, max(len(classes), 1))
    of_row_P = answers_N[rows_P]
    unequal_P, shared_P = 2 * yes_P * (of_row_P - yes_P), of_row_P > 1
    given_K, unequal_K, observed_K, yes_K = (
        np.bincount(classes_P, weights_P, len(classes))
        for weights_P in (yes_P, unequal_P, unequal_P / np.maximum(of_row_P - 1, 1), yes_P * shared_P)
    )
    pairs, values = int((answers_N * (answers_N - 1)).sum()), int(answers_N[answers_N > 1].sum())
    expected_K = 2 * yes_K * (values - yes_K)
    return [
        ClassAgreement(
            name,
            int(given_K[place]),
            float(1 - unequal_K[place] / pairs) if pairs else None,
            float(1 - (values - 1) * observed_K[place] / expected_K[place]) if expected_K[place] else None,
        )
        for place, name in enumerate(classes)
    ]
