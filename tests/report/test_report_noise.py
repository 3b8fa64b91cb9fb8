"""Noisy labels in the report: what was bought and wasted, and whether the ranking of strategies survives."""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest

from labelbench_ray import report
from labelbench_ray.api.run_plan import note_grid
from labelbench_ray.config import Part, Trial, grid, vary
from labelbench_ray.planning.experiment import Experiment
from labelbench_ray.planning.plan import plan
from labelbench_ray.report.noise.table import _agreement, gains_table, noise_tables, ranking_table
from labelbench_ray.report.sections import Report
from labelbench_ray.report.statistics.comparison import Comparison, Curves, Row
from labelbench_ray.report.statistics.paired import estimate
from labelbench_ray.report.statistics.ranking import correlations, rank_agreement
from tests.full_trials import DIGITS, Home, make_home, make_store

STRATEGIES = ["random", "margin", "entropy"]
OPEN = Part.of("open_set", dataset="digits", held_out=2, out_of_scope_fraction=0.15, max_rows=300)
NOISE = Part.of("uniform_noise", fraction=0.5)


def run_all(home: Home, trials: list[Trial]) -> Report:
    for trial in {str(trial.dataset): trial for trial in trials}.values():
        make_store(trial, home.environment.store, home.environment.data_root)
    note_grid(plan(Experiment("tests.grid", tuple(trials)), home.environment))
    for trial in trials:
        home.run(trial)
    return report.build(home.folder)


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Report:
    folder = tmp_path_factory.mktemp("noisy")
    base = vary(DIGITS, rounds=3)
    trials = grid(base, strategy=STRATEGIES, corrupter=["clean", NOISE], seed=range(3))
    return run_all(
        make_home(folder, folder / "store"), [*trials, vary(base, dataset=OPEN), vary(base, dataset=OPEN, seed=1)]
    )


def test_wrong_answers_are_counted_beside_those_of_the_pool(noisy: Report):
    (section,) = (each for each in noisy.sections if each.noise and each.noise.pool_noise)
    assert section.noise is not None
    assert section.noise.pool_noise == pytest.approx(0.5)
    assert [each.strategy for each in section.noise.answers] == ["random", "entropy", "margin"]
    for each in section.noise.answers:
        records = [run.records[-1] for run in section.setting.of(each.strategy)]
        assert each.noise is not None
        assert each.noise.value == pytest.approx(np.mean([record.metrics["Bought Label Noise"] for record in records]))
        assert 0.2 < each.noise.value < 0.8
        assert each.wasted is None
    ((caption, table),) = noise_tables(section.noise)
    assert caption.endswith("50.0\u00a0% of the answers of the pool are wrong")
    assert len(table.rows) == 3


def test_wasted_labels_are_counted_by_strategy_and_round(noisy: Report):
    (section,) = (each for each in noisy.sections if each.noise and not each.noise.pool_noise)
    assert section.noise is not None
    (answers,) = section.noise.answers
    counts = [[record.labels.count(None) for record in run.records] for run in section.setting.runs]
    assert answers.wasted is not None
    assert answers.wasted.value == np.sum(counts, axis=1).mean()
    np.testing.assert_allclose(answers.wasted_by_round, np.mean(counts, axis=0) / 20)
    ((caption, table),) = noise_tables(section.noise)
    assert "none of these" in caption
    assert len(table.head) == 3 + 3


def test_a_clean_setting_has_no_section(noisy: Report):
    assert [section.noise is None for section in noisy.sections].count(True) == 1


def test_a_noisy_setting_is_ranked_beside_the_same_one_with_clean_labels(noisy: Report):
    (survival,) = noisy.across.noise
    assert survival.clean.recipe["corrupter"] == "clean"
    assert survival.agreement is not None
    assert (survival.agreement.strategies, survival.agreement.seeds) == (3, 3)
    assert -1 <= survival.agreement.low <= survival.agreement.high <= 1
    ranking, gains = ranking_table(noisy.across.noise, [""]), gains_table(noisy.across.noise, [""])
    assert ranking.rows[0][0].text == "uniform_noise(fraction=0.5)"
    assert {row[0].text for row in gains.rows} == {"margin", "entropy"}
    page = report.page(noisy)
    assert "Whether the ranking survives noise" in page
    assert page.count("<h3>Noisy labels</h3>") == 2


