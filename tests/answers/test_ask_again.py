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


def asked(found: Consensus, overlap: int | list[int], most: int) -> list[int]:
    overlap_N = np.broadcast_to(overlap, len(found.labels_N))
    return ask_again(found.confidence_N, found.disputed_N, found.answers_N, overlap_N, most).tolist()


def test_the_least_certain_rows_that_may_have_another_answer(answered: Consensus) -> None:
    assert asked(answered, 2, 3) == [3, 5]
    assert asked(answered, 2, 4) == [3, 5, 4]


def test_only_above_the_overlap_of_each_row(answered: Consensus) -> None:
    assert asked(answered, 2, 2) == []
    assert asked(answered, [1, 1, 1, 3, 1, 1], 4) == [5, 4]


def test_noise_of_computing_does_not_order_rows() -> None:
    confidence_N = np.array([0.6 + 1e-12, 0.6, 0.5])
    assert ask_again(confidence_N, np.zeros(3, bool), np.ones(3, int), np.ones(3, int), 2).tolist() == [2, 0, 1]
