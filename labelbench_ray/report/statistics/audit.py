"""A model's accuracy, with an interval, from a uniform sample of answered rows and the model's confidence in all rows.

Rows that a strategy picked are no sample of the pool: a model's accuracy on them is far from its accuracy on all rows.
Audit rows are a uniform random sample that no strategy and no trainer sees. Confidences are free for every row, so two
estimates correct the sample by them, and need 1 - r^2 of the labels of the plain one where confidence and correctness
have the correlation r:

* post-stratification: the accuracy in strata of confidence, weighted by the share of all rows in each (the default);
* prediction-powered inference: Angelopoulos et al. 2023, [2311.01453](https://arxiv.org/abs/2311.01453), "PPI++".

Below 30 answers, 10 errors or 10 correct rows neither interval holds what it promises, and Wilson's replaces them.

A population may have parts that were sampled at different rates, such as the rows that a pool gained later. Each part
then has its own sample, and the estimate is the mean of theirs, weighted by their rows.

`others_M` must be exchangeable with the answered rows: rows that no strategy chose from and no model was fitted to,
such as the audit reserve without its answered rows. A model is too confident in the rows that it was fitted to.
(Letters: A answered rows, M other rows, H strata, P parts of the population, T models.)
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from labelbench_ray.report.statistics.paired import LEVEL, Floats

LEAST_ANSWERS: Final = 30
LEAST_OF_EACH: Final = 10
"""Errors, and correct rows, from which on the intervals by confidence are used."""
STRATA: Final = 10
LEAST_IN_STRATUM: Final = 10
"""Answers: strata that have fewer are merged with the next one."""
Correct = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class AuditEstimate:
    """A model's accuracy on rows like the pool's."""

    accuracy: float
    low: float
    high: float
    """95 %."""
    method: str
    """`strata`, `prediction-powered` or `wilson`."""
    answered: int
    errors: int
    sentence: str
    """How the interval was computed, for the page."""

    @property
    def enough(self) -> bool:
        """Whether there are enough answers, errors and correct rows for more than Wilson's interval."""
        return self.method != "wilson"


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A uniform sample of a population, or of a part of it: the arguments of `audit_estimate`."""

    correct_A: Correct
    confidence_A: Floats
    others_M: Floats
    population: int


def audit_estimate(correct_A: Correct, confidence_A: Floats, others_M: Floats, population: int) -> AuditEstimate:
    """The accuracy by strata of confidence; Wilson's interval where answers, errors or correct rows are few.

    The variance is that of sampling in two phases (Cochran 1977, section 12.2): the A + M rows are a sample of the
    population and determine the weights, the answers are a sample of them. A stratum's variance is that of
    (s + 1/2) / (n + 1), which no stratum without errors makes 0. The interval is Student's with Satterthwaite's
    degrees of freedom.

    Args:
        correct_A: whether the model predicts the label of each answered audit row.
        confidence_A: the model's largest probability for each of them.
        others_M: the same for rows without answers that are exchangeable with them.
        population: the rows that the estimate is for: the pool's.

    Raises:
        ValueError: no answers, arrays of different lengths, confidences outside 0 .. 1, or a population that is
            smaller than the rows given.
    """
    return estimate_of_parts([Sample(correct_A, confidence_A, others_M, population)])


def estimate_of_parts(samples_P: Sequence[Sample]) -> AuditEstimate:
    """The accuracy on a population from a sample of each part of it.

    Wilson's interval of several parts is that of 1 / sum(share^2 / answers) answers: exact where the parts have one
    accuracy, and too wide elsewhere.

    Raises:
        ValueError: as from `audit_estimate`.
    """
    for sample in samples_P:
        _check(sample.correct_A, sample.confidence_A, sample.others_M, sample.population)
    few = _why_few(np.concatenate([sample.correct_A for sample in samples_P]))
    return _wilson_of_parts(samples_P, few) if few else _by_strata(samples_P)


def error_covariance(correct_PTA: Sequence[Correct], shares_P: Floats) -> Floats:
    """(T, T) covariances of the errors of T models' accuracies, which the same answered rows measured.

    Two models that agree on all of n rows may still differ on others: as much as by half a row.

    Args:
        correct_PTA: of each part of the population, whether each model is correct on each answered row, two or more.
        shares_P: the part's share of the population.
    """
    parts = zip(correct_PTA, shares_P, strict=True)
    return sum((share**2 * _covariance(correct_TA) for correct_TA, share in parts), np.zeros(()))


def prediction_powered_estimate(
    correct_A: Correct, confidence_A: Floats, others_M: Floats, population: int
) -> AuditEstimate:
    """The accuracy by PPI++ with the weight `ppi_weight`, on Student's t; arguments and errors of `audit_estimate`.

    There is no correction for a finite population.
    """
    _check(correct_A, confidence_A, others_M, population)
    few = _why_few(correct_A)
    if few or not len(others_M):
        return wilson_estimate(correct_A, few)
    answered, weight = len(correct_A), ppi_weight(correct_A, confidence_A, others_M)
    accuracy = ppi_accuracy(correct_A, confidence_A, others_M, weight)
    # Two parameters, the mean and the weight, are fitted to the answers.
    residual = np.var(correct_A - weight * confidence_A, ddof=2)
    error = sqrt(residual / answered + weight**2 * np.var(others_M) / len(others_M))
    sentence = f"Prediction-powered, from {answered:,} answers and the confidences of {len(others_M):,} other rows."
    return _estimate(
        accuracy, stats.t.ppf(0.5 + LEVEL / 2, answered - 2) * error, "prediction-powered", correct_A, sentence
    )


def wilson_estimate(correct_A: Correct, why: str = "") -> AuditEstimate:
    """The share of correct rows with Wilson's interval."""
    answered, correct = len(correct_A), int(correct_A.sum())
    low, high = stats.binomtest(correct, answered).proportion_ci(LEVEL, method="wilson")
    sentence = f"Plain share of {answered:,} answers with Wilson's interval{why}."
    return AuditEstimate(correct / answered, float(low), float(high), "wilson", answered, answered - correct, sentence)


