"""What the answers so far come to, for those who choose the next rows."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labelbench_ray.answers.fold import STATES, RowState, latest, row_states
from labelbench_ray.campaign.choosing import Knowledge
from labelbench_ray.campaign.label_kinds import ONE_CLASS, LabelKind, Names
from labelbench_ray.campaign.pool import KnownRows
from labelbench_ray.campaign.record import Batch, asked_rows


@dataclass(frozen=True, slots=True)
class Answered:
    """The rows of a campaign by id: what is asked, and what the answers come to."""

    asked: Mapping[str, Batch]
    """Every row that was proposed, in that order, with the batch that first asked for it."""
    states: Mapping[str, RowState]
    """Of rows with an answer; every other row is open."""
    labels: Mapping[str, Names]
    """The classes of rows whose answers agree: rows that were asked in their order, then others by id."""
    awaited: Mapping[str, str] = field(default_factory=dict)
    """Rows that were asked again and lack that answer, with whose it is: the one's who was asked last."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of the labels, sorted."""
        return tuple(sorted(self.class_counts()))

    def class_counts(self) -> Counter[str]:
        """The rows of each class that has any; a row may be one of several."""
        return Counter(name for names in self.labels.values() for name in names)

    @property
    def without_class(self) -> int:
        """Rows that people agree are of none of the classes."""
        return sum(not names for names in self.labels.values())

    def state(self, row_id: str) -> RowState:
        """The state of a row."""
        return self.states.get(row_id, RowState.OPEN)


def answered(events: Any, batches: Sequence[Batch], kind: LabelKind = ONE_CLASS) -> Answered:  # noqa: ANN401  pyarrow has no types
    """The state of each row. A row needs as many answers as the batch asked for; one that no batch asked for needs one.

    Args:
        events: rows of `answers.events.SCHEMA`.
        batches: all proposals.
        kind: how many classes a row has.
    """
    asked = asked_rows(batches)
    table = pa.concat_tables([STATES.empty_table(), *_states(events, asked, kind)])
    row_ids, states = table.column("row_id").to_pylist(), table.column("state").to_pylist()
    agreed = {
        row_id: tuple(names)
        for row_id, names in zip(row_ids, table.column("labels").to_pylist(), strict=True)
        if names is not None and len(names) in kind.counts
    }
    in_order = [*asked, *sorted(row_id for row_id in row_ids if row_id not in asked)]
    labels = {row_id: agreed[row_id] for row_id in in_order if row_id in agreed}
    return Answered(asked, dict(zip(row_ids, map(RowState, states), strict=True)), labels, _awaited(events, batches))


def knowledge(
    found: Answered,
    rows: KnownRows,
    declared: tuple[str, ...] | None,
    closed: Collection[str] = (),
    weights: Mapping[str, float] | None = None,
    kind: LabelKind = ONE_CLASS,
) -> Knowledge:
    """The same by pool id.

    Args:
        found: what the answers come to.
        rows: the rows of the pool.
        declared: names of classes in order; None: those of the answers, sorted.
        closed: rows that no strategy may choose, and from whose labels no model learns.
        weights: how much each label counts; None: all alike.
        kind: how many classes a row has.
    """
    shut = {*closed}
    classes = declared if declared is not None else found.classes
    known = {*classes}
    labeled = [row_id for row_id, names in found.labels.items() if row_id not in shut and known.issuperset(names)]
    has_label = {*labeled}
    pending = [row_id for row_id in (*found.asked, *found.states) if row_id not in has_label and row_id not in shut]
    return Knowledge(
        classes=classes,
        labeled_L=rows.places(labeled),
        labels_L=kind.numbers([found.labels[row_id] for row_id in labeled], classes),
        pending_P=rows.places(list(dict.fromkeys(pending))),
        closed_C=np.sort(rows.places(list(dict.fromkeys(closed)))),
        weights_L=None if weights is None else np.array([weights[row_id] for row_id in labeled], np.float64),
    )


def _states(events: Any, asked: Mapping[str, Batch], kind: LabelKind) -> Iterable[Any]:  # noqa: ANN401
    """Tables of `answers.fold.STATES`, one for each number of answers that rows need."""
    row_ids = pc.unique(events.column("row_id"))
    needs = np.array([asked[each].overlap if each in asked else 1 for each in row_ids.to_pylist()], np.int64)
    needed_E = needs[pc.index_in(events.column("row_id"), value_set=row_ids).to_numpy()]
    return [
        row_states(events.filter(pa.array(needed_E == need)), int(need), vote=kind.vote) for need in np.unique(needs)
    ]


def _awaited(events: Any, batches: Sequence[Batch]) -> dict[str, str]:  # noqa: ANN401
    """Rows that were asked again of an annotator who has not looked at them since; the last one asked counts."""
    again = dict(each for batch in batches for each in batch.again.items())
    if not again:
        return {}
    held = latest(events)
    looked = {*zip(held.column("row_id").to_pylist(), held.column("annotator").to_pylist(), strict=True)}
    return {row_id: annotator for row_id, annotator in again.items() if (row_id, annotator) not in looked}
