"""How far annotators agree on each class, where a row may have several of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labelbench_ray.answers import fold
from labelbench_ray.answers.agreement import krippendorff_alpha, pairwise_agreement
from labelbench_ray.answers.consensus.votes import Votes
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
    row_ids, annotators = (pc.unique(held.column(name)) for name in ("row_id", "annotator"))
    rows_A, annotators_A = (
        pc.index_in(held.column(name), value_set=values).to_numpy()
        for name, values in (("row_id", row_ids), ("annotator", annotators))
    )
    labels = held.column("labels").combine_chunks()
    answers_E = pc.list_parent_indices(labels).to_numpy()
    places = pc.index_in(pc.list_flatten(labels), value_set=pa.array(classes, pa.string()))
    classes_E = pc.fill_null(places, -1).to_numpy()
    found = []
    for number, name in enumerate(classes):
        has_A = np.zeros(len(held), np.int64)
        has_A[answers_E[classes_E == number]] = 1
        votes = Votes.of(rows_A, annotators_A, has_A, len(row_ids), 2)
        found.append(ClassAgreement(name, int(has_A.sum()), pairwise_agreement(votes), krippendorff_alpha(votes)))
    return found
