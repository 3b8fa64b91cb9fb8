"""Files go into the log: repetitions, corrections, files that come late, retractions, and what is rejected."""

import csv
import itertools
from pathlib import Path

import pytest

from labelbench_ray.answers import fold
from labelbench_ray.answers.checking import Rules, checked
from labelbench_ray.answers.formats import read
from labelbench_ray.answers.formats.delimited import split_classes
from labelbench_ray.answers.formats.stated import Rejected
from labelbench_ray.answers.ingest import Ingested, ingest, write_rejected
from labelbench_ray.answers.log import AnswerLog
from labelbench_ray.answers.names import Names
from tests.answers.test_delimited import SAVED, saved

ROWS = {"00007": "b1", "8": "b1", "café": "b2", "extra": "", "0.50": "b2"}
BATCHES = {batch: {row_id for row_id, asked in ROWS.items() if asked == batch} for batch in ("b1", "b2")}
RULES = Rules(asked=Names(ROWS), batches=BATCHES, classes=Names({"cat": 0, "dog": 1}))


@pytest.fixture
def log(tmp_path: Path) -> AnswerLog:
    return AnswerLog(tmp_path / "answers.parquet")


def given(log: AnswerLog, rows: str, minute: float = 0, complete: bool = False, annotator: str = "ann") -> Ingested:
    """Ingest a CSV that was saved at this minute."""
    path = saved(log.path.parent, f"row_id,label\n{rows}", at=SAVED + 60 * minute)
    return ingest(log, [read(path, annotator)], complete)


def held(log: AnswerLog) -> dict[str, str]:
    """The label that holds of each row."""
    return {row["row_id"]: ",".join(row["labels"] or ["-"]) for row in fold.row_states(log.read()).to_pylist()}


def test_a_file_twice_adds_nothing_and_a_file_that_goes_on_adds_its_new_rows(log: AnswerLog) -> None:
    assert given(log, "1,cat\n2,dog\n") == Ingested(2, 0, 0, 0, 0, ())
    bytes_before, states_before = log.path.read_bytes(), fold.row_states(log.read())
    assert given(log, "1,cat\n2,dog\n") == Ingested(0, 0, 2, 0, 0, ())
    assert log.path.read_bytes() == bytes_before
    held_before = fold.latest(log.read())
    assert given(log, "1,cat\n2,dog\n", minute=5) == Ingested(0, 0, 2, 0, 0, ()), "a copy, or saved again unchanged"
    assert fold.row_states(log.read()).equals(states_before)
    assert fold.latest(log.read()).equals(held_before), "answered when it was stated first"
    assert given(log, "1,cat\n2,dog\n3,cat\n", minute=6) == Ingested(1, 0, 2, 0, 0, ())


def test_a_changed_cell_is_a_correction_and_so_is_one_that_is_changed_back(log: AnswerLog) -> None:
    given(log, "1,cat\n")
    assert given(log, "1,dog\n", minute=1) == Ingested(0, 1, 0, 0, 0, ())
    assert held(log) == {"1": "dog"}
    assert given(log, "1,cat\n", minute=2).corrected == 1
    assert held(log) == {"1": "cat"}
    assert fold.row_states(log.read()).column("answers").to_pylist() == [1], "corrections are not second answers"


@pytest.mark.parametrize("labels", [("cat", "dog", "bird"), ("cat", "dog", "cat"), ("cat", "cat", "dog")])
def test_the_file_that_was_saved_last_holds_in_whatever_order_files_come(
    tmp_path: Path, labels: tuple[str, ...]
) -> None:
    logs, states = set(), []
    for number, order in enumerate(itertools.permutations(enumerate(labels))):
        log = AnswerLog(tmp_path / str(number) / "answers.parquet")
        log.path.parent.mkdir()
        for minute, label in order:
            given(log, f"1,{label}\n", minute=minute)
        assert held(log) == {"1": labels[-1]}
        logs.add(log.path.read_bytes())
        states.append(fold.row_states(log.read()))
    assert len(logs) == 1
    assert all(each.equals(states[0]) for each in states)
    assert states[0].column("answers").to_pylist() == [1]


