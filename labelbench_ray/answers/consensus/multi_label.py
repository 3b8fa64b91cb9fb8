"""Consensus where a row may have several classes: each class is a yes-or-no question to everyone who answered the row.

A class that nobody gave to a row is absent; it is not a question, so memory grows with the answers and their classes,
and easy absences teach no skill. Where all answer that no class is there, whether that is right is the row's one
question: one more class, `nothing`. Beside other questions it would count the same disagreement twice.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labelbench_ray.answers.consensus.votes import Consensus, Floats, Ids, Method, Votes
from labelbench_ray.errors import DataError

UNKNOWN = -1


@dataclass(frozen=True, slots=True, eq=False)
class ClassSets:
    """Answers A that each name a set of classes, and the entries E of these sets."""

    rows_A: Ids
    annotators_A: Ids
    answers_E: Ids
    """The answer of each entry."""
    classes_E: Ids

    @classmethod
    def of(cls, rows: ArrayLike, annotators: ArrayLike, sets: "list[tuple[int, ...]]") -> "ClassSets":
        """Of one set of class numbers an answer."""
        answers_E = np.repeat(np.arange(len(sets)), [len(each) for each in sets])
        classes_E = np.array([number for each in sets for number in each], np.int64)
        return cls(np.asarray(rows, np.int64), np.asarray(annotators, np.int64), answers_E, classes_E)


@dataclass(frozen=True, slots=True, eq=False)
class MultiLabelConsensus:
    """One set of classes a row."""

    labels_NK: NDArray[np.int8]
    """1 for a class that is there, 0 for one that is not, -1 where that is disputed or the row has no answer."""
    confidence_N: Floats
    """The product over the row's questions of how likely each answer is: the probability that all of them are right,
    were they independent."""
    disputed_N: NDArray[np.bool_]
    """At least one question is disputed."""
    answers_N: Ids
    questions: Consensus
    """The consensus of each question: label 1 is yes."""
    rows_Q: Ids
    classes_Q: Ids
    """Of each question; K stands for `nothing`."""


def multi_label(
    method: Method,
    sets: ClassSets,
    num_rows: int,
    num_classes: int,
    probabilities_NK: Floats | None = None,
    references: ClassSets | None = None,
) -> MultiLabelConsensus:
    """The consensus of sets of classes, by a method for one label a row.

    Args:
        method: decides each question.
        sets: the answers.
        num_rows: N.
        num_classes: K.
        probabilities_NK: of each class, independent of the others, for methods that read a model's.
        references: the known sets of some rows, which are not votes. They show methods how often people are right.

    Raises:
        DataError: a number out of range, or two answers of one annotator on one row.
    """
    answers = Votes.of(sets.rows_A, sets.annotators_A, np.zeros_like(sets.rows_A), num_rows, 1)
    outside_E = (sets.classes_E < 0) | (sets.classes_E >= num_classes)
    if outside_E.any():
        raise DataError(
            f"votes: label {sets.classes_E[outside_E][0]} is out of range; it must be 0 .. {num_classes - 1}"
        )
    width = num_classes + 1
    given_E = sets.rows_A[sets.answers_E] * width + sets.classes_E
    stated_E, is_known_N = _stated(references, answers.answers_N, width)
    named_Q = np.union1d(given_E, stated_E)
    nothing_N = (answers.answers_N > 0) & (np.bincount(named_Q // width, minlength=num_rows) == 0)
    questions_Q = np.union1d(named_Q, np.flatnonzero(nothing_N) * width + num_classes)
    rows_Q, classes_Q = np.divmod(questions_Q, width)
    named_Q = classes_Q < num_classes
    known_Q = np.where(is_known_N[rows_Q], ~named_Q | np.isin(questions_Q, stated_E), UNKNOWN)
    # Everyone who answered a row answers each of its questions: yes where the class is among theirs.
    first_N, count_N = np.searchsorted(rows_Q, np.arange(num_rows)), np.bincount(rows_Q, minlength=num_rows)
    asked_A = count_N[sets.rows_A]
    answer_V = np.repeat(np.arange(len(sets.rows_A)), asked_A)
    within_V = np.arange(len(answer_V)) - np.repeat(np.cumsum(asked_A) - asked_A, asked_A)
    question_V = first_N[sets.rows_A][answer_V] + within_V
    yes_V = np.isin(answer_V * width + classes_Q[question_V], sets.answers_E * width + sets.classes_E)
    yes_V |= ~named_Q[question_V]
    known = None if references is None else known_Q
    votes = Votes.of(question_V, sets.annotators_A[answer_V], yes_V, len(questions_Q), 2, known)
    found = method(votes, None if probabilities_NK is None else _yes_or_no(probabilities_NK, rows_Q, classes_Q))
    labels_NK = np.where(answers.answers_N[:, None] > 0, 0, UNKNOWN).astype(np.int8)
    labels_NK = np.repeat(labels_NK, num_classes, axis=1)
    labels_NK[rows_Q[named_Q], classes_Q[named_Q]] = found.labels_N[named_Q]
    confidence_N = np.where(answers.answers_N > 0, 1.0, 0.0)
    np.multiply.at(confidence_N, rows_Q, found.confidence_N)
    disputed_N = np.bincount(rows_Q[found.disputed_N], minlength=num_rows) > 0
    return MultiLabelConsensus(labels_NK, confidence_N, disputed_N, answers.answers_N, found, rows_Q, classes_Q)


def _stated(references: ClassSets | None, answers_N: Ids, width: int) -> tuple[Ids, NDArray[np.bool_]]:
    """(E,) the questions whose answer is yes by a reference, of rows with answers; (N,) rows that have a reference."""
    is_known_N = np.zeros(len(answers_N), np.bool_)
    if references is None:
        return np.zeros(0, np.int64), is_known_N
    is_known_N[references.rows_A] = True
    rows_E = references.rows_A[references.answers_E]
    is_answered_E = answers_N[rows_E] > 0
    return (rows_E * width + references.classes_E)[is_answered_E], is_known_N


def _yes_or_no(probabilities_NK: Floats, rows_Q: Ids, classes_Q: Ids) -> Floats:
    """(Q, 2) how likely a model says no and yes to each question; to `nothing`, that no class is there."""
    nothing_N = np.prod(1 - probabilities_NK, axis=1)
    yes_Q = np.column_stack([probabilities_NK, nothing_N])[rows_Q, classes_Q]
    return np.column_stack([1 - yes_Q, yes_Q])
