"""Forecasts of learning curves: exact where a curve is one of the families, and measured on the published runs."""

import time
from collections import defaultdict
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import nnls

from labelbench_ray.exports.document import document
from labelbench_ray.ledger.data_notes import DataNote
from labelbench_ray.ledger.records import Traits
from labelbench_ray.report import build, page
from labelbench_ray.report.outlook import outlook_table, outlooks
from labelbench_ray.report.statistics.audit import error_covariance
from labelbench_ray.report.statistics.comparison import compare
from labelbench_ray.report.statistics.forecast import LARGEST_FACTOR, Call, forecast
from labelbench_ray.report.statistics.learning_curves import POWERS, RATES, families, fit
from tests.datasets.test_dataset_cifar10 import SHARED

LABELS_T = np.arange(1, 9) * 200.0
FAR_M = np.array([1800.0, 3200.0])
PUBLISHED = SHARED / "labelbench_results.parquet"
SHARES = (0.4, 0.6, 0.8)


@pytest.mark.parametrize(
    "curve",
    [
        lambda n: 0.9 - 0.3 * (n / 1600) ** -POWERS[20],
        lambda n: 0.8 - 0.5 * np.exp(-RATES[25] * n / 1600),
        lambda n: 0.5 + 0.02 * np.log(n),
    ],
    ids=["power", "exponential", "logarithm"],
)
def test_a_curve_of_a_family_is_recovered(curve):
    found = [fit(family, LABELS_T, curve(LABELS_T)[None]) for family in families(LABELS_T, FAR_M)]
    best_1T, ahead_1M = min(found, key=lambda each: np.abs(each[0] - curve(LABELS_T)).max())
    np.testing.assert_allclose(best_1T[0], curve(LABELS_T), atol=1e-12)
    np.testing.assert_allclose(ahead_1M[0], curve(FAR_M), atol=1e-12)


@given(st.lists(st.floats(0, 1), min_size=8, max_size=8))
def test_a_fit_is_the_best_of_its_family(accuracies):
    """By scipy's non-negative least squares of (1 - a) >= 0 and b >= 0 at every c."""
    y_T, w_T = np.array(accuracies), np.sqrt(LABELS_T / LABELS_T.sum())
    for family in families(LABELS_T, FAR_M)[:2]:
        least = min(nnls(np.stack([w_T, w_T * phi_T], axis=1), w_T * (1 - y_T))[1] for phi_T in family.phi_CT)
        fitted_1T, _ = fit(family, LABELS_T, y_T[None])
        assert np.linalg.norm(w_T * (y_T - fitted_1T[0])) == pytest.approx(least, abs=1e-6)


@given(st.lists(st.floats(0, 1), min_size=4, max_size=12), st.floats(1, 1e6))
def test_any_curve_is_forecast(accuracies, first):
    labels_T = first * np.arange(1, len(accuracies) + 1)
    found = forecast(labels_T, np.array(accuracies), labels_T[-1] + first * np.array([1.0, 5.0]))
    assert (found.low_M <= found.accuracies_M).all()
    assert (found.accuracies_M <= found.high_M).all()
    assert (found.gains_RM >= -1e-9).all()
    assert 1 <= found.factor <= 4
    assert 0 <= found.held <= found.backtests == len(accuracies) - 2


def test_a_flat_curve_promises_nothing():
    found = forecast(LABELS_T, np.full(8, 0.7), FAR_M)
    assert [found.call(target) for target in (0, 1)] == [Call.UNLIKELY] * 2


def test_a_falling_curve_promises_nothing():
    found = forecast(LABELS_T, np.linspace(0.8, 0.6, 8), FAR_M)
    assert Call.LIKELY not in {found.call(target) for target in (0, 1)}


def test_a_steep_curve_without_noise_is_worth_more_labels():
    found = forecast(LABELS_T, 0.95 - 8 * LABELS_T**-0.5, FAR_M)
    assert [found.call(target) for target in (0, 1)] == [Call.LIKELY] * 2
    assert found.call(1, least=0.5) is Call.UNLIKELY


def test_the_same_curve_gives_the_same_forecast():
    accuracies_T = np.random.default_rng(0).uniform(0.5, 0.6, 8)
    first, again = (forecast(LABELS_T, accuracies_T, FAR_M) for _ in range(2))
    np.testing.assert_array_equal(first.low_M, again.low_M)
    np.testing.assert_array_equal(first.gains_RM, again.gains_RM)


