"""Money, published stopping criteria, cost regret, and the advice in words: by hand, by scikit-learn and by laws."""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelbench_ray.errors import ConfigError
from labelbench_ray.report.advice import Measured, advice
from labelbench_ray.report.statistics.forecast import Call
from labelbench_ray.report.statistics.money import Stakes, Worth, batch_value, decide, points_per_thousand
from labelbench_ray.report.statistics.regret import first_stop, forecasts, gain_stop, money_stop, oracle_stop, regret
from labelbench_ray.report.statistics.stopping import (
    classification_change,
    cohens_kappa,
    kappas,
    overall_uncertainty,
    stabilized,
)

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
STAKES = Stakes(use=10_000, harm=2, price=0.5, answers_per_row=2, compute=5)
GAINS_R = np.linspace(0, 0.1, 101)


def test_the_money_rule_by_hand():
    """80 % of the gains lie in 1 to 9 points: 200 to 1,800 for 10,000 decisions at 2 an error."""
    value = batch_value(GAINS_R, STAKES)
    assert (value.low, value.median, value.high) == (pytest.approx(200), pytest.approx(1000), pytest.approx(1800))
    assert STAKES.cost(100) == 105
    assert decide(GAINS_R, 100, STAKES) is Worth.GO_ON
    assert decide(GAINS_R, 1000, STAKES) is Worth.UNCLEAR
    assert decide(GAINS_R, 2000, STAKES) is Worth.STOP
    points = points_per_thousand(GAINS_R, 200)
    assert (points.low, points.median, points.high) == (pytest.approx(5), pytest.approx(25), pytest.approx(45))


@given(st.floats(0, 100), st.floats(0, 100), st.floats(1, 10_000))
def test_a_dearer_label_never_turns_a_stop_into_going_on(price, more, labels):
    order = [Worth.GO_ON, Worth.UNCLEAR, Worth.STOP]
    cheap, dear = (decide(GAINS_R, labels, Stakes(1000, 2, each)) for each in (price, price + more))
    assert order.index(cheap) <= order.index(dear)


@pytest.mark.parametrize("field", ["use", "harm", "price", "answers_per_row", "compute"])
@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_prices_below_0_are_refused(field, value):
    given = {"use": 1.0, "harm": 1.0, "price": 1.0} | {field: value}
    with pytest.raises(ConfigError, match=f"{field} is {value}; prices"):
        Stakes(**given)


@given(st.integers(2, 60), st.integers(2, 5), st.integers(0, 2**32 - 1))
def test_kappa_is_that_of_scikit_learn(rows, classes, seed):
    from sklearn.metrics import cohen_kappa_score

    first_S, second_S = np.random.default_rng(seed).integers(0, classes, (2, rows))
    if len(set(first_S) | set(second_S)) > 1:
        assert cohens_kappa(first_S, second_S) == pytest.approx(cohen_kappa_score(first_S, second_S), abs=1e-12)


def test_a_model_of_one_class_does_not_count_as_stable():
    assert cohens_kappa(np.zeros(9, np.int64), np.zeros(9, np.int64)) == 0


def test_models_are_compared_a_share_of_labels_apart():
    """With batches of 2 % each model is compared with the one three rounds before; with 100 %, with the last."""
    predictions_TS = [np.random.default_rng(number).integers(0, 3, 50) for number in range(6)]
    close_T = kappas(100 * 1.02 ** np.arange(6), predictions_TS)
    assert np.isnan(close_T[:3]).all()
    assert close_T[3] == cohens_kappa(predictions_TS[0], predictions_TS[3])
    apart_T = kappas(100 * 2.0 ** np.arange(6), predictions_TS)
    assert np.isnan(apart_T[0])
    assert apart_T[4] == cohens_kappa(predictions_TS[3], predictions_TS[4])


@pytest.mark.parametrize(
    ("values", "stable"),
    [([1, 1], False), ([np.nan, 1, 1], False), ([0.5, 0.98, 0.995, 1.0], True), ([1, 0.99, 0.99, 0.98], False)],
)
def test_three_agreements_of_99_percent_are_stable(values, stable):
    assert stabilized(np.array(values, float)) is stable


def test_change_and_uncertainty_by_hand():
    assert classification_change(np.array([0, 1, 2, 2]), np.array([0, 1, 1, 2])) == 0.25
    assert classification_change(np.empty(0, np.int64), np.empty(0, np.int64)) == 0
    assert classification_change(np.array([[1, 0], [1, 1], [0, 0]]), np.array([[1, 0], [0, 0], [0, 0]])) == 1 / 3
    assert overall_uncertainty(np.array([[0.5, 0.5, 0], [1, 0, 0]])) == pytest.approx(np.log(2) / np.log(3) / 2)
    assert overall_uncertainty(np.full((4, 8), 1 / 8)) == pytest.approx(1)
    assert overall_uncertainty(np.empty((0, 3))) == 0


LABELS_T = np.arange(1, 21) * 100.0
CURVE_T = 0.9 - 0.4 * (LABELS_T / 100) ** -0.8


@given(st.floats(0, 10), st.floats(0, 1e6), st.integers(0, 19))
def test_no_stop_has_less_regret_than_the_oracle(price, use, stop):
    stakes = Stakes(use, 1, price)
    assert regret(LABELS_T, CURVE_T, stakes, stop) >= 0
    assert regret(LABELS_T, CURVE_T, stakes, oracle_stop(LABELS_T, CURVE_T, stakes)) == 0


