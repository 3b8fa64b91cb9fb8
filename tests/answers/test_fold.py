"""What events come to: the latest answers and the states of rows, in any order of the events."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelbench_ray.answers import fold
from labelbench_ray.answers.events import Answer, Status, from_table, to_table
from labelbench_ray.answers.fold import RowState
from labelbench_ray.answers.log import merged
from labelbench_ray.answers.revisions import revision
from tests.answers.samples import answer, at, crowd, interleaved, states

UNSURE = {"status": Status.UNSURE}
RETRACTED = {"status": Status.RETRACTED}


def state(*answers: Answer, overlap: int = 1, skips_to_retire: int | None = None) -> dict:
    (row,) = fold.row_states(to_table(answers), overlap, skips_to_retire).to_pylist()
    return row


@pytest.mark.parametrize(
    ("overlap", "given_answers", "expected", "labels"),
    [
        (1, ["cat"], RowState.AGREED, ["cat"]),
        (1, ["dog|cat|dog"], RowState.AGREED, ["cat", "dog"]),
        (1, [""], RowState.AGREED, []),
        (2, ["cat"], RowState.PART, None),
        (2, ["cat", "cat"], RowState.AGREED, ["cat"]),
        (2, ["cat", "dog"], RowState.DISPUTED, None),
        (2, ["cat|dog", "dog|cat"], RowState.AGREED, ["cat", "dog"]),
        (2, ["cat|dog", "cat"], RowState.DISPUTED, None),
        (3, ["cat", "dog", "cat"], RowState.AGREED, ["cat"]),
        (3, ["cat", "dog", "bird"], RowState.DISPUTED, None),
        (4, ["cat", "dog", "dog", "cat"], RowState.DISPUTED, None),
        (1, [None], RowState.RETIRED, None),
        (2, [None], RowState.OPEN, None),
        (2, [None, None], RowState.RETIRED, None),
        (2, [None, "cat"], RowState.PART, None),
        (2, [None, "cat", "cat"], RowState.AGREED, ["cat"]),
        (1, ["?"], RowState.UNSURE, None),
        (2, ["?"], RowState.PART, None),
        (2, ["?", "cat"], RowState.UNSURE, None),
        (2, ["?", "cat", "cat"], RowState.AGREED, ["cat"]),
        (2, [None, "?"], RowState.PART, None),
    ],
)
def test_states_of_a_row(overlap: int, given_answers: list, expected: RowState, labels: list | None) -> None:
    events = [
        answer("7", f"annotator {number}", None, **UNSURE)
        if label == "?"
        else answer("7", f"annotator {number}", label)
        for number, label in enumerate(given_answers)
    ]
    row = state(*events, overlap=overlap)
    assert (row["state"], row["labels"]) == (expected, labels)
    assert row["answers"] == len(events) == row["submitted"] + row["skipped"] + row["unsure"]
    assert row["seconds"] == 2.0 * len(events)


def test_skips_to_retire() -> None:
    skips = [answer("7", name, None) for name in "ab"]
    assert state(*skips, skips_to_retire=3)["state"] == RowState.OPEN
    assert state(*skips, answer("7", "c", None), skips_to_retire=3)["state"] == RowState.RETIRED


def test_a_correction_is_not_a_second_answer() -> None:
    row = state(answer("7", "ann", "dog", 5, seconds=9.0), answer("7", "ann", "cat", 1))
    assert (row["labels"], row["answers"], row["seconds"]) == (["dog"], 1, 9.0)


def test_a_second_answer_of_the_same_annotator_is_paid_and_replaces_the_first() -> None:
    row = state(answer("7", "ann", "dog", 5, answer_id="second"), answer("7", "ann", "cat", 1), overlap=2)
    assert (row["state"], row["submitted"], row["answers"], row["seconds"]) == (RowState.PART, 1, 2, 4.0)


def test_a_retracted_answer_counts_for_money_alone() -> None:
    first, second = answer("7", "ann", "cat", 1), answer("7", "ann", "dog", 2, answer_id="second")
    gone = answer("7", "ann", None, 3, answer_id="second", **RETRACTED)
    assert state(first, second, gone)["labels"] == ["cat"], "her other answer holds again"
    row = state(second, gone)
    assert (row["state"], row["submitted"], row["answers"], row["seconds"]) == (RowState.OPEN, 0, 1, 2.0)
    assert state(second, gone, answer("7", "ann", "dog", 4, answer_id="second"))["state"] == RowState.AGREED


def test_the_order_of_revisions_decides_within_an_answer_and_time_between_answers() -> None:
    later = answer("7", "ann", "dog", 1, revision=revision(at(9)))  # saved later; the cell with the time was kept
    assert state(answer("7", "ann", "cat", 1), later)["labels"] == ["dog"]
    without = answer("7", "ann", "dog", 1, answer_id="other", answered_at=None, revision=revision(at(9)))
    assert state(answer("7", "ann", "cat", 1), without)["labels"] == ["cat"]


def test_reference_answers_decide_alone() -> None:
    votes = [answer("7", name, "cat") for name in "abc"]
    gold = answer("7", "expert", "dog", gold=True)
    assert state(*votes, gold, overlap=9) | {"answers": 0, "seconds": 0} == {
        "row_id": "7",
        "state": RowState.AGREED,
        "labels": ["dog"],
        "submitted": 4,
        "skipped": 0,
        "unsure": 0,
        "answers": 0,
        "seconds": 0,
    }
    assert state(gold, answer("7", "other expert", "cat", gold=True))["state"] == RowState.DISPUTED


def test_rows_are_sorted_and_seconds_without_a_measurement_are_none() -> None:
    table = fold.row_states(to_table([answer(row, "ann", "cat", seconds=None) for row in ("b", "a", "10", "9")]))
    assert table.column("row_id").to_pylist() == ["10", "9", "a", "b"]
    assert table.column("seconds").to_pylist() == [0.0] * 4


def test_a_log_without_events_has_no_states() -> None:
    assert fold.row_states(to_table([])).equals(fold.STATES.empty_table())


@pytest.mark.parametrize("seed", range(3))
def test_any_interleaving_gives_the_same_states(seed: int) -> None:
    events = crowd(500)
    expected = fold.row_states(merged(to_table(events)), 2)
    assert {*states(expected).values()} == {*RowState}, "the sample shows every state"
    mixed = merged(*map(to_table, interleaved(events, seed)))
    assert fold.row_states(mixed, 2).equals(expected)


@given(st.permutations(crowd(40)))
def test_the_fold_does_not_depend_on_the_order_of_events(events: list[Answer]) -> None:
    expected = to_table(crowd(40))
    assert fold.row_states(to_table(events), 2).equals(fold.row_states(expected, 2))
    assert fold.latest(to_table(events)).equals(fold.latest(expected))


@given(st.lists(st.sampled_from(crowd(300)), max_size=60, unique_by=lambda event: event.identity))
def test_the_fold_is_that_of_a_loop_over_events(events: list[Answer]) -> None:
    answers: dict[tuple[str, str], Answer] = {}
    for event in sorted(events, key=lambda event: event.revision):
        answers[event.tool, event.answer_id] = event
    held = {(event.row_id, event.annotator): event for event in answers.values() if event.status != Status.RETRACTED}
    assert {(event.row_id, event.annotator): event for event in from_table(fold.latest(to_table(events)))} == held
    for row in fold.row_states(to_table(events), 2).to_pylist():
        of_row = [event for (row_id, _), event in held.items() if row_id == row["row_id"]]
        votes = [event.labels for event in of_row if event.labels is not None]
        most = max((votes.count(vote) for vote in votes), default=0)
        winners = {vote for vote in votes if votes.count(vote) == most}
        if len(votes) >= 2:
            assert row["state"] == (RowState.AGREED if len(winners) == 1 else RowState.DISPUTED)
        assert (row["labels"] is not None) == (row["state"] == RowState.AGREED)
        assert row["submitted"] == len(votes)


def retracted(events: list[Answer], kept: list[str], **options) -> list[str]:
    table = fold.retractions(to_table(events), kept, options.pop("tool", "test"), at(10), **options)
    return [event.answer_id for event in from_table(table)]


def test_answers_that_a_complete_export_lacks_are_retracted() -> None:
    events = [answer(row, "ann", "cat", batch=f"batch {row}") for row in "12345"]
    assert retracted(events, ["1/ann", "2/ann"]) == ["3/ann", "4/ann", "5/ann"]
    assert retracted(events, ["1/ann", "2/ann"], batches={"batch 3", "batch 1"}) == ["3/ann"]
    assert retracted(events, [], tool="another") == []
    assert retracted([], ["1/ann"]) == []


def test_what_is_newer_than_the_export_or_retracted_already_stays() -> None:
    events = [answer("1", "ann", "cat", 11), answer("2", "ann", "cat", 5), answer("2", "ann", None, 6, **RETRACTED)]
    assert retracted(events, []) == []


def test_a_retraction_takes_the_answer_back_and_an_answer_that_returns_holds_again() -> None:
    events = to_table([answer("1", "ann", "cat", 5)])
    gone = fold.retractions(events, [], "test", at(10))
    both = merged(events, gone)
    assert states(fold.row_states(both)) == {"1": RowState.OPEN}
    assert len(fold.retractions(both, [], "test", at(20))) == 0
    returned = to_table([answer("1", "ann", "cat", 5, revision=revision(at(30)))])
    assert states(fold.row_states(merged(both, returned))) == {"1": RowState.AGREED}
    assert isinstance(gone, pa.Table)
