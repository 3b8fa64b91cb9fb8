"""Accuracy from audit rows: against ppi_py, brute force over all samples, and laws."""

import importlib
import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from labelbench_ray.report.statistics.audit import (
    LEAST_IN_STRATUM,
    Sample,
    audit_estimate,
    error_covariance,
    estimate_of_parts,
    ppi_accuracy,
    ppi_weight,
    prediction_powered_estimate,
    strata_of,
    wilson_estimate,
)

GOLDEN = Path(__file__).parent.parent / "golden" / "ppi_points.json"
BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
ESTIMATES = (audit_estimate, prediction_powered_estimate)
samples = st.tuples(st.integers(40, 150), st.integers(0, 300), st.integers(0, 2**32 - 1), st.sampled_from([2, 6, 40]))


def drawn(answered, others, seed, different):
    """Answers that are right as often as the confidence states, with few different confidences or many."""
    rng = np.random.default_rng(seed)
    confidence_N = np.round(rng.beta(4, 2, answered + others) * different) / different
    correct_A = rng.random(answered) < confidence_N[:answered]
    return correct_A, confidence_N[:answered], confidence_N[answered:]


@pytest.mark.parametrize("case", json.loads(GOLDEN.read_text()), ids=str)
def test_the_point_is_that_of_ppi_py(case):
    """`ppi_py.ppi_mean_pointestimate(y, f_answered, f_others, lam=weight)` of ppi-python 0.2.3."""
    rng = np.random.default_rng(case["seed"])
    confidence_N = rng.beta(4, 2, case["answered"] + case["others"]).round(6)
    correct_A = (rng.random(len(confidence_N)) < confidence_N)[: case["answered"]]
    split = np.split(confidence_N, [case["answered"]])
    assert ppi_accuracy(correct_A, *split, case["weight"]) == pytest.approx(case["point"], abs=1e-12)


def test_the_weight_has_the_least_variance():
    """Among 101 weights, by the variance of section 7 of the paper."""
    correct_A, confidence_A, others_M = drawn(4000, 6000, 0, 1000)
    weights = np.linspace(0, 1, 101)
    variances = [
        np.var(correct_A - weight * confidence_A) / 4000 + weight**2 * np.var(others_M) / 6000 for weight in weights
    ]
    assert ppi_weight(correct_A, confidence_A, others_M) == pytest.approx(weights[np.argmin(variances)], abs=0.02)


@given(samples)
def test_strata_are_confidence_bands_with_ten_answers(sample):
    _, confidence_A, others_M = drawn(*sample)
    stratum_A, stratum_M = strata_of(confidence_A, others_M)
    counts_H = np.bincount(stratum_A)
    assert (counts_H >= LEAST_IN_STRATUM).all()
    assert set(stratum_M) <= set(range(len(counts_H)))
    order = np.argsort(every := np.concatenate([confidence_A, others_M]), kind="stable")
    strata = np.concatenate([stratum_A, stratum_M])[order]
    assert (np.diff(strata) >= 0).all()
    assert all(len(set(strata[every[order] == value])) == 1 for value in set(every))


@given(samples, st.randoms(use_true_random=False))
def test_laws(sample, shuffler):
    correct_A, confidence_A, others_M = drawn(*sample)
    population = len(confidence_A) + len(others_M)
    for estimate in ESTIMATES:
        found = estimate(correct_A, confidence_A, others_M, population)
        assert 0 <= found.low <= found.accuracy <= found.high <= 1
        assert (found.answered, found.errors) == (len(correct_A), int((~correct_A).sum()))
        order = np.array(shuffler.sample(range(len(correct_A)), len(correct_A)))
        again = estimate(correct_A[order], confidence_A[order], others_M[::-1], population)
        assert (again.accuracy, again.low, again.method) == (
            pytest.approx(found.accuracy),
            pytest.approx(found.low),
            found.method,
        )
        assert found.method in {"wilson", "strata", "prediction-powered"}
        few = len(correct_A) < 30 or min(found.errors, found.answered - found.errors) < 10
        assert not few or (found.method == "wilson" and "fewer than" in found.sentence)