def test_an_older_file_is_kept_and_counted(log: AnswerLog) -> None:
    given(log, "1,cat\n", minute=9)
    assert given(log, "1,dog\n2,dog\n") == Ingested(1, 0, 0, 1, 0, ())
    assert held(log) == {"1": "cat", "2": "dog"}
    assert given(log, "1,dog\n2,dog\n") == Ingested(0, 0, 2, 0, 0, ())


def test_a_row_in_two_files_at_once_is_one_answer(log: AnswerLog) -> None:
    files = [
        saved(log.path.parent, f"row_id,label\n1,{label}\n", name, SAVED + minute)
        for name, label, minute in (("c.csv", "dog", 2), ("a.csv", "cat", 0), ("b.csv", "cat", 1))
    ]
    assert ingest(log, [read(path) for path in files]) == Ingested(1, 1, 1, 0, 0, ())
    assert held(log) == {"1": "dog"}


def test_only_a_complete_file_retracts_and_what_returns_holds_again(log: AnswerLog) -> None:
    given(log, "1,cat\n2,dog\n")
    assert given(log, "1,cat\n", minute=1).retracted == 0
    assert given(log, "1,cat\n", minute=2, complete=True).retracted == 1
    assert held(log) == {"1": "cat", "2": "-"}
    assert given(log, "1,cat\n", minute=2, complete=True) == Ingested(0, 0, 1, 0, 0, ())
    assert given(log, "1,cat\n2,dog\n", minute=3).corrected == 1
    assert held(log) == {"1": "cat", "2": "dog"}


def test_a_complete_file_retracts_neither_later_answers_nor_rows_that_it_names(log: AnswerLog) -> None:
    given(log, "1,cat\n2,dog\n3,dog\n", minute=5)
    assert given(log, "1,cat\n", minute=1, complete=True).retracted == 0, "2 and 3 were answered later"
    path = saved(log.path.parent, "row_id,label,status\n1,cat,\n2,,done\n", at=SAVED + 600)
    assert ingest(log, [read(path, "ann")], complete=True).retracted == 1
    assert held(log) == {"1": "cat", "2": "dog", "3": "-"}


def test_a_complete_file_of_one_batch_leaves_the_others(log: AnswerLog) -> None:
    path = saved(log.path.parent, "row_id,label,batch\n1,cat,b1\n2,cat,b1\n3,cat,b2\n")
    ingest(log, [read(path)])
    path = saved(log.path.parent, "row_id,label,batch\n1,cat,b1\n", at=SAVED + 60)
    assert ingest(log, [read(path)], complete=True).retracted == 1
    assert held(log) == {"1": "cat", "2": "-", "3": "cat"}


def test_a_complete_file_in_which_every_cell_was_cleared_retracts_all(log: AnswerLog) -> None:
    path = saved(log.path.parent, "row_id,label\n00007,cat\n8,dog\ncaf\u00e9,cat\n")
    ingest(log, [checked(read(path, "ann"), RULES)])
    path = saved(log.path.parent, "row_id,label\n00007,\n8,\n", at=SAVED + 60)
    assert ingest(log, [checked(read(path, "ann"), RULES)]).retracted == 0
    assert ingest(log, [checked(read(path, "ann"), RULES)], complete=True).retracted == 2
    assert held(log) == {"00007": "-", "8": "-", "café": "cat"}, "batch b2 is not in the file"


def test_a_complete_file_of_one_annotator_leaves_the_others_answers(log: AnswerLog) -> None:
    ann, ben = (
        saved(log.path.parent, f"row_id,label,annotator\n00007,cat,{who}\n8,dog,{who}\n", f"{who}.csv")
        for who in ("ann", "ben")
    )
    ingest(log, [checked(read(path), RULES) for path in (ann, ben)])
    path = saved(log.path.parent, "row_id,label,annotator\n00007,cat,ann\n8,,ann\n", at=SAVED + 60)
    assert ingest(log, [checked(read(path), RULES)], complete=True).retracted == 1
    assert [(each["annotator"], each["row_id"]) for each in fold.latest(log.read()).to_pylist()] == [
        ("ann", "00007"),
        ("ben", "00007"),
        ("ben", "8"),
    ]


