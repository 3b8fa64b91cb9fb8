"""What events come to: each annotator's latest answer, and from these the state of each row. Pure and vectorized.

Every function takes rows of `SCHEMA`, each event once, in any order, and the result does not depend on that order:

1. Of one answer the latest revision holds, in the order of the texts of `revision`; a retraction is a revision. One
   that restates the revision before it does not count: the answer was given when that was.
2. Of one annotator's answers to one row that are not retracted, the latest holds: by `answered_at` (none comes
   first), then revision, tool and answer id.
3. The answers that hold decide the state of the row.
"""

from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from labelbench_ray.answers.events import SCHEMA, Status
from labelbench_ray.answers.ordering import last_of_each, ordered, starts
from labelbench_ray.answers.revisions import contents_of, revision

ANSWER: Final = ("tool", "answer_id")
REVISION: Final = (*ANSWER, "revision")
PERSON: Final = ("row_id", "annotator")
STATED: Final = "stated"
"""The hash of an event's content."""
MOMENT: Final = "moment"
"""Orders `answered_at`: none comes first."""
LATEST: Final = (*PERSON, MOMENT, "revision", *ANSWER)
SEPARATOR: Final = "\x1f"
EMPTY: Final = SEPARATOR
"""Stands for the answer "none of them" among joined labels."""


Vote = Callable[[Any, pa.Table], tuple[Any, NDArray[np.bool_], NDArray[np.bool_]]]
"""(R row ids, submitted answers) -> the labels of each row, whether its answers agree, and whether they are gold."""


class RowState(StrEnum):
    """What the answers to a row come to, where `overlap` answers are wanted."""

    OPEN = "open"
    """No answer that counts; perhaps some skipped it."""
    PART = "part"
    """Fewer answers than wanted."""
    AGREED = "agreed"
    """Enough answers, and one label has more votes than any other; or the reference answers are equal. Of several
    classes a row: each class has more votes for it, or more against it."""
    DISPUTED = "disputed"
    """Enough answers, and no label has more votes than any other; or reference answers differ."""
    RETIRED = "retired"
    """Too few answers, and so many annotators skipped it that nobody is asked again."""
    UNSURE = "unsure"
    """Enough annotators looked at it, but too few of them were sure."""


STATES: Final = pa.schema(
    [
        pa.field("row_id", pa.string(), nullable=False),
        pa.field("state", pa.string(), nullable=False),
        pa.field("labels", pa.list_(pa.string())),
        pa.field("submitted", pa.int32(), nullable=False),
        pa.field("skipped", pa.int32(), nullable=False),
        pa.field("unsure", pa.int32(), nullable=False),
        pa.field("answers", pa.int32(), nullable=False),
        pa.field("seconds", pa.float64(), nullable=False),
    ]
)
"""A row: the agreed labels in alphabetical order (null unless agreed); annotators who submitted, skipped or are unsure
now; answers that were given and are paid, retracted ones included; seconds of work on these."""


def given(events: pa.Table) -> pa.Table:
    """What is paid: one event an answer, its latest revision but retractions.

    People are paid for an answer, a skip and an "unsure" alike. A correction is not a second answer, and a retraction
    does not undo the work.
    """
    return _last(events.filter(pc.not_equal(events.column("status"), Status.RETRACTED)))


def latest(events: pa.Table) -> pa.Table:
    """What holds: the latest answer of each annotator to each row, sorted by row and annotator."""
    return _held(_last(events))


def changes(events: pa.Table) -> pa.Table:
    """The revisions that do not restate the one before them, sorted by answer and revision."""
    rows = ordered(events, REVISION)
    contents = contents_of(rows.column("revision"))
    is_change_N = starts(rows.append_column(STATED, contents), (*ANSWER, STATED))
    return rows.filter(pa.array(is_change_N | pc.equal(contents, "").to_numpy()))


def _last(events: pa.Table) -> pa.Table:
    """The latest change of each answer."""
    rows = changes(events)
    ends_N = np.append(starts(rows, ANSWER)[1:], True)[: len(rows)]
    return rows.filter(pa.array(ends_N)).combine_chunks()


def _held(answers: pa.Table) -> pa.Table:
    """The latest answers, given the latest revision of each."""
    answers = answers.filter(pc.not_equal(answers.column("status"), Status.RETRACTED))
    moments = pc.fill_null(answers.column("answered_at").cast(pa.int64()), np.iinfo(np.int64).min)
    return last_of_each(answers.append_column(MOMENT, moments), LATEST, PERSON).select(SCHEMA.names)


