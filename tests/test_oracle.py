"""The oracle sells each label once and never more than the budget."""

import numpy as np
import pytest

from labelbench_ray.errors import BudgetError
from labelbench_ray.oracles.simulated import Oracle

ANSWERS = np.arange(100, 120)


def oracle(budget: int = 3) -> Oracle:
    return Oracle(ANSWERS, budget, bought=np.array([0, 1]))


def test_answers_in_the_order_of_the_question():
    assert oracle().ask(np.array([7, 3, 5])).tolist() == [107, 103, 105]


def test_a_row_asked_again_is_free():
    asked = oracle(budget=2)
    asked.ask(np.array([5, 6]))
    assert asked.ask(np.array([6, 5, 5, 0])).tolist() == [106, 105, 105, 100]
    assert asked.bought == {0, 1, 5, 6}


def test_new_rows_beyond_the_budget_are_refused():
    asked = oracle(budget=3)
    asked.ask(np.array([5, 6]))
    with pytest.raises(BudgetError, match="6 labels asked for in all, 5 are paid for"):
        asked.ask(np.array([7, 8]))


def test_a_refused_question_buys_nothing():
    asked = oracle(budget=1)
    with pytest.raises(BudgetError):
        asked.ask(np.array([5, 6]))
    assert asked.bought == {0, 1}
    assert asked.ask(np.array([9])).tolist() == [109]


@pytest.mark.parametrize("wrong", [-1, 20])
def test_a_row_that_is_not_in_the_pool_is_refused(wrong: int):
    asked = oracle()
    with pytest.raises(ValueError, match=rf"{wrong}.* must lie in 0 \.\. 19"):
        asked.ask(np.array([5, wrong]))
    assert asked.bought == {0, 1}


def test_asking_nothing_is_free():
    assert oracle(budget=0).ask(np.empty(0, np.int64)).tolist() == []
