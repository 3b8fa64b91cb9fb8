"""Agreement of annotators: textbook examples, a count of all pairs, and a log of events."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelbench_ray.answers.agreement import agreement, krippendorff_alpha, pairwise_agreement
from labelbench_ray.answers.consensus.votes import Votes
from labelbench_ray.answers.events import Answer, Status, to_table

KRIPPENDORFF = """
1 2 3 3 2 1 4 1 2 . . .
1 2 3 3 2 2 4 1 2 5 . 3
. 3 3 3 2 3 4 2 2 5 1 .
1 2 3 3 2 4 4 1 2 5 1 .
"""
"""Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", part C: four observers; nominal alpha .743."""
ENCYCLOPEDIA = """
. . . . . 3 4 1 2 1 1 3 3 . 3
1 . 2 1 3 3 4 3 . . . . . . .
. . 2 1 3 4 4 . 2 1 1 3 3 . 4
"""
"""Wikipedia, "Krippendorff's alpha": three coders; nominal alpha .691."""


def votes_of(text: str) -> Votes:
    """One line an annotator, one column a row."""
    table = [line.split() for line in text.strip().splitlines()]
    cells = [(row, who, int(cell)) for who, line in enumerate(table) for row, cell in enumerate(line) if cell != "."]
    return Votes.of(*zip(*cells, strict=True), len(table[0]), 6)


def by_all_pairs(votes: Votes) -> tuple[float | None, float | None]:
    """(raw, alpha) by listing every ordered pair of votes of one row, and every ordered pair of all votes."""
    by_row = [votes.labels_V[votes.rows_V == row].tolist() for row in range(votes.num_rows)]
    pairs = [(a == b, 1 / (len(labels) - 1)) for labels in by_row for a, b in permutations(labels, 2)]
    values = [label for labels in by_row if len(labels) > 1 for label in labels]
    if not pairs:
        return None, None
    raw = float(np.mean([equal for equal, _ in pairs]))
    observed = sum(weight for equal, weight in pairs if not equal) / len(values)
    expected = float(np.mean([a != b for a, b in permutations(values, 2)]))
    return raw, 1 - observed / expected if expected else None


@pytest.mark.parametrize(("text", "alpha"), [(KRIPPENDORFF, 0.743), (ENCYCLOPEDIA, 0.691)])
def test_textbook_examples(text: str, alpha: float) -> None:
    assert krippendorff_alpha(votes_of(text)) == pytest.approx(alpha, abs=5e-4)


@given(st.lists(st.lists(st.integers(-1, 3), min_size=4, max_size=4), max_size=8))
def test_agreement_is_what_all_pairs_give(table: list[list[int]]) -> None:
    cells = [(row, who, label) for row, line in enumerate(table) for who, label in enumerate(line) if label >= 0]
    rows, annotators, labels = np.array(cells, np.int64).reshape(-1, 3).T
    votes = Votes.of(rows, annotators, labels, max(len(table), 1), 4)
    raw, alpha = by_all_pairs(votes)
    assert pairwise_agreement(votes) == (raw if raw is None else pytest.approx(raw))
    assert krippendorff_alpha(votes) == (alpha if alpha is None else pytest.approx(alpha))


def answer(row: str, annotator: str, labels: str | None, seconds: float | None = 2.0, **changes: object) -> Answer:
    """`"cat dog"`: both; None: skipped."""
    fields = {
        "row_id": row,
        "annotator": annotator,
        "labels": None if labels is None else tuple(labels.split()),
        "status": Status.SKIPPED if labels is None else Status.SUBMITTED,
        "seconds": seconds,
        "answer_id": f"{row}-{annotator}",
        "revision": "1",
        "tool": "csv",
    }
    return Answer(**(fields | changes))


EVENTS = [
    answer("r1", "anna", "cat"),
    answer("r1", "ben", "cat", 4.0),
    answer("r2", "anna", "cat dog", 3.0),
    answer("r2", "ben", "dog cat", 8.0),
    answer("r3", "anna", "dog", 10.0),
    answer("r3", "ben", "cat", None),
    answer("r4", "ben", None, 1.0),
    answer("r1", "lead", "cat", gold=True),
    answer("r3", "lead", "cat", gold=True),
    answer("r4", "lead", "cat", gold=True),
    # ben had another opinion first; the correction is the same answer.
    answer("r1", "ben", "dog", 4.0, revision="0"),
]


def test_a_log_of_events() -> None:
    found = agreement(to_table(EVENTS))
    assert (found.rows, found.shared_rows) == (3, 3)
    assert found.raw == pytest.approx(2 / 3)
    anna, ben = found.annotators
    assert (anna.name, anna.answers, anna.median_seconds, anna.seconds) == ("anna", {"submitted": 3}, 3.0, 15.0)
    assert (ben.answers, ben.median_seconds, ben.seconds) == ({"submitted": 3, "skipped": 1}, 4.0, 13.0)
    assert (anna.gold.right, anna.gold.judged) == (1, 2)
    assert (ben.gold.right, ben.gold.judged) == (2, 2)
    # Wilson's interval of 2 of 2: z^2 = 3.8415, 2 / (2 + z^2) to 1.
    assert (ben.gold.low, ben.gold.high) == (pytest.approx(2 / 5.8415, abs=1e-4), pytest.approx(1))
    assert found.lines() == [
        "agreement: 66.7 % of pairs, Krippendorff's alpha 0.545 (3 of 3 labeled rows have several labels)",
        "right on gold, the rows with a reference answer: 75 % (30 to 95 %, 4 labels)",
        "anna: 3 submitted, right on gold 50 % (9 to 91 %, 2 rows), median 3.0 s, time 15 s",
        "ben: 3 submitted, 1 skipped, right on gold 100 % (34 to 100 %, 2 rows), median 4.0 s, time 13 s",
    ]
    assert found.table()[0]["right on gold"] == "50 % (9 to 91 %, 2 rows)"
    assert agreement(to_table(EVENTS[::-1])) == found


def test_nothing_to_compare() -> None:
    assert agreement(to_table([])).lines() == [
        "agreement: unknown; none of the 0 labeled rows has labels of two annotators"
    ]
    alone = agreement(to_table([answer("r1", "anna", "cat", None)]))
    assert alone.raw is alone.alpha is None
    assert alone.lines()[1] == "anna: 1 submitted"
    unnamed = agreement(to_table([answer("r1", "", "cat", None)]))
    assert unnamed.lines()[1] == "annotator without a name: 1 submitted"
    same = agreement(to_table([answer("r1", who, "cat") for who in ("anna", "ben")]))
    assert same.raw == 1
    assert same.lines()[0].startswith("agreement: 100.0 % of pairs, Krippendorff's alpha undefined: one label alone (")


def test_reference_answers_that_differ_judge_nobody() -> None:
    gold = [answer("r1", who, label, gold=True) for who, label in (("lead", "cat"), ("other", "dog"))]
    assert agreement(to_table([answer("r1", "anna", "cat"), *gold])).annotators[0].gold.judged == 0