def row_states(
    events: pa.Table, overlap: int = 1, skips_to_retire: int | None = None, vote: Vote | None = None
) -> pa.Table:
    """Rows of `STATES`, sorted by row id: one for each row that has an event; all other rows are open.

    Reference answers (`gold`) to a row decide alone, and only if all of them are equal: the rule of `consensus`, too.

    Args:
        overlap: how many answers each row shall have, at least 1.
        skips_to_retire: so many annotators who skipped a row retire it; None means `overlap`.
        vote: how answers to a row become its labels, `complete_sets` (None) or `each_class`.
    """
    row_ids = pc.unique(events.column("row_id"))
    row_ids = row_ids.take(pc.sort_indices(row_ids))
    answers = _last(events)
    is_retracted = pc.any(pc.equal(answers.column("status"), Status.RETRACTED)).as_py()
    held, paid = _held(answers), given(events) if is_retracted else answers
    status = held.column("status").to_numpy()
    submitted_R, skipped_R, unsure_R = (
        _counts(row_ids, held.filter(pa.array(status == kind)))
        for kind in (Status.SUBMITTED, Status.SKIPPED, Status.UNSURE)
    )
    labels, agrees_R, is_gold_R = (vote or complete_sets)(row_ids, held.filter(pa.array(status == Status.SUBMITTED)))
    is_complete_R = (submitted_R >= overlap) | is_gold_R
    state_R = np.select(
        [
            is_complete_R & agrees_R,
            is_complete_R,
            skipped_R >= (skips_to_retire or overlap),
            submitted_R + unsure_R >= overlap,
            submitted_R + unsure_R > 0,
        ],
        [RowState.AGREED, RowState.DISPUTED, RowState.RETIRED, RowState.UNSURE, RowState.PART],
        RowState.OPEN,
    )
    is_agreed = pa.array(state_R == RowState.AGREED)
    seconds_R = np.bincount(
        _places(row_ids, paid), pc.fill_null(paid.column("seconds"), 0).to_numpy().astype(np.float64), len(row_ids)
    )
    columns = [row_ids, state_R.tolist(), pc.if_else(is_agreed, labels, None), submitted_R, skipped_R, unsure_R]
    return pa.table([*columns, _counts(row_ids, paid), seconds_R], schema=STATES)


def retractions(
    events: pa.Table,
    kept: Iterable[str],
    tool: str,
    moment: datetime,
    batches: Collection[str] | None = None,
    annotators: Collection[str] | None = None,
) -> pa.Table:
    """Events that retract a tool's answers which a complete export of it no longer has; rows of `SCHEMA`.

    An answer that is retracted already, or was given or changed after the export, stays as it is.

    Args:
        events: the log.
        kept: answer ids of everything in the export.
        tool: the export's tool; answers of others are not concerned.
        moment: when the export was made.
        batches: the batches that the export covers; None for all.
        annotators: those whose answers it holds; None for all.
    """
    made = revision(moment, Status.RETRACTED)
    last = last_of_each(events, REVISION, ANSWER)
    is_gone = pc.and_(pc.equal(last.column("tool"), tool), pc.less(last.column("revision"), made))
    is_gone = pc.and_not(is_gone, pc.equal(last.column("status"), Status.RETRACTED))
    is_gone = pc.and_not(is_gone, pc.is_in(last.column("answer_id"), value_set=pa.array(list(kept), pa.string())))
    for name, covered in (("batch", batches), ("annotator", annotators)):
        if covered is not None:
            is_gone = pc.and_(is_gone, pc.is_in(last.column(name), value_set=pa.array(list(covered), pa.string())))
    gone = last.filter(is_gone)
    changed = {"labels": pa.nulls(len(gone), pa.list_(pa.string())), "seconds": pa.nulls(len(gone), pa.float32())}
    changed |= {name: pa.repeat(text, len(gone)) for name, text in (("status", "retracted"), ("revision", made))}
    return pa.table([changed.get(name, gone.column(name)) for name in SCHEMA.names], schema=SCHEMA)


def _places(row_ids: Any, table: pa.Table) -> NDArray[np.int64]:  # noqa: ANN401  pyarrow has no types
    """The place of each row's id in `row_ids`."""
    places_N: NDArray[np.int64] = pc.index_in(table.column("row_id"), value_set=row_ids).to_numpy().astype(np.int64)
    return places_N


def _counts(row_ids: Any, table: pa.Table) -> NDArray[np.int64]:  # noqa: ANN401
    counts_R: NDArray[np.int64] = np.bincount(_places(row_ids, table), minlength=len(row_ids))
    return counts_R