@pytest.mark.parametrize(
    ("labels_T", "accuracies_T", "labels_M"),
    [
        (LABELS_T[:3], np.ones(3), FAR_M),
        (LABELS_T, np.ones(7), FAR_M),
        (LABELS_T[::-1], np.ones(8), FAR_M),
        (LABELS_T, np.ones(8), LABELS_T[-1:]),
        (LABELS_T - 200, np.ones(8), FAR_M),
        (LABELS_T, np.full(8, np.nan), FAR_M),
    ],
)
def test_what_is_not_a_curve_is_refused(labels_T, accuracies_T, labels_M):
    with pytest.raises(ValueError, match=r"forecast needs|must increase"):
        forecast(labels_T, accuracies_T, labels_M)


@pytest.fixture(scope="module")
def published():
    """(setting, labels, accuracies) of every published run of eight rounds or more."""
    if not PUBLISHED.is_file():
        pytest.skip(f"no {PUBLISHED}")
    import pyarrow.parquet as pq

    keys = ["dataset", "batch_size", "embed", "model", "trainer", "strategy", "seed"]
    rows = pq.read_table(PUBLISHED, filters=[("metric", "=", "Test Accuracy")]).to_pandas().sort_values("num_labels")
    runs = [
        (key, run["num_labels"].to_numpy(float), run["value"].to_numpy(float))
        for key, run in rows.groupby(keys)
        if len(run) >= 8
    ]
    assert len(runs) == 534
    return runs


@pytest.mark.data
def test_published_runs_are_forecast_as_well_as_stated(published):
    """Mean absolute errors, 90 % bands over all runs and in each data set, and the time of a forecast."""
    errors, covered, seconds = defaultdict(list), defaultdict(list), 0.0
    for (dataset, *_), labels_T, accuracies_T in published:
        for share in SHARES:
            seen = max(4, round(share * len(labels_T)))
            start = time.thread_time()
            found = forecast(labels_T[:seen], accuracies_T[:seen], labels_T[seen:])
            seconds += time.thread_time() - start
            for name, target in (("next", 0), ("final", -1)):
                truth = accuracies_T[seen:][target]
                errors[name, share].append(abs(found.accuracies_M[target] - truth))
                covered[name, share, dataset].append(found.low_M[target] <= truth <= found.high_M[target])
    means = {key: 100 * np.mean(each) for key, each in errors.items()}
    assert all(means["next", share] <= most for share, most in zip(SHARES, (0.72, 0.56, 0.46), strict=True)), means
    assert all(means["final", share] <= most for share, most in zip(SHARES, (0.95, 0.66, 0.46), strict=True)), means
    shares = {key: np.mean(each) for key, each in covered.items()}
    for name, share in product(("next", "final"), SHARES):
        every = [hit for key, hits in covered.items() if key[:2] == (name, share) for hit in hits]
        assert np.mean(every) >= 0.92, (name, share)
        least = 0.65 if (name, share) == ("next", 0.4) else 0.80
        assert min(value for key, value in shares.items() if key[:2] == (name, share)) >= least, (name, share)
    assert seconds / len(published) / len(SHARES) < 0.05  # 10 ms is asked for on idle cores


@pytest.mark.data
def test_calls_on_published_runs_are_right_when_they_decide(published):
    """The truth is the mean of the setting's seeds; a quarter of a point decides."""
    settings = defaultdict(list)
    for (*setting, _), labels_T, accuracies_T in published:
        settings[tuple(setting)].append((labels_T, accuracies_T))
    for share in SHARES:
        decided = right = runs = 0
        for curves in settings.values():
            if len({len(labels_T) for labels_T, _ in curves}) > 1 or len(curves) < 2:
                continue
            mean_T = np.mean([accuracies_T for _, accuracies_T in curves], axis=0)
            for labels_T, accuracies_T in curves:
                seen = max(4, round(share * len(labels_T)))
                call = forecast(labels_T[:seen], accuracies_T[:seen], labels_T[seen : seen + 1]).call(0)
                runs += 1
                decided += call is not Call.UNCLEAR
                right += call is (Call.LIKELY if mean_T[seen] - mean_T[seen - 1] > 0.0025 else Call.UNLIKELY)
        assert decided >= 0.45 * runs, share
        assert right >= 0.88 * decided, share


