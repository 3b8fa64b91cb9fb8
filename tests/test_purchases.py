"""The oracle sells each label once and never more than the budget."""

import numpy as np
import pytest

from labelbench_ray.errors import BudgetError
from labelbench_ray.trial.purchases import Purchases

ANSWERS = np.arange(100, 120)


def purchases(budget: int = 3) -> Purchases:
    labeled = np.array([0, 1])
    return Purchases(lambda ids: ANSWERS[ids], len(ANSWERS), budget, labeled, ANSWERS[labeled])


def test_answers_in_the_order_of_the_question():
    assert purchases().ask(np.array([7, 3, 5])).tolist() == [107, 103, 105]


def test_a_row_asked_again_is_free():
    asked = purchases(budget=2)
    asked.ask(np.array([5, 6]))
    assert asked.ask(np.array([6, 5, 5, 0])).tolist() == [106, 105, 105, 100]
    assert asked.bought == {0, 1, 5, 6}


def test_the_oracle_is_asked_once_for_each_row_and_for_none_that_an_earlier_round_bought():
    questions: list[list[int]] = []

    def answer(ids: np.ndarray) -> np.ndarray:
        questions.append(ids.tolist())
        return ANSWERS[ids]

    asked = Purchases(answer, len(ANSWERS), 3, np.array([0]), np.array([42]))
    assert asked.ask(np.array([5, 0, 5])).tolist() == [105, 42, 105]
    assert asked.ask(np.array([0, 6, 5])).tolist() == [42, 106, 105]
    assert questions == [[5], [6]]


def test_labels_keep_their_type_and_shape():
    truth = np.eye(4, dtype=np.int8)
    asked = Purchases(lambda ids: truth[ids], 4, 2, np.array([0]), truth[:1])
    for ids in ([2, 0, 1], [0], []):
        labels = asked.ask(np.array(ids, np.int64))
        assert labels.dtype == np.int8
        assert np.array_equal(labels, truth[ids].reshape(len(ids), 4))


def test_new_rows_beyond_the_budget_are_refused():
    asked = purchases(budget=3)
    asked.ask(np.array([5, 6]))
    with pytest.raises(BudgetError, match="6 labels asked for in all, 5 are paid for"):
        asked.ask(np.array([7, 8]))


def test_a_refused_question_buys_nothing():
    asked = purchases(budget=1)
    with pytest.raises(BudgetError):
        asked.ask(np.array([5, 6]))
    assert asked.bought == {0, 1}
    assert asked.ask(np.array([9])).tolist() == [109]


@pytest.mark.parametrize("wrong", [-1, 20])
def test_a_row_that_is_not_in_the_pool_is_refused(wrong: int):
    asked = purchases()
    with pytest.raises(ValueError, match=rf"{wrong}.* must lie in 0 \.\. 19"):
        asked.ask(np.array([5, wrong]))
    assert asked.bought == {0, 1}


def test_asking_nothing_is_free():
    assert purchases(budget=0).ask(np.empty(0, np.int64)).tolist() == []
