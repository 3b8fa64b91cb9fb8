"""The consensus on the rows of a log of events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labelbench_ray.answers import fold
from labelbench_ray.answers.consensus.votes import Consensus, Floats, Ids, Method, Votes, references
from labelbench_ray.answers.events import Status
from labelbench_ray.errors import DataError


@dataclass(frozen=True, slots=True, eq=False)
class RowConsensus:
    """A consensus and the rows that it is about."""

    row_ids: tuple[str, ...]
    """(N,) sorted: every row that somebody gave one label."""
    consensus: Consensus
    annotators: tuple[str, ...]
    """(W,) sorted."""

    def place(self) -> Mapping[str, int]:
        """Row id -> its place among the rows."""
        return {row_id: place for place, row_id in enumerate(self.row_ids)}


def of_events(
    events: pa.Table,
    classes: Sequence[str],
    method: Method,
    probabilities: Mapping[str, Floats] | None = None,
) -> RowConsensus:
    """One class a row, from the answers that hold.

    Reference answers (`gold`) to a row decide alone, with a confidence of 1, and show how often the annotators of the
    row are right; answers without exactly one label do not count.

    Args:
        events: rows of `events.SCHEMA`, each event once, in any order.
        classes: the names that answers may give; labels are their places.
        method: of `consensus.of`.
        probabilities: row id -> (K,) what a model predicts, for methods that read it.

    Raises:
        DataError: an answer with another class.
    """
    held = fold.latest(events)
    one_label = pc.equal(pc.fill_null(pc.list_value_length(held.column("labels")), 0), 1)
    held = held.filter(pc.and_(pc.equal(held.column("status"), Status.SUBMITTED), one_label))
    row_ids, annotators = (_sorted(held.column(name)) for name in ("row_id", "annotator"))
    names_V = pc.list_flatten(held.column("labels"))
    labels_V = pc.fill_null(pc.index_in(names_V, value_set=pa.array(classes, pa.string())), -1).to_numpy()
    if (labels_V < 0).any():
        name = names_V[int(np.flatnonzero(labels_V < 0)[0])].as_py()
        raise DataError(f"answers: the class {name!r} is not one of the {len(classes)} of this campaign; add it there")
    rows_V, annotators_V = (
        pc.index_in(held.column(name), value_set=values).to_numpy().astype(np.int64)
        for name, values in (("row_id", row_ids), ("annotator", annotators))
    )
    is_gold_V = held.column("gold").to_numpy()
    rows_U, annotators_U, labels_U = (each[~is_gold_V] for each in (rows_V, annotators_V, labels_V))
    known_N = references(rows_V[is_gold_V], labels_V[is_gold_V], len(row_ids))
    votes = Votes.of(rows_U, annotators_U, labels_U, len(row_ids), len(classes), known_N)
    ids = tuple(row_ids.to_pylist())
    predicted_NK = np.stack([probabilities[row_id] for row_id in ids]) if probabilities is not None and ids else None
    found = method(votes, predicted_NK)
    return RowConsensus(ids, _with_references(found, rows_V[is_gold_V], known_N), tuple(annotators.to_pylist()))


def _with_references(found: Consensus, rows_G: Ids, known_N: Ids) -> Consensus:
    """The labels of reference answers in place of others; references that differ leave the row disputed."""
    is_gold_N, is_known_N = np.zeros(len(known_N), np.bool_), known_N >= 0
    is_gold_N[rows_G] = True
    return replace(
        found,
        labels_N=np.where(is_gold_N, known_N, found.labels_N),
        confidence_N=np.where(is_gold_N, is_known_N.astype(np.float64), found.confidence_N),
        disputed_N=np.where(is_gold_N, ~is_known_N, found.disputed_N),
    )


def _sorted(column: pa.ChunkedArray) -> pa.Array:
    values = pc.unique(column)
    return values.take(pc.sort_indices(values))
