"""One-coin Dawid-Skene: answers weighted by how often each annotator is right, learned from the answers themselves.

The model (Zhang, Chen, Zhou and Jordan 2016, [1406.3824](https://arxiv.org/abs/1406.3824)): an annotator is right with
a probability of their own, the skill, and otherwise gives each other class equally often. Classes are equally likely
before the first answer, so that rare classes, which strategies look for, are not outvoted by their rarity.

Expectation-maximization from the shares of votes: the E step weighs a vote by log(skill (K - 1) / (1 - skill)); the M
step sets a skill to (right + 2) / (answers + 3), the mean of its posterior under a Beta(2, 1) prior, where `right`
counts answers by their probability. Where a reference answer states a row's label, the E step keeps to it, as
crowd-kit's does, so that answers to such rows show what they are worth. Three rules of our own:

- The mean and not the mode: the mode of an annotator whose answers were all confirmed is 1, and nothing outvotes that.
- Rows with one answer and no reference teach no skill: they agree with themselves. An annotator without other rows has
  the prior's 2/3.
- A skill is at least 1 / K: an answer never counts against the label that it names, and the consensus is always a label
  that somebody gave.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.answers.consensus.votes import Consensus, Floats, Votes, likeliest

RIGHT, WRONG = 2.0, 1.0
"""The Beta prior of a skill."""
TOLERANCE: Final = 1e-6
"""EM ends once no skill moves further than this in one iteration,"""
MOST_ITERATIONS: Final = 300
"""or after these."""


def one_coin(votes: Votes, probabilities_NK: Floats | None = None, /) -> Consensus:
    """The likeliest label of each row, its probability, and each annotator's skill."""
    # With one class known so far, another one is possible: K - 1 is at least 1.
    classes = max(votes.num_classes, 2)
    shared_V = (votes.answers_N[votes.rows_V] > 1) | _is_known(votes)[votes.rows_V]
    annotators_S, pairs_S = votes.annotators_V[shared_V], votes.pairs_V[shared_V]
    answers_W = np.bincount(annotators_S, minlength=votes.num_annotators)

    def skills(probabilities_P: Floats) -> Floats:
        right_W = np.bincount(annotators_S, probabilities_P[pairs_S], minlength=votes.num_annotators)
        found_W: Floats = np.maximum((right_W + RIGHT) / (answers_W + RIGHT + WRONG), 1 / classes)
        return found_W

    skills_W = skills(_with_known(votes, votes.shares()))
    for _ in range(MOST_ITERATIONS):
        before_W, skills_W = skills_W, skills(_probabilities(votes, skills_W, classes))
        if np.abs(skills_W - before_W).max(initial=0.0) <= TOLERANCE:
            break
    return likeliest(votes, _probabilities(votes, skills_W, classes), skills_W)


def _probabilities(votes: Votes, skills_W: Floats, classes: int) -> Floats:
    """(P,) of each pair: the E step. The classes that nobody gave to a row have the score 0 each."""
    weights_W = np.log(skills_W * (classes - 1) / (1 - skills_W))
    scores_P = np.bincount(votes.pairs_V, weights_W[votes.annotators_V], minlength=len(votes.rows_P))
    top_N = np.zeros(votes.num_rows)
    np.maximum.at(top_N, votes.rows_P, scores_P)
    likelihoods_P = np.exp(scores_P - top_N[votes.rows_P])
    given_N = np.bincount(votes.rows_P, minlength=votes.num_rows)
    sums_N = np.bincount(votes.rows_P, likelihoods_P, minlength=votes.num_rows) + (classes - given_N) * np.exp(-top_N)
    return _with_known(votes, likelihoods_P / sums_N[votes.rows_P])


def _is_known(votes: Votes) -> NDArray[np.bool_]:
    """(N,) the rows whose label a reference states."""
    return np.zeros(votes.num_rows, np.bool_) if votes.known_N is None else votes.known_N >= 0


def _with_known(votes: Votes, probabilities_P: Floats) -> Floats:
    """The same with 1 and 0 for rows whose label a reference states."""
    if votes.known_N is None:
        return probabilities_P
    known_P = votes.known_N[votes.rows_P]
    return np.where(known_P < 0, probabilities_P, votes.labels_P == known_P)