def test_the_rules_stop_between_the_ends_of_a_curve_that_flattens():
    """Brute force: the first round at which the next batch saves less than it costs."""
    stakes = Stakes(use=10_000, harm=1, price=0.5)
    values_T = 10_000 * np.diff(CURVE_T)
    due = int(np.flatnonzero(values_T < 50)[0])
    assert oracle_stop(LABELS_T, CURVE_T, stakes) == due
    ahead_T = forecasts(LABELS_T, CURVE_T)
    stop = money_stop(LABELS_T, ahead_T, stakes)
    assert due <= stop < 19  # it waits until the upper end of what the batch saves is below its cost
    assert regret(LABELS_T, CURVE_T, stakes, stop) < regret(LABELS_T, CURVE_T, stakes, 19)
    assert money_stop(LABELS_T, ahead_T, Stakes(1e9, 1, 0.5)) == 19
    assert money_stop(LABELS_T, ahead_T, Stakes(0, 1, 0.5)) == 3  # the first forecast
    assert gain_stop(forecasts(LABELS_T, np.full(20, 0.7))) == 3
    assert gain_stop(ahead_T[:8]) == 7
    assert first_stop([False, True, True]) == 1
    assert first_stop([False, False]) == 1


def test_the_benchmark_at_a_tiny_size(monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    importlib.import_module("stopping").main(["--tiny", "--only", "digits"])
    rules = json.loads(capsys.readouterr().out)["measured"]["digits"]["rules"]
    assert len(rules) == 7
    for found in rules.values():
        assert all(each["regret_percent"] >= 0 and 0 < each["after"] <= 1 for each in found.values())
    assert all(each["regret_percent"] == 0 for each in rules["oracle stop"].values())
    assert all(each["after"] == 1 for each in rules["no stop"].values())


def test_the_benchmark_of_forecasts_at_a_tiny_size(monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    importlib.import_module("forecast").main(["--tiny"])
    found = json.loads(capsys.readouterr().out)["measured"]
    assert found["curves"] == 12
    assert all(0 < cell["error"] < 3 and 0.5 < cell["coverage"] <= 1 for cell in found["next"].values())
    assert all(0 <= each["decided"] <= 1 for each in found["calls"].values())


def measured(accuracies, batch=100):
    return [Measured(batch * (place + 1), each, each - 0.03, each + 0.03) for place, each in enumerate(accuracies)]


def test_no_advice_before_four_rounds():
    found = advice(measured([0.5, 0.6, 0.7]), 100)
    assert (found.call, found.worth, found.forecast) == (None, None, None)
    assert found.sentences == ("No forecast yet: it needs 4 rounds with a measured accuracy, and there are 3.",)


def test_rounds_without_new_labels_count_once():
    rounds = measured([0.5, 0.6, 0.7])
    assert advice([*rounds, rounds[-1]], 100).call is None


@pytest.mark.parametrize(
    ("stakes", "worth", "words"),
    [
        (Stakes(1e6, 1, 0.5), Worth.GO_ON, "cost 50.00\u00a0USD and are worth"),
        (Stakes(10, 1, 0.5), Worth.STOP, ": stop."),
        (None, None, "points per 1,000 labels"),
    ],
)
def test_advice_on_a_curve_that_rises(stakes, worth, words):
    found = advice(measured(CURVE_T[:6]), 100, stakes=stakes)
    assert (found.call, found.worth) == (Call.LIKELY, worth)
    assert words in found.sentences[2]
    assert found.sentences[0].startswith(
        "Accuracy is 80.5\u00a0% (77.5\u00a0% to 83.5\u00a0%) with 600 labels. With 100 more"
    )
    assert (
        found.sentences[1]
        == "A gain of 0.25 points or more is likely with 100 more labels and likely with 400 more labels."
    )
    assert found.sentences[3] == "Of the last 4 forecasts of this curve, 4 held."


def test_the_band_includes_the_error_of_the_audit():
    narrow = [Measured(each.labels, each.accuracy, each.accuracy, each.accuracy) for each in measured(CURVE_T[:6])]
    wide, exact = (advice(rounds, 100).sentences[0] for rounds in (measured(CURVE_T[:6]), narrow))
    assert wide.partition("forecast")[2] != exact.partition("forecast")[2]


@pytest.mark.parametrize("accuracies", [np.full(8, 0.7), np.linspace(0.8, 0.6, 8)])
def test_flat_and_falling_curves_are_never_worth_it(accuracies):
    found = advice(measured(accuracies), 100, stakes=STAKES)
    assert found.call is not Call.LIKELY
    assert found.worth is not Worth.GO_ON


def test_a_pool_that_is_used_up_has_no_next_batch():
    found = advice(measured(CURVE_T[:6]), 100, pool=650)
    assert found.sentences == ("The pool has no 100 further rows to label.",)
    assert "400" not in advice(measured(CURVE_T[:6]), 100, pool=800).sentences[1]


def test_what_no_forecast_is_trusted_for_is_unclear():
    found = advice(measured([0.11, 0.12, 0.30, 0.61, 0.9]), 100, stakes=Stakes(1e9, 1, 0.1))
    assert (found.call, found.worth) == (Call.UNCLEAR, Worth.UNCLEAR)
    assert "far off" in found.sentences[2]


def test_criteria_compare_names_where_classes_are_learned():
    """The second round knows "a" as well, so that b and c have other numbers; predictions are the same."""
    first, second = np.array(["b", "c"]), np.array(["a", "b", "c"])
    numbers = np.random.default_rng(0).integers(0, 2, 50)
    before, now = first[numbers], second[numbers + 1]
    assert classification_change(before, now) == 0
    assert cohens_kappa(before, now) == 1
    assert kappas(np.array([10.0, 20.0]), [before, now])[1] == 1


def test_one_known_class_does_not_stop():
    assert overall_uncertainty(np.ones((5, 1))) == 1
