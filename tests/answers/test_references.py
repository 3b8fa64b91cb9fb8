"""Reference answers: read from a column `gold`, they teach skills, decide their row, and must be equal to do so."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labelbench_ray.answers import consensus
from labelbench_ray.answers.agreement import agreement
from labelbench_ray.answers.consensus.of_events import of_events
from labelbench_ray.answers.consensus.sets_of_events import sets_of_events
from labelbench_ray.answers.events import to_table
from labelbench_ray.answers.fold import RowState, complete_sets, each_class, row_states
from labelbench_ray.answers.formats import read
from labelbench_ray.answers.formats.stated import Read
from labelbench_ray.answers.ingest import ingest
from labelbench_ray.answers.log import AnswerLog
from tests.answers.samples import CLASSES, answer

HEADER = "row_id,label,annotator,status,Gold\n"


def read_csv(folder: Path, text: str, second: int = 0) -> Read:
    path = folder / "gold.csv"
    path.write_text(HEADER + text)
    os.utime(path, (1_777_636_800 + second,) * 2)
    return read(path)


@pytest.mark.parametrize("cell", ["true", "TRUE", "yes", "Yes", "1"])
def test_references_in_a_csv_file(tmp_path: Path, cell: str) -> None:
    found = read_csv(tmp_path, f"1,cat,lead,,{cell}\n2,cat,ann,,\n3,dog,ann,,no\n4,dog,ann,,0\n5,dog,ann,,False\n")
    assert [each.gold for each in found.answers] == [True, False, False, False, False]
    assert found.rejected == ()


def test_references_in_a_parquet_file(tmp_path: Path) -> None:
    for values in ([True, False, None], [1, 0, None], [1.0, 0.0, None], ["yes", "no", ""]):
        pq.write_table(pa.table({"row_id": [1, 2, 3], "label": ["cat"] * 3, "gold": values}), tmp_path / "a.parquet")
        assert [each.gold for each in read(tmp_path / "a.parquet").answers] == [True, False, False]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("2,cat,ann,,maybe", "row 3: '2': 'maybe': gold must be true, yes or 1 for a reference answer, and false, no"),
        ("2,,lead,skipped,yes", "row 3: '2': 'yes': a reference answer needs a label, and the row is skipped; fill in"),
    ],
)
def test_other_values_are_rejected_by_name(tmp_path: Path, row: str, words: str) -> None:
    found = read_csv(tmp_path, f"1,cat,lead,,yes\n{row}\n3,dog,ann,,\n")
    assert [each.row_id for each in found.answers] == ["1", "3"]
    (rejected,) = found.rejected
    assert words in str(rejected)


def test_an_answer_that_becomes_a_reference_is_a_correction(tmp_path: Path) -> None:
    log = AnswerLog(tmp_path / "answers.parquet")
    plain = read_csv(tmp_path, "1,cat,ann,,\n")
    assert plain.answers[0].revision == read_csv(tmp_path, "1,cat,ann,,no\n").answers[0].revision
    assert ingest(log, [plain]).new == 1
    marked = ingest(log, [read_csv(tmp_path, "1,cat,ann,,yes\n", 9)])
    assert (marked.new, marked.corrected) == (0, 1)
    both = read_csv(tmp_path, "1,cat,ann,,yes\n1,cat,ann,,\n")
    assert [each.value for each in both.rejected] == ["cat (gold)", "cat"]


def test_references_of_a_file_teach_what_annotators_are_worth_and_decide(tmp_path: Path) -> None:
    text = "".join(f"a{n},bird,ann,,\na{n},bird,lead,,yes\nb{n},cat,ben,,\nb{n},bird,lead,,yes\n" for n in range(6))
    events = to_table(read_csv(tmp_path, f"{text}x,cat,ann,,\nx,dog,ben,,\n").answers)
    found = of_events(events, CLASSES, consensus.of("one_coin"))
    assert CLASSES[found.consensus.labels_N[found.place()["x"]]] == "cat"
    states = {row["row_id"]: row["labels"] for row in row_states(events, 2).to_pylist()}
    assert states["b0"] == ["bird"]
    assert {each.name: (each.gold.right, each.gold.judged) for each in agreement(events).annotators} == {
        "ann": (6, 6),
        "ben": (0, 6),
    }


def test_references_teach_what_annotators_are_worth_where_rows_have_several_classes() -> None:
    """References that differ judge nobody: otherwise ben would be right on one half of all."""
    answers = [answer("x", "ann", "bird"), answer("x", "ben", "dog")]
    for n in range(20):
        answers += [answer(f"g{n}", "lead", "bird", gold=True), answer(f"g{n}", "ann", "bird")]
        answers += [answer(f"g{n}", "ben", "dog"), answer(f"h{n}", "ben", "dog")]
        answers += [answer(f"h{n}", "lead", "bird", gold=True), answer(f"h{n}", "chief", "dog", gold=True)]
    found = sets_of_events(to_table(answers), CLASSES, consensus.of("one_coin"))
    place, decided = found.place()["x"], found.consensus
    assert (decided.labels_NK[place].tolist(), decided.disputed_N[place]) == ([1, 0, 0], False)
    assert decided.confidence_N[place] > 0.9
    assert decided.questions.skills_W is not None
    ann, ben = decided.questions.skills_W.tolist()
    assert ann > 0.95
    assert ben == 0.5  # never below chance


@pytest.mark.parametrize("vote", [complete_sets, each_class])
@pytest.mark.parametrize("method", ["majority", "one_coin"])
def test_references_that_differ_leave_the_row_disputed_everywhere(vote, method: str) -> None:
    """Two of three references are equal: that does not decide, in whatever place the row's answers are read."""
    gold = [answer("1", name, label, gold=True) for name, label in (("a", "cat"), ("b", "cat"), ("c", "dog"))]
    people = [answer("1", name, "cat") for name in ("ann", "ben")]
    events = to_table([*gold, *people])
    (state,) = row_states(events, 2, vote=vote).to_pylist()
    assert (state["state"], state["labels"]) == (RowState.DISPUTED, None)
    one = of_events(events, CLASSES, consensus.of(method)).consensus
    assert (one.labels_N.tolist(), one.disputed_N.tolist(), one.confidence_N.tolist()) == ([-1], [True], [0])
    several = sets_of_events(events, CLASSES, consensus.of(method)).consensus
    assert several.disputed_N.tolist() == [True]
    assert agreement(events).gold.judged == 0
    (state,) = row_states(to_table([*gold[:2], *people]), 2, vote=vote).to_pylist()
    assert (state["state"], state["labels"]) == (RowState.AGREED, ["cat"])