@given(samples)
def test_without_other_rows_the_strata_estimate_is_the_plain_share(sample):
    """A census has no error; a sample of an endless pool has about the plain variance."""
    correct_A, confidence_A, _ = drawn(*sample)
    census = audit_estimate(correct_A, confidence_A, np.empty(0), len(correct_A))
    endless = audit_estimate(correct_A, confidence_A, np.empty(0), 10**12)
    if endless.method == "wilson":
        return
    assert census.accuracy == endless.accuracy == pytest.approx(correct_A.mean())
    assert census.high - census.low == pytest.approx(0, abs=1e-6)
    share = correct_A.mean()
    plain = 2 * 1.96 * np.sqrt(share * (1 - share) / len(correct_A))
    assert 0.9 * plain < endless.high - endless.low < 1.35 * plain


def test_strata_of_every_sample_of_a_small_pool_average_to_the_accuracy():
    """All samples of two of each of two confidences: post-stratification is unbiased given the counts."""
    confidence_N = np.repeat([0.2, 0.8], [20, 30])
    correct_N = np.arange(50) % 3 > 0
    rng, values = np.random.default_rng(0), []
    for _ in range(4000):
        picked = rng.choice(50, 40, replace=False)
        rest = np.setdiff1d(np.arange(50), picked)
        values.append(audit_estimate(correct_N[picked], confidence_N[picked], confidence_N[rest], 50).accuracy)
    assert np.mean(values) == pytest.approx(correct_N.mean(), abs=3 * np.std(values) / np.sqrt(4000))


def test_the_accuracy_is_the_weighted_mean_of_the_strata():
    """10 of 15 and 12 of 20 answers are correct; the strata hold 30 and 70 % of the rows."""
    confidence_A = np.repeat([0.2, 0.8], [15, 20])
    correct_A = np.concatenate([np.arange(15) < 10, np.arange(20) < 12])
    others_M = np.repeat([0.2, 0.8], [15, 50])
    found = audit_estimate(correct_A, confidence_A, others_M, 100)
    assert found.accuracy == pytest.approx(0.3 * 10 / 15 + 0.7 * 12 / 20)
    shares = ((10.5 / 16, 15, 30), (12.5 / 21, 20, 70))
    terms = [(rows / 100) ** 2 * p * (1 - p) / n for p, n, rows in shares]
    variance = sum(term * (1 - n / rows) for term, (_, n, rows) in zip(terms, shares, strict=True))
    freedom = sum(terms) ** 2 / (terms[0] ** 2 / 14 + terms[1] ** 2 / 19)
    assert found.high - found.accuracy == pytest.approx(stats.t.ppf(0.975, freedom) * np.sqrt(variance))
    assert found.sentence == "From 35 answers in 2 strata of the model's confidence, weighted by 100 rows."


@pytest.mark.parametrize(
    ("answered", "errors", "reason"),
    [(29, 12, "30 answers"), (200, 9, "10 errors"), (200, 195, "10 correct rows"), (1, 0, "30 answers")],
)
def test_few_answers_or_errors_have_wilson_s_interval_and_state_why(answered, errors, reason):
    correct_A, confidence_A = np.arange(answered) >= errors, np.full(answered, 0.5)
    for estimate in ESTIMATES:
        found = estimate(correct_A, confidence_A, np.full(500, 0.9), 10_000)
        assert found.method == "wilson"
        assert f"fewer than {reason}" in found.sentence
        share, z = 1 - errors / answered, 1.959964
        center = (share + z**2 / 2 / answered) / (1 + z**2 / answered)
        reach = z / (1 + z**2 / answered) * np.sqrt(share * (1 - share) / answered + z**2 / 4 / answered**2)
        assert (found.low, found.high) == (
            pytest.approx(center - reach, abs=1e-6),
            pytest.approx(center + reach, abs=1e-6),
        )


def test_equal_confidences_are_one_stratum():
    correct_A = np.arange(100) % 4 > 0
    found = audit_estimate(correct_A, np.full(100, 0.5), np.full(900, 0.5), 1000)
    assert found.accuracy == 0.75
    assert "1 stratum" in found.sentence
    assert prediction_powered_estimate(correct_A, np.full(100, 0.5), np.full(900, 0.5), 1000).accuracy == 0.75