def compared(areas: dict[str, list[float]]) -> Comparison:
    rows = []
    for name, values in areas.items():
        values_S1 = np.array(values)[:, None]
        found = estimate(values_S1[:, 0])
        rows.append(Row(name, Curves(name, tuple(range(len(values))), np.array([10.0]), values_S1), found, found, None))
    return Comparison("Test Accuracy", (10,), tuple(rows))


def test_equal_rankings_agree_and_reversed_ones_do_not():
    areas = {name: [place + 0.01 * seed for seed in range(8)] for place, name in enumerate("abcd")}
    same, reverse = (
        rank_agreement(compared(areas), compared(areas)),
        rank_agreement(
            compared(areas), compared({name: [-value for value in values] for name, values in areas.items()})
        ),
    )
    assert same is not None
    assert reverse is not None
    assert (same.correlation, same.low, same.high, same.keeps_best, same.repeated) == (1, 1, 1, 1, 1)
    assert (reverse.correlation, reverse.best) == (-1, ("d", "a"))
    assert reverse.keeps_best == 0


@pytest.mark.parametrize(("seeds", "strategies"), [(8, 4), (8, 7), (16, 7)])
def test_the_interval_of_rankings_holds_the_correlation_of_the_true_means(seeds: int, strategies: int):
    """Means differ in the second setting; errors of the seeds are as large as the differences."""
    rng, held = np.random.default_rng(0), 0
    for _ in range(60):
        means_M = rng.normal(size=strategies)
        shifted_M = means_M + rng.normal(0, 0.5, strategies)
        both = [each_M[:, None] + rng.normal(0, 1.2, (strategies, seeds)) for each_M in (means_M, shifted_M)]
        first, second = (
            compared({str(place): values.tolist() for place, values in enumerate(each_MS)}) for each_MS in both
        )
        found, truth = rank_agreement(first, second), correlations(means_M[None], shifted_M[None])[0]
        assert found is not None
        held += found.low - 1e-9 <= truth <= found.high + 1e-9
    assert held >= 52  # of 60; 93 to 100 % are measured with many draws


@pytest.mark.parametrize("seeds", [3, 5, 7])
def test_below_eight_seeds_rankings_have_no_interval(seeds: int):
    """Draws of so few seeds hold the true correlation in 41 to 89 % of the cases."""
    rng = np.random.default_rng(0)
    areas = {name: rng.normal(place, 1, seeds).tolist() for place, name in enumerate("abcd")}
    found = rank_agreement(compared(areas), compared(areas))
    assert found is not None
    assert (found.has_interval, found.low, found.high) == (False, -1, 1)
    assert _agreement(found)[2].note == "no interval below 8 seeds"


def test_correlations_are_spearmans():
    from scipy.stats import spearmanr

    rng = np.random.default_rng(1)
    first, second = rng.integers(0, 5, (20, 8)).astype(float), rng.normal(size=(20, 8))
    expected = [spearmanr(*pair).statistic for pair in zip(first, second, strict=True)]
    np.testing.assert_allclose(correlations(first, second), expected)
    assert correlations(np.ones((1, 4)), second[:1, :4]).tolist() == [0]


def test_too_few_strategies_or_seeds_decide_nothing(tmp_path: Path):
    two = {"a": [1.0, 2.0, 3.0], "b": [2.0, 3.0, 4.0]}
    assert rank_agreement(compared(two), compared(two)) is None
    few = {name: [1.0, 2.0] for name in "abc"}
    assert rank_agreement(compared(few), compared(few)) is None


def test_the_simulation_of_intervals_runs(monkeypatch, capfd):
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent.parent / "benchmarks"))
    assert importlib.import_module("rank_agreement").main(["--tiny"]) == 0
    (cell,) = json.loads(capfd.readouterr().out)["measured"]["cells"]
    assert (cell["seeds"], cell["strategies"]) == (8, 4)
    assert cell["interval"] >= max(0.8, cell["range"])
