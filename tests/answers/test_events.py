"""Events of annotation survive their file and refuse what cannot be."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelbench_ray.answers.events import SCHEMA, Answer, Status, from_table, to_table

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
TIMES = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    status = draw(st.sampled_from(Status))
    return Answer(
        row_id=draw(TEXTS),
        annotator=draw(TEXTS),
        labels=tuple(draw(st.lists(TEXTS, max_size=3))) if status is Status.SUBMITTED else None,
        status=status,
        answered_at=draw(st.none() | TIMES),
        seconds=draw(st.none() | st.floats(0, 1e6, width=32)),
        answer_id=draw(TEXTS),
        revision=draw(TEXTS),
        batch=draw(TEXTS),
        shown=draw(st.none() | TEXTS),
        gold=draw(st.booleans()),
        tool=draw(TEXTS),
        source_sha256=draw(TEXTS),
    )


@given(st.lists(answers(), max_size=5))
def test_events_survive_a_table(events: list[Answer]) -> None:
    table = to_table(events)
    assert table.schema == SCHEMA
    assert from_table(table) == events


def test_times_of_other_zones_are_the_same_moment() -> None:
    moment = datetime(2026, 5, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    event = Answer(
        row_id="7", annotator="a", labels=("cat",), answer_id="1", revision="1", tool="csv", answered_at=moment
    )
    assert from_table(to_table([event])) == [event]


@pytest.mark.parametrize(
    ("labels", "status"), [(None, Status.SUBMITTED), (("cat",), Status.SKIPPED), ((), Status.RETRACTED)]
)
def test_labels_are_there_exactly_with_a_submission(labels: tuple[str, ...] | None, status: Status) -> None:
    with pytest.raises(ValueError, match="only submitted has labels"):
        Answer(row_id="7", annotator="a", labels=labels, status=status, answer_id="1", revision="1", tool="csv")


def test_a_time_needs_a_zone() -> None:
    with pytest.raises(ValueError, match="without a time zone"):
        Answer(
            row_id="7",
            annotator="a",
            labels=("cat",),
            answered_at=datetime(2026, 5, 1),
            answer_id="1",
            revision="1",
            tool="csv",
        )
