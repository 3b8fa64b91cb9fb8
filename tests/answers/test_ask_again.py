"""Rows that are asked for once more."""

import numpy as np
import pytest

from labelbench_ray.answers.consensus.ask_again import ask_again
from labelbench_ray.answers.consensus.majority import majority
from labelbench_ray.answers.consensus.votes import Consensus, Votes


@pytest.fixture
def answered() -> Consensus:
    """Rows 0: none; 1: one answer; 2: 2 of 2; 3: a tie of 2; 4: 2 of 3; 5: a tie of 2."""
    rows = [1, 2, 2, 3, 3, 4, 4, 4, 5, 5]
    annotators = [0, 0, 1, 0, 1, 0, 1, 2, 0, 1]
    labels = [0, 1, 1, 0, 1, 2, 2, 0, 1, 2]
    return majority(Votes.of(rows, annotators, labels, 6, 3))


def test_the_least_certain_rows_that_may_have_another_answer(answered: Consensus) -> None:
    assert ask_again(answered, 2, 3, batch=100).tolist() == [3, 5]
    assert ask_again(answered, 2, 4, batch=100).tolist() == [3, 5, 4]


def test_only_above_the_overlap_and_at_most_a_share_of_the_batch(answered: Consensus) -> None:
    assert ask_again(answered, 2, 2, batch=100).tolist() == []
    assert ask_again(answered, 2, 4, batch=8).tolist() == [3, 5]
    assert ask_again(answered, 2, 4, batch=8, share=0.125).tolist() == [3]
    assert ask_again(answered, 2, 4, batch=3).dtype == np.int64
