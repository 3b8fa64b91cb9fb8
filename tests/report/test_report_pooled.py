"""The spread of all strategies together: against the textbook's two-way model, and where strategies vary unlike."""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest

from labelbench_ray.report.statistics.comparison import Curves, compare_curves, paired_difference
from labelbench_ray.report.statistics.paired import estimate
from labelbench_ray.report.statistics.pairwise import pairwise
from labelbench_ray.report.statistics.pooled import _own_variances, difference, pool

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"


def named(values_MS):
    return {str(place): values_S for place, values_S in enumerate(values_MS)}


def test_the_mean_variance_is_the_residual_variance_of_the_two_way_model():
    values_MS = np.random.default_rng(0).normal(size=(6, 4))
    strategies, seeds = values_MS.shape
    design = np.zeros((strategies * seeds, strategies + seeds))
    for place in range(strategies * seeds):
        design[place, place // seeds] = design[place, strategies + place % seeds] = 1
    fit = design @ np.linalg.lstsq(design, values_MS.ravel(), rcond=None)[0]
    residual = np.square(values_MS.ravel() - fit).sum() / ((strategies - 1) * (seeds - 1))
    assert _own_variances(values_MS).mean() == pytest.approx(residual)


def test_each_variance_is_unbiased():
    rng, spreads_M = np.random.default_rng(1), np.array([3.0, 1.0, 1.0, 2.0])
    draws = [_own_variances(spreads_M[:, None] * rng.normal(size=(4, 3)) + rng.normal(size=3)) for _ in range(20_000)]
    assert np.mean(draws, axis=0) == pytest.approx(spreads_M**2, abs=0.25)


def test_what_a_seed_adds_for_all_strategies_does_not_count():
    values_MS = np.random.default_rng(2).normal(size=(5, 4))
    plain, shifted = pool(named(values_MS)), pool(named(values_MS + np.array([0.0, 5.0, -3.0, 9.0])))
    assert list(shifted.variances.values()) == pytest.approx(list(plain.variances.values()))


def test_an_unusual_strategy_keeps_a_third_of_its_own_variance_at_least():
    values_MS = np.random.default_rng(3).normal(size=(26, 5))
    values_MS[7] *= 30
    found = pool(named(values_MS))
    assert found.variances["7"] >= _own_variances(values_MS)[7] / 3
    assert 4 < found.degrees <= 12


def test_degrees_are_those_of_the_model_at_most():
    values_MS = np.random.default_rng(4).normal(size=(3, 3))
    assert pool(named(values_MS)).degrees <= 4


@pytest.mark.parametrize(
    "values_MS", [np.zeros((2, 5)), np.eye(3)[:, :2], np.tile(np.arange(4.0), (5, 1)), np.empty((0, 3))]
)
def test_without_three_strategies_three_seeds_or_a_residual_nothing_is_pooled(values_MS):
    assert pool(named(values_MS)) is None


def test_without_pooling_it_is_the_paired_t_test():
    values_S = np.array([0.01, 0.02, 0.04])
    assert difference(values_S, "a", "b", None, 4) == estimate(values_S, 4)
    assert difference(values_S, "a", "z", pool(named(np.random.default_rng(5).normal(size=(5, 3))))) == estimate(
        values_S
    )


def test_three_seeds_of_many_strategies_have_the_degrees_that_one_pair_lacks():
    values_MS = np.random.default_rng(6).normal(size=(26, 3))
    found = difference(values_MS[1] - values_MS[0], "1", "0", pool(named(values_MS)), 25)
    assert found.high - found.low < (estimate(values_MS[1] - values_MS[0], 25).high - found.value)
    assert found.pooling == pytest.approx(pool(named(values_MS)).degrees / 2)


def test_the_simulation_of_coverage_runs(monkeypatch, capfd):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    importlib.import_module("coverage_of_intervals").main(["--tiny"])
    measured = json.loads(capfd.readouterr().out)["measured"]
    assert all(cell["area"] >= 0.8 for cell in measured["coverage"])
    assert all(cell["area"] >= 0.8 for cell in measured["coverage_with_test_rows"])
    assert min(cell["seeds_only_area"] for cell in measured["coverage_with_test_rows"]) < 0.9
    assert measured["power_with_test_rows"][0]["found"] >= 0.2
    assert measured["false_with_test_rows"][0]["wrong"] <= 0.15
    assert measured["power"][0]["found"] >= measured["power"][0]["paired"]
    assert measured["false"][0]["equal"] <= 0.15


def test_the_difference_of_two_strategies_is_pooled_as_that_of_every_pair():
    values_MS = np.random.default_rng(8).normal(size=(5, 4))
    every = [
        Curves(name, tuple(range(4)), np.array([1.0]), each_S[:, None]) for name, each_S in named(values_MS).items()
    ]
    comparison = compare_curves("Test Accuracy", every, "0")
    first, second = comparison.rows[:2]
    found, (pair, *_) = paired_difference(comparison, first, second), pairwise(comparison)
    assert (pair.first, pair.second) == (first.strategy, second.strategy)
    assert (found.value, found.spread, found.p_value) == (pair.area.value, pair.area.spread, pair.area.p_value)
    assert found.pooling == pair.area.pooling > 1
    assert pair.area.low < found.low < found.high < pair.area.high