def ppi_weight(correct_A: Correct, confidence_A: Floats, others_M: Floats) -> float:
    """The weight of the confidences with the least variance: Cov(y, f) / Var(f) / (1 + A / M), within 0 .. 1."""
    every = np.concatenate([confidence_A, others_M])
    spread = float(np.var(every))
    if spread <= 0:
        return 0.0
    covariance = float(np.cov(correct_A, confidence_A, ddof=1)[0, 1])
    return float(np.clip(covariance / spread / (1 + len(correct_A) / len(others_M)), 0, 1))


def ppi_accuracy(correct_A: Correct, confidence_A: Floats, others_M: Floats, weight: float) -> float:
    """mean(y) - weight * (mean(f of answered rows) - mean(f of other rows))."""
    return float(correct_A.mean() - weight * (confidence_A.mean() - others_M.mean()))


def strata_of(confidence_A: Floats, others_M: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The stratum of each answered and of each other row, from 0 for the smallest confidences.

    Deciles of all rows, merged from below until each has ten answers; what remains at the top joins the last stratum.
    """
    every = np.concatenate([confidence_A, others_M])
    edges = np.unique(np.quantile(every, np.arange(1, STRATA) / STRATA, method="inverted_cdf"))
    deciles_A, deciles_M = (np.searchsorted(edges, each) for each in (confidence_A, others_M))
    merged, stratum, answers = np.zeros(len(edges) + 1, np.int64), 0, 0
    counts = np.bincount(deciles_A, minlength=len(merged))
    for decile, count in enumerate(counts):
        if answers >= LEAST_IN_STRATUM and counts[decile:].sum() >= LEAST_IN_STRATUM:
            stratum, answers = stratum + 1, 0
        merged[decile] = stratum
        answers += count
    return merged[deciles_A], merged[deciles_M]


def _by_strata(samples_P: Sequence[Sample]) -> AuditEstimate:
    accuracy, variance, withins, freedoms, strata = 0.0, 0.0, [], [], 0
    population = sum(sample.population for sample in samples_P)
    for sample in samples_P:
        share = sample.population / population
        accuracy_of_part, within_H, rest, freedom_H = _part(sample)
        accuracy += share * accuracy_of_part
        variance += share**2 * (max(float(within_H.sum()) - rest[0], 0.0) + rest[1])
        withins.append(share**2 * within_H)
        freedoms.append(freedom_H)
        strata += len(within_H)
    within_H, freedom_H = np.concatenate(withins), np.concatenate(freedoms)
    freedom = float(within_H.sum()) ** 2 / float((within_H**2 / freedom_H).sum())
    reach = float(stats.t.ppf(0.5 + LEVEL / 2, freedom)) * sqrt(variance)
    correct_A = np.concatenate([sample.correct_A for sample in samples_P])
    weighted = sum(len(sample.correct_A) + len(sample.others_M) for sample in samples_P)
    words = f"{strata} strata" if strata > 1 else "1 stratum"
    parts = f" and of {len(samples_P)} parts of the pool" if len(samples_P) > 1 else ""
    sentence = (
        f"From {len(correct_A):,} answers in {words} of the model's confidence{parts}, weighted by {weighted:,} rows."
    )
    return _estimate(accuracy, reach, "strata", correct_A, sentence)


def _part(sample: Sample) -> tuple[float, Floats, tuple[float, float], Floats]:
    """A part's accuracy; the variance of each stratum's mean, weighted; what the finite population takes from their
    sum, and the variance of the weights; and the degrees of freedom of each stratum.
    """
    stratum_A, stratum_M = strata_of(sample.confidence_A, sample.others_M)
    answers_H = np.bincount(stratum_A)
    correct_H = np.bincount(stratum_A, weights=sample.correct_A)
    rows_H = answers_H + np.bincount(stratum_M, minlength=len(answers_H))
    first_phase = len(stratum_A) + len(stratum_M)
    weight_H, share_H = rows_H / first_phase, correct_H / answers_H
    accuracy = float(weight_H @ share_H)
    smoothed_H = (correct_H + 0.5) / (answers_H + 1)
    variance_H = smoothed_H * (1 - smoothed_H)
    within_H = weight_H**2 * variance_H / answers_H
    finite = float(weight_H @ variance_H) / sample.population
    between = float(weight_H @ (share_H - accuracy) ** 2) * (1 / first_phase - 1 / sample.population)
    return accuracy, within_H, (finite, between), (answers_H - 1).astype(np.float64)


def _wilson_of_parts(samples_P: Sequence[Sample], why: str) -> AuditEstimate:
    plain = wilson_estimate(np.concatenate([sample.correct_A for sample in samples_P]), why)
    if len(samples_P) == 1:
        return plain
    share_P = np.array([sample.population for sample in samples_P]) / sum(sample.population for sample in samples_P)
    accuracy = float(share_P @ np.array([sample.correct_A.mean() for sample in samples_P]))
    answers = 1 / float((share_P**2 / np.array([len(sample.correct_A) for sample in samples_P])).sum())
    z = float(stats.norm.ppf(0.5 + LEVEL / 2))
    center = (accuracy + z**2 / 2 / answers) / (1 + z**2 / answers)
    reach = z / (1 + z**2 / answers) * sqrt(accuracy * (1 - accuracy) / answers + z**2 / 4 / answers**2)
    sentence = f"Share of {plain.answered:,} answers in {len(samples_P)} parts of the pool with Wilson's interval{why}."
    return replace(plain, accuracy=accuracy, low=max(center - reach, 0.0), high=center + reach, sentence=sentence)


def _covariance(correct_TA: Correct) -> Floats:
    models, answered = correct_TA.shape
    found = np.atleast_2d(np.cov(correct_TA)) / answered
    return np.asarray(found + np.eye(models) / (4 * answered * (answered + 1)), np.float64)


def _why_few(correct_A: Correct) -> str:
    """The reason for Wilson's interval, where there are too few answers; else ""."""
    answered, correct = len(correct_A), int(correct_A.sum())
    for noun, count, least in (
        ("answers", answered, LEAST_ANSWERS),
        ("errors", answered - correct, LEAST_OF_EACH),
        ("correct rows", correct, LEAST_OF_EACH),
    ):
        if count < least:
            return f", because there are fewer than {least} {noun}"
    return ""


def _estimate(accuracy: float, reach: float, method: str, correct_A: Correct, sentence: str) -> AuditEstimate:
    accuracy = min(max(accuracy, 0.0), 1.0)
    low, high = max(accuracy - reach, 0.0), min(accuracy + reach, 1.0)
    answered = len(correct_A)
    return AuditEstimate(accuracy, low, high, method, answered, answered - int(correct_A.sum()), sentence)


def _check(correct_A: Correct, confidence_A: Floats, others_M: Floats, population: int) -> None:
    if not len(correct_A) or len(correct_A) != len(confidence_A):
        raise ValueError(
            f"{len(correct_A)} answers and {len(confidence_A)} confidences; an estimate needs as many of both, "
            "1 or more"
        )
    every = np.concatenate([confidence_A, others_M])
    if not ((every >= 0) & (every <= 1)).all():
        raise ValueError("confidences must lie in 0 .. 1; pass the model's largest probabilities")
    if population < len(every):
        raise ValueError(
            f"a population of {population:,} rows, but {len(every):,} rows are given; pass all of the pool's"
        )
