"""Consensus of sets of classes."""

import numpy as np
import pytest

from labelbench_ray.answers.consensus.majority import majority
from labelbench_ray.answers.consensus.multi_label import ClassSets, multi_label
from labelbench_ray.answers.consensus.one_coin import one_coin
from labelbench_ray.errors import DataError


def test_each_class_is_a_question_to_all_who_answered() -> None:
    rows, annotators = [0, 0, 0, 1, 1, 2], [0, 1, 2, 0, 1, 2]
    sets = ClassSets.of(rows, annotators, [(0, 1), (0,), (0, 2), (3,), (), ()])
    found = multi_label(majority, sets, 4, 4)
    assert found.labels_NK.tolist() == [[1, 0, 0, 0], [0, 0, 0, -1], [0, 0, 0, 0], [-1, -1, -1, -1]]
    assert found.disputed_N.tolist() == [False, True, False, False]
    assert found.answers_N.tolist() == [3, 2, 1, 0]
    assert found.confidence_N.tolist() == pytest.approx([4 / 9, 0.5, 1, 0])
    assert list(zip(found.rows_Q.tolist(), found.classes_Q.tolist(), strict=True)) == [
        (0, 0),
        (0, 1),
        (0, 2),
        (1, 3),
        (2, 4),
    ]


def test_one_coin_recovers_sets_better_than_majority_in_any_order() -> None:
    draw = np.random.default_rng(3)
    truth_NK = draw.random((2000, 12)) < 0.15
    skills = np.array([0.98, 0.97, 0.6, 0.6, 0.55])
    rows = np.repeat(np.arange(2000), 3)
    annotators = np.argsort(draw.random((2000, 5)), axis=1)[:, :3].ravel()
    flipped = draw.random((6000, 12)) > skills[annotators][:, None]
    # Mistakes are missed classes and a few that are not there.
    given = truth_NK[rows] ^ (flipped & (truth_NK[rows] | (draw.random((6000, 12)) < 0.05)))
    sets = [tuple(np.flatnonzero(each).tolist()) for each in given]
    ours = multi_label(one_coin, ClassSets.of(rows, annotators, sets), 2000, 12)
    plain = multi_label(majority, ClassSets.of(rows, annotators, sets), 2000, 12)
    wrong = [(found.labels_NK != truth_NK).mean() for found in (ours, plain)]
    assert wrong[0] < 0.6 * wrong[1]
    right_N = (ours.labels_NK == truth_NK).all(axis=1)
    assert ours.confidence_N.mean() == pytest.approx(right_N.mean(), abs=0.05)
    order = draw.permutation(6000)
    again = multi_label(one_coin, ClassSets.of(rows[order], annotators[order], [sets[i] for i in order]), 2000, 12)
    assert again.labels_NK.tobytes() == ours.labels_NK.tobytes()
    assert again.confidence_N.tobytes() == ours.confidence_N.tobytes()


def test_a_disagreement_with_none_of_these_counts_once() -> None:
    found = multi_label(majority, ClassSets.of([0, 0, 0], [0, 1, 2], [(), (), (0,)]), 1, 2)
    assert (found.labels_NK.tolist(), found.confidence_N.tolist()) == ([[0, 0]], [pytest.approx(2 / 3)])
    split = multi_label(majority, ClassSets.of([0] * 4, range(4), [(), (), (0,), (1,)]), 1, 2)
    assert (split.labels_NK.tolist(), split.disputed_N.tolist()) == ([[0, 0]], [False])
    assert split.confidence_N.tolist() == [pytest.approx(9 / 16)]


def test_references_ask_for_the_classes_that_people_missed() -> None:
    """Rows: known to have class 1; known to have none; without a reference; known, and nobody answered it."""
    sets = ClassSets.of([0, 1, 2], [0, 1, 1], [(), (), (0,)])
    known = ClassSets.of([0, 1, 3], [9, 9, 9], [(1,), (), (0,)])
    found = multi_label(one_coin, sets, 4, 2, references=known)
    assert list(zip(found.rows_Q.tolist(), found.classes_Q.tolist(), strict=True)) == [(0, 1), (1, 2), (2, 0)]
    assert found.questions.skills_W is not None
    assert found.questions.skills_W.tolist() == pytest.approx([2 / 4, 3 / 4])
    assert found.answers_N.tolist() == [1, 1, 1, 0]


def test_what_cannot_be() -> None:
    with pytest.raises(DataError, match=r"label 4 is out of range; it must be 0 \.\. 3"):
        multi_label(majority, ClassSets.of([0], [0], [(1, 4)]), 1, 4)
    with pytest.raises(DataError, match="annotator 0 has several votes on row 0"):
        multi_label(majority, ClassSets.of([0, 0], [0, 0], [(1,), (2,)]), 1, 4)