def complete_sets(row_ids: Any, submitted: pa.Table) -> tuple[Any, NDArray[np.bool_], NDArray[np.bool_]]:  # noqa: ANN401
    """Per row (R,): the labels with most votes, whether no others have as many, and whether its answers are gold.

    Reference answers agree only if all are equal.
    """
    rows_V, counts_V, is_gold_R = _that_count(row_ids, submitted)
    choices, choices_V = choices_of(submitted.column("labels"))
    pairs_P, votes_P = np.unique(rows_V[counts_V] * len(choices) + choices_V[counts_V], return_counts=True)
    rows_P, choices_P = np.divmod(pairs_P, max(1, len(choices)))
    most_R = np.zeros(len(row_ids), np.int64)
    np.maximum.at(most_R, rows_P, votes_P)
    is_most_P = votes_P == most_R[rows_P]
    place_R = np.zeros(len(row_ids), np.int64)
    place_R[rows_P[is_most_P]] = choices_P[is_most_P]
    rivals_P = is_most_P | is_gold_R[rows_P]  # one reference that differs leaves the row disputed
    agrees_R = np.bincount(rows_P[rivals_P], minlength=len(row_ids)) == 1
    labels = pa.array([*choices, []], pa.list_(pa.string())).take(pa.array(place_R))
    return labels, agrees_R, is_gold_R


def each_class(row_ids: Any, submitted: pa.Table) -> tuple[Any, NDArray[np.bool_], NDArray[np.bool_]]:  # noqa: ANN401
    """The same where each class is a question of its own: a row has those that more than half of its answers give, and
    its answers agree where no class is given by exactly half of them; reference answers, where all are equal.
    """
    rows_V, counts_V, is_gold_R = _that_count(row_ids, submitted)
    counted = submitted.column("labels").filter(pa.array(counts_V)).combine_chunks()
    rows_C, answers_R = rows_V[counts_V], np.bincount(rows_V[counts_V], minlength=len(row_ids))
    given = pc.list_flatten(counted)
    classes = pc.unique(given)
    classes = classes.take(pc.sort_indices(classes))
    classes_E = pc.index_in(given, value_set=classes).to_numpy().astype(np.int64)
    entries_E = pc.list_parent_indices(counted).to_numpy().astype(np.int64) * len(classes) + classes_E
    answers_E, classes_E = np.divmod(
        np.unique(entries_E), max(1, len(classes))
    )  # a class that is given twice counts once
    pairs_P, votes_P = np.unique(rows_C[answers_E] * len(classes) + classes_E, return_counts=True)
    rows_P, classes_P = np.divmod(pairs_P, max(1, len(classes)))
    has_P = 2 * votes_P > answers_R[rows_P]
    is_open_P = np.where(is_gold_R[rows_P], votes_P < answers_R[rows_P], 2 * votes_P == answers_R[rows_P])
    agrees_R = np.bincount(rows_P[is_open_P], minlength=len(row_ids)) == 0
    ends_R = np.cumsum(np.bincount(rows_P[has_P], minlength=len(row_ids)))
    offsets = pa.array(np.concatenate([[0], ends_R]), pa.int32())
    values = classes.take(pa.array(classes_P[has_P])).cast(pa.string())
    return pa.ListArray.from_arrays(offsets, values), agrees_R, is_gold_R


def _that_count(
    row_ids: Any,  # noqa: ANN401
    submitted: pa.Table,
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]:
    """(V,) the row of each answer, and whether it counts: reference answers decide alone; (R,) rows that have these."""
    is_gold_V = submitted.column("gold").to_numpy()
    is_gold_R = _counts(row_ids, submitted.filter(pa.array(is_gold_V))) > 0
    rows_V = _places(row_ids, submitted)
    return rows_V, is_gold_V | ~is_gold_R[rows_V], is_gold_R


def choices_of(labels: Any) -> tuple[list[list[str]], NDArray[np.int64]]:  # noqa: ANN401
    """The distinct sets of labels, and (V,) the number of each answer's: neither order nor repetition matters."""
    joined = pc.if_else(pc.equal(pc.list_value_length(labels), 0), EMPTY, pc.binary_join(labels, SEPARATOR))
    encoded = joined.combine_chunks().dictionary_encode()
    sets = [tuple(sorted({*text.split(SEPARATOR)} if text != EMPTY else ())) for text in encoded.dictionary.to_pylist()]
    choices = sorted(set(sets))
    numbers = {choice: number for number, choice in enumerate(choices)}
    number_of_text = np.array([numbers[choice] for choice in sets], np.int64)
    return [list(choice) for choice in choices], number_of_text[encoded.indices.to_numpy()]