def test_a_row_that_is_rejected_however_it_is_written_is_not_retracted(log: AnswerLog) -> None:
    path = saved(log.path.parent, "row_id,label\n00007,cat\n8,dog\n")
    ingest(log, [checked(read(path), RULES)])
    path = saved(log.path.parent, "row_id,label\n00007,cat\n 8 ,bird\n", at=SAVED + 60)
    assert ingest(log, [checked(read(path), RULES)], complete=True).retracted == 0
    path = saved(log.path.parent, "row_id,label,seconds\n00007,cat,\n 8 ,dog,soon\n", at=SAVED + 120)
    assert ingest(log, [checked(read(path), RULES)], complete=True).retracted == 0


def test_ids_and_classes_are_those_of_the_pool_and_the_batch_is_the_one_that_asked(log: AnswerLog) -> None:
    path = saved(log.path.parent, "row_id,label\n00007,cat\ncafe\u0301,dog \n8,cat\n")
    found = checked(read(path), RULES)
    assert [(each.row_id, each.labels, each.batch) for each in found.answers] == [
        ("00007", ("cat",), "b1"),
        ("caf\u00e9", ("dog",), "b2"),
        ("8", ("cat",), "b1"),
    ]
    assert found.rejected == ()


def test_a_row_id_that_differs_in_spaces_alone_is_another_row(log: AnswerLog) -> None:
    rules = Rules(asked=Names({" x.png": "b", "x.png": "b", "y.png": "b"}), batches={"b": frozenset()}, classes=None)
    path = saved(log.path.parent, "row_id,label\n x.png,red\nx.png,blue\ny.png ,red\nx.png  ,green\n")
    found = checked(read(path), rules)
    labels = {answer.row_id: answer.labels for answer in found.answers}
    assert labels == {" x.png": ("red",), "x.png": ("blue",), "y.png": ("red",)}
    assert [(each.row_id, each.rule) for each in found.rejected] == [("x.png  ", "the row is not in the pool")]


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ("9,cat,", "'9': 'cat': the row is not in the pool; correct the row_id, or remove the row"),
        ("7,cat,", "the row is not in the pool; '00007' is: a spreadsheet drops zeros unless ids are imported as text"),
        ("7.0,cat,", "'7.0': 'cat': the row is not in the pool; '00007' is"),
        ('"7,0",cat,', "'00007' is"),
        ("0.5,cat,", "the row is not in the pool; '0.50' is"),
        ("8,Cat,", "'8': 'Cat': no class called 'Cat'; did you mean 'cat'? (have: cat, dog); correct the label"),
        ("8,none of these,", "'none of these': no class called 'none of these' (have: cat, dog); correct the label"),
        ("extra,cat,", "no batch asked for the row; label rows of a batch, or accept it with --accept-extra"),
        ("extra,cat,b1", "no batch asked for the row"),
        ("8,cat,b9", "batch 'b9' is not one of this campaign; ingest the file into the campaign that asked for it"),
    ],
)
def test_what_a_campaign_cannot_use_is_rejected_by_name_and_the_rest_goes_in(
    log: AnswerLog, row: str, rule: str
) -> None:
    path = saved(log.path.parent, f"row_id,label,batch\n8,dog,\n{row}\n".replace("8,dog", "café,dog"))
    found = checked(read(path), RULES)
    assert [each.row_id for each in found.answers] == ["café"]
    (rejected,) = found.rejected
    assert rule in str(rejected)
    assert str(rejected).startswith("answers.csv, row 3: ")