def test_the_page_states_what_more_labels_would_bring(experiment):
    """Of a strategy that rises, that is flat, and none where curves have three rounds."""
    rounds, rng = np.arange(1, 9), np.random.default_rng(0)
    for seed in range(3):
        experiment.add("random", seed, (0.7 + 0.001 * rng.standard_normal(8)).tolist(), rounds=8)
        experiment.add("margin", seed, (0.9 - 0.5 * rounds**-0.5 + 0.001 * rng.standard_normal(8)).tolist(), rounds=8)
    found = {each.strategy: each for each in outlooks_of(experiment)}
    assert found["margin"].forecast.labels_M.tolist() == [90, 160]
    assert found["margin"].forecast.call(1) is Call.LIKELY
    assert found["random"].forecast.call(1) is Call.UNLIKELY
    text = page(build(experiment.folder))
    assert "What more labels would bring" in text
    exported = {each["strategy"]: each for each in document(build(experiment.folder))["settings"][0]["outlook"]}
    assert exported["margin"]["forecasts"][1]["worth_it"] == "likely"
    assert exported["random"]["earlier_forecasts"] == 6


def test_short_curves_have_no_outlook(experiment):
    experiment.add("random", 0, [0.5, 0.6, 0.7])
    assert outlooks_of(experiment) == ()
    assert "What more labels would bring" not in page(build(experiment.folder))


def test_a_strategy_that_ran_longer_is_forecast_from_its_own_last_round(experiment):
    experiment.add("random", 0, np.linspace(0.5, 0.9, 16).tolist(), rounds=16)
    experiment.add("margin", 0, np.linspace(0.5, 0.8, 8).tolist(), rounds=8)
    found = {each.strategy: each for each in outlooks_of(experiment)}
    assert (found["random"].labels, found["random"].value) == (160, pytest.approx(0.9))
    assert found["random"].forecast.labels_M.tolist() == [170, 320]
    assert found["margin"].forecast.labels_M.tolist() == [90, 160]


@pytest.mark.parametrize(("pool", "targets"), [(1000, [90, 160]), (100, [90]), (85, None)])
def test_no_more_labels_are_forecast_than_the_pool_has_rows(experiment, pool, targets):
    experiment.add("random", 0, np.linspace(0.5, 0.8, 8).tolist(), rounds=8)
    setting = build(experiment.write()).sections[0].setting
    data = DataNote(rows={"pool": pool})
    noted = replace(setting, runs=tuple(replace(run, data=data) for run in setting.runs))
    found = outlooks(noted, compare(noted, "Test Accuracy"))
    assert [each.forecast.labels_M.tolist() for each in found] == ([targets] if targets else [])


def test_a_call_is_unclear_where_earlier_forecasts_were_far_off(experiment):
    experiment.add("random", 0, [0.11, 0.12, 0.30, 0.61, 0.9], rounds=5)
    (found,) = outlooks_of(experiment)
    assert found.forecast.factor == LARGEST_FACTOR
    assert {found.call(target) for target in (0, 1)} == {Call.UNCLEAR}
    table = outlook_table((found,), "accuracy")
    assert all("−" not in cell.note for cell in table.rows[0])  # noqa: RUF001  no accuracy below 0


def test_metrics_that_are_no_shares_have_no_outlook_and_no_saturation(experiment):
    """R2 below 0 has no forecast in per cent, and the report is written."""
    values = [{"Test R2": -0.3 + 0.01 * number} for number in range(5)]
    for seed in range(2):
        experiment.add("random", seed, [0.5] * 5, extra_by_round=values, traits=Traits(metrics=("Test R2",)))
    report = build(experiment.write())
    assert report.sections[0].main is not None
    assert report.sections[0].main.metric == "Test R2"
    assert outlooks_of(experiment) == ()
    page(report)


def outlooks_of(experiment):
    section = build(experiment.write()).sections[0]
    return outlooks(section.setting, section.main)


def test_errors_of_a_sample_widen_the_band_to_what_it_states():
    """Models of 70 % in all rounds, measured on the same 300 rows: the band held the 70 % in 84 of 100 without them."""
    labels_T, held, calls = np.arange(1.0, 6) * 100, 0, set()
    for seed in range(50):
        rng = np.random.default_rng(seed)
        # Rounds differ in one row of ten.
        correct_TA = np.where(rng.random((5, 300)) < 0.9, rng.random(300), rng.random((5, 300))) < 0.7
        errors_TT = error_covariance([correct_TA], np.ones(1))
        found = forecast(labels_T, correct_TA.mean(axis=1), np.array([600.0]), errors_TT)
        held += found.low_M[0] <= 0.7 <= found.high_M[0]
        calls.add(found.call(0))
    assert held >= 45
    assert calls == {Call.UNCLEAR}


@pytest.mark.parametrize(("accuracies", "apart"), [([0.9] * 4, False), ([0.5, 0.6, 0.63, 0.7], True)])
def test_refits_that_all_gain_the_same_have_no_spread(accuracies, apart):
    assert forecast(np.arange(1.0, 5), np.array(accuracies), np.array([5.0])).has_spread is apart
