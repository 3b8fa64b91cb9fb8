"""A model's accuracy, with an interval, from a uniform sample of answered rows and the model's confidence in all rows.

Rows that a strategy picked are no sample of the pool: a model's accuracy on them is far from its accuracy on all rows.
Audit rows are a uniform random sample that no strategy and no trainer sees. Confidences are free for every row, so two
estimates correct the sample by them, and need 1 - r^2 of the labels of the plain one where confidence and correctness
have the correlation r:

* post-stratification: the accuracy in strata of confidence, weighted by the share of all rows in each (the default);
* prediction-powered inference: Angelopoulos et al. 2023, [2311.01453](https://arxiv.org/abs/2311.01453), "PPI++".

Below 30 answers, 10 errors or 10 correct rows neither interval holds what it promises, and Wilson's replaces them.

`others_M` must be exchangeable with the answered rows: rows that no strategy chose from and no model was fitted to,
such as the audit reserve without its answered rows. A model is too confident in the rows that it was fitted to.
(Letters: A answered rows, M other rows, H strata.)
"""

from dataclasses import dataclass
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
    _check(correct_A, confidence_A, others_M, population)
    return _few(correct_A) or _by_strata(correct_A, confidence_A, others_M, population)


def prediction_powered_estimate(
    correct_A: Correct, confidence_A: Floats, others_M: Floats, population: int
) -> AuditEstimate:
    """The accuracy by PPI++ with the weight `ppi_weight`, on Student's t; arguments and errors of `audit_estimate`.

    There is no correction for a finite population.
    """
    _check(correct_A, confidence_A, others_M, population)
    few = _few(correct_A)
    if few or not len(others_M):
        return few or wilson_estimate(correct_A)
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


def _by_strata(correct_A: Correct, confidence_A: Floats, others_M: Floats, population: int) -> AuditEstimate:
    stratum_A, stratum_M = strata_of(confidence_A, others_M)
    answers_H = np.bincount(stratum_A)
    correct_H = np.bincount(stratum_A, weights=correct_A)
    rows_H = answers_H + np.bincount(stratum_M, minlength=len(answers_H))
    first_phase = len(correct_A) + len(others_M)
    weight_H, share_H = rows_H / first_phase, correct_H / answers_H
    accuracy = float(weight_H @ share_H)
    smoothed_H = (correct_H + 0.5) / (answers_H + 1)
    variance_H = smoothed_H * (1 - smoothed_H)
    # Within strata: the variance of each mean, corrected for the population; between them: that of the weights.
    within_H = weight_H**2 * variance_H / answers_H
    finite = float(weight_H @ variance_H) / population
    between = float(weight_H @ (share_H - accuracy) ** 2) * (1 / first_phase - 1 / population)
    variance = max(float(within_H.sum()) - finite, 0.0) + between
    freedom = float(within_H.sum()) ** 2 / float((within_H**2 / (answers_H - 1)).sum())
    reach = float(stats.t.ppf(0.5 + LEVEL / 2, freedom)) * sqrt(variance)
    strata = f"{len(answers_H)} strata" if len(answers_H) > 1 else "1 stratum"
    sentence = (
        f"From {len(correct_A):,} answers in {strata} of the model's confidence, weighted by {first_phase:,} rows."
    )
    return _estimate(accuracy, reach, "strata", correct_A, sentence)


def _few(correct_A: Correct) -> AuditEstimate | None:
    """Wilson's interval with the reason, where there are too few answers; else None."""
    answered, correct = len(correct_A), int(correct_A.sum())
    for noun, count, least in (
        ("answers", answered, LEAST_ANSWERS),
        ("errors", answered - correct, LEAST_OF_EACH),
        ("correct rows", correct, LEAST_OF_EACH),
    ):
        if count < least:
            return wilson_estimate(correct_A, f", because there are fewer than {least} {noun}")
    return None


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