def test_an_answer_is_one_however_its_row_and_its_batch_are_written(log: AnswerLog) -> None:
    """NFC, NFD, NFC with spaces and the batch: three revisions of one answer, which is paid once."""
    rows = ("row_id,label\ncaf\u00e9,cat\n", "row_id,label\ncafe\u0301,dog\n", "row_id,label,batch\n café ,cat,b2\n")
    for minute, row in enumerate(rows):
        path = saved(log.path.parent, row, at=SAVED + minute)
        found = ingest(log, [checked(read(path), RULES)])
        assert (found.new, found.corrected) == ((1, 0) if minute == 0 else (0, 1))
        assert held(log) == {"café": "dog" if minute == 1 else "cat"}
    assert fold.row_states(log.read()).column("answers").to_pylist() == [1]


def test_a_row_that_a_file_writes_in_two_ways_is_ambiguous(log: AnswerLog) -> None:
    path = saved(log.path.parent, "row_id,label,batch\ncaf\u00e9,cat,\ncafe\u0301,dog,b2\n8,cat,\n8 ,cat,b1\n")
    found = checked(read(path), RULES)
    assert [answer.row_id for answer in found.answers] == ["8"]
    assert [(each.row, each.row_id, each.fix) for each in found.rejected] == [
        (2, "café", "keep one of them, or give each its answered_at"),
        (3, "café", "keep one of them, or give each its answered_at"),
    ]


def test_the_batch_that_is_stated_is_taken_where_it_asked_for_the_row(log: AnswerLog) -> None:
    rules = Rules(asked=Names(ROWS), batches={"b1": {"8"}, "b2": {"8"}}, classes=None)
    path = saved(log.path.parent, "row_id,label,batch\n8,cat,b2\n00007,cat,b2\n")
    assert [answer.batch for answer in checked(read(path), rules).answers] == ["b2", "b1"]


def test_both_forms_of_a_learned_class_are_one_and_a_control_character_is_refused(log: AnswerLog) -> None:
    rules = Rules(asked=Names(ROWS), batches=BATCHES, classes=None)
    path = saved(log.path.parent, 'row_id,label\n8,caf\u00e9\n00007,cafe\u0301\n0.50,"red\n1,blue"\n')
    found = checked(read(path), rules)
    assert {answer.labels for answer in found.answers} == {("caf\u00e9",)}
    (rejected,) = found.rejected
    assert (rejected.row_id, rejected.value) == ("0.50", "red\n1,blue")
    assert "must not have line ends" in rejected.rule


@pytest.mark.parametrize("classes", [Names({"cat": 0, "none of these": 1}), None], ids=["declared", "learned"])
def test_none_of_these_can_be_a_class_where_a_row_has_one(log: AnswerLog, classes: Names[int] | None) -> None:
    path = saved(log.path.parent, "row_id,label\n8,none of these\n00007,cat\n")
    found = checked(read(path), Rules(asked=Names(ROWS), batches=BATCHES, classes=classes))
    assert found.rejected == ()
    assert [answer.labels for answer in found.answers] == [("none of these",), ("cat",)]


def test_rules_of_other_tasks(log: AnswerLog) -> None:
    path = saved(log.path.parent, 'row_id,label\n8,none of these\n00007,"cat, dog"\nextra,new\n')
    rules = Rules(asked=Names(ROWS), batches={}, classes=None, labels=range(0, 9), accepts_extra=True)
    found = checked(read(path, split=split_classes), rules)
    assert [(each.labels, each.batch) for each in found.answers] == [((), "b1"), (("cat", "dog"), "b1"), (("new",), "")]
    one = checked(read(path, split=split_classes), Rules(asked=Names(ROWS), batches={}, classes=None, labels=range(2)))
    assert [each.rule for each in one.rejected] == ["a row has at most one label", "no batch asked for the row"]


def test_what_was_rejected_is_written_for_a_spreadsheet(tmp_path: Path) -> None:
    path = tmp_path / "rejected.csv"
    write_rejected(path, [Rejected("a.csv", 3, "=1+1", 'say "hi"', "a rule", "a fix")])
    with path.open(newline="") as file:
        header, row = csv.reader(file)
    assert header == ["file", "row", "row_id", "value", "rule", "fix"]
    assert row == ["a.csv", "3", "'=1+1", 'say "hi"', "a rule", "a fix"]
    write_rejected(path, [])
    assert not path.exists()
    write_rejected(path, [])
