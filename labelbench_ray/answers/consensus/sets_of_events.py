"""The consensus on the rows of a log of events whose rows may have several classes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labelbench_ray.answers import fold
from labelbench_ray.answers.consensus.multi_label import UNKNOWN, ClassSets, MultiLabelConsensus, multi_label
from labelbench_ray.answers.consensus.votes import Floats, Ids, Method
from labelbench_ray.answers.events import Status
from labelbench_ray.errors import DataError
from labelbench_ray.types import Labels


@dataclass(frozen=True, slots=True, eq=False)
class RowSets:
    """A consensus and the rows that it is about."""

    row_ids: tuple[str, ...]
    """(N,) sorted: every row that somebody gave a set of classes, also none of them."""
    consensus: MultiLabelConsensus
    annotators: tuple[str, ...]
    """(W,) sorted."""

    def place(self) -> Mapping[str, int]:
        """Row id -> its place among the rows."""
        return {row_id: place for place, row_id in enumerate(self.row_ids)}


def sets_of_events(
    events: pa.Table,
    classes: Sequence[str],
    method: Method,
    probabilities: Mapping[str, Floats] | None = None,
) -> RowSets:
    """One set of classes a row, from the answers that hold: `consensus.of_events` for several classes a row.

    Reference answers (`gold`) to a row decide alone, with a confidence of 1; a class that they differ in is unknown.
    Where they are equal, they show how often the annotators of the row are right.

    Args:
        events: rows of `events.SCHEMA`, each event once, in any order.
        classes: the K names that answers may give.
        method: of `consensus.of`; it decides each class of each row.
        probabilities: row id -> (K,) what a model predicts of each class, for methods that read it.

    Raises:
        DataError: an answer with another class.
    """
    held = fold.latest(events)
    held = held.filter(pc.equal(held.column("status"), Status.SUBMITTED))
    row_ids, annotators = (pc.unique(held.column(name)).sort() for name in ("row_id", "annotator"))
    rows_A, annotators_A = (
        pc.index_in(held.column(name), value_set=values).to_numpy().astype(np.int64)
        for name, values in (("row_id", row_ids), ("annotator", annotators))
    )
    answers_E, classes_E = _entries(held, classes)
    is_gold_A = held.column("gold").to_numpy()
    ids = tuple(row_ids.to_pylist())
    predicted_NK = np.stack([probabilities[row_id] for row_id in ids]) if probabilities is not None and ids else None
    people = _only(~is_gold_A, rows_A, annotators_A, answers_E, classes_E)
    gold = _only(is_gold_A, rows_A, annotators_A, answers_E, classes_E)
    known = _equal(gold, len(classes)) if is_gold_A.any() else None
    found = multi_label(method, people, len(ids), len(classes), predicted_NK, known)
    return RowSets(ids, _with_reference(found, gold, len(classes)), tuple(annotators.to_pylist()))


def _entries(held: pa.Table, classes: Sequence[str]) -> tuple[Ids, Ids]:
    """The answer and the class of each entry of the answers' sets."""
    labels = held.column("labels").combine_chunks()
    names_E = pc.list_flatten(labels)
    classes_E = pc.fill_null(pc.index_in(names_E, value_set=pa.array(classes, pa.string())), -1).to_numpy()
    if (classes_E < 0).any():
        name = names_E[int(np.flatnonzero(classes_E < 0)[0])].as_py()
        raise DataError(f"answers: the class {name!r} is not one of the {len(classes)} of this campaign; add it there")
    return pc.list_parent_indices(labels).to_numpy().astype(np.int64), classes_E.astype(np.int64)


def _only(kept_A: np.ndarray, rows_A: Ids, annotators_A: Ids, answers_E: Ids, classes_E: Ids) -> ClassSets:
    """Some of the answers."""
    kept_E = kept_A[answers_E]
    places_A = np.cumsum(kept_A) - 1
    return ClassSets(rows_A[kept_A], annotators_A[kept_A], places_A[answers_E[kept_E]], classes_E[kept_E])


def _equal(gold: ClassSets, num_classes: int) -> ClassSets:
    """One reference of each row whose references are equal."""
    has_AK = _marks(gold, num_classes)
    _, first_R, row_A = np.unique(gold.rows_A, return_index=True, return_inverse=True)
    differs_A = (has_AK != has_AK[first_R][row_A]).any(axis=1)
    kept_A = np.zeros(len(row_A), np.bool_)
    kept_A[first_R] = np.bincount(row_A[differs_A], minlength=len(first_R)) == 0
    return _only(kept_A, gold.rows_A, gold.annotators_A, gold.answers_E, gold.classes_E)


def _marks(sets: ClassSets, num_classes: int) -> Labels:
    """(A, K) 1 for each class of an answer."""
    has_AK: Labels = np.zeros((len(sets.rows_A), num_classes), np.int8)
    has_AK[sets.answers_E, sets.classes_E] = 1
    return has_AK


def _with_reference(found: MultiLabelConsensus, gold: ClassSets, num_classes: int) -> MultiLabelConsensus:
    """The sets of reference answers in place of others."""
    has_AK = _marks(gold, num_classes)
    first_N = np.zeros(len(found.answers_N), np.int64)
    first_N[gold.rows_A] = np.arange(len(gold.rows_A))
    first_AK = has_AK[first_N[gold.rows_A]]
    labels_NK, confidence_N, disputed_N = found.labels_NK.copy(), found.confidence_N.copy(), found.disputed_N.copy()
    labels_NK[gold.rows_A] = first_AK
    differs_AK = has_AK != first_AK
    labels_NK[gold.rows_A[differs_AK.nonzero()[0]], differs_AK.nonzero()[1]] = UNKNOWN
    disputed_N[gold.rows_A] = (labels_NK[gold.rows_A] == UNKNOWN).any(axis=1)
    confidence_N[gold.rows_A] = np.where(disputed_N[gold.rows_A], 0.0, 1.0)
    return replace(found, labels_NK=labels_NK, confidence_N=confidence_N, disputed_N=disputed_N)