@pytest.mark.parametrize(
    ("correct_A", "confidence_A", "others_M", "population", "message"),
    [
        ([], [], [0.5], 10, "0 answers"),
        ([True], [0.5, 0.5], [], 10, "as many of both"),
        ([True], [1.5], [], 10, r"0 \.\. 1"),
        ([True], [0.5], [np.nan], 10, r"0 \.\. 1"),
        ([True], [0.5], [0.5], 1, "population of 1"),
    ],
)
def test_what_cannot_be_estimated_is_refused(correct_A, confidence_A, others_M, population, message):
    for estimate in ESTIMATES:
        with pytest.raises(ValueError, match=message):
            estimate(np.array(correct_A, bool), np.array(confidence_A), np.array(others_M), population)


def test_the_wilson_interval_covers_the_share_itself():
    found = wilson_estimate(np.arange(50) < 40)
    assert (found.accuracy, found.errors, found.method) == (0.8, 10, "wilson")


def test_the_benchmark_at_a_tiny_size(monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    importlib.import_module("audit").main(["--tiny"])
    answer = json.loads(capsys.readouterr().out)
    assert set(answer) == {"benchmark", "measured", "target", "met", "machine"}
    (pool,) = answer["measured"].values()
    assert 0.85 < pool["strata"]["100"]["coverage"] <= 1
    assert pool["strata"]["100"]["error_of_plain"] < 1.1


def test_brute_force_of_ppi_over_all_samples():
    """With a fixed weight the estimate is unbiased over all samples of 3 of 9 rows."""
    confidence_N, correct_N = np.linspace(0.1, 0.9, 9), np.array([0, 0, 1, 0, 1, 1, 0, 1, 1], bool)
    values = []
    for picked in combinations(range(9), 3):
        inside = np.isin(np.arange(9), picked)
        values.append(ppi_accuracy(correct_N[inside], confidence_N[inside], confidence_N[~inside], 0.6))
    assert np.mean(values) == pytest.approx(correct_N.mean())


@pytest.mark.parametrize("shares_P", [(0.9, 0.6), (0.99, 0.95)])
def test_parts_that_were_sampled_at_different_rates(shares_P):
    """Three quarters of the rows are of the second part, a quarter of the answers: unbiased, and 95 % are held."""
    rng, found = np.random.default_rng(0), []
    for _ in range(400):
        samples = [
            Sample(rng.random(answers) < share, rng.random(answers), rng.random(answers), rows)
            for share, answers, rows in zip(shares_P, (90, 30), (10_000, 30_000), strict=True)
        ]
        found.append(estimate_of_parts(samples))
    truth = shares_P[0] / 4 + shares_P[1] * 3 / 4
    accuracies = np.array([each.accuracy for each in found])
    assert accuracies.mean() == pytest.approx(truth, abs=3 * accuracies.std() / 20)
    assert np.mean([each.low <= truth <= each.high for each in found]) > 0.92


def test_the_covariance_of_errors_is_that_of_repeated_samples():
    """Two models that agree on most rows of two parts."""
    rng, accuracies, covariances = np.random.default_rng(0), [], []
    for _ in range(2000):
        first = [rng.random(40) < 0.8, rng.random(80) < 0.5]
        parts = [np.array([each_A, each_A ^ (rng.random(len(each_A)) < 0.1)]) for each_A in first]
        accuracies.append(0.7 * parts[0].mean(axis=1) + 0.3 * parts[1].mean(axis=1))
        covariances.append(error_covariance(parts, np.array([0.7, 0.3])))
    assert np.mean(covariances, axis=0) == pytest.approx(np.cov(np.transpose(accuracies)), rel=0.1)


def test_models_that_agree_on_every_answer_may_differ_on_other_rows():
    correct_TA = np.tile(np.arange(50) % 5 > 0, (2, 1))
    ((one, both), _) = error_covariance([correct_TA], np.ones(1))
    assert both == pytest.approx(0.16 / 49)
    assert one - both == pytest.approx(1 / (4 * 50 * 51))
