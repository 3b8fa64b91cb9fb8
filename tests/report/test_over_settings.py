"""All settings together: ranks, savings and penalties against the parts that they are made of, and the page."""

import re
from pathlib import Path

import numpy as np
import pytest

from labelbench_ray.exports.document import document
from labelbench_ray.report import build, page
from labelbench_ray.report.over_settings import over_settings
from labelbench_ray.report.over_settings.table import rank_sentence, rank_table, win_table
from labelbench_ray.report.page.rank_diagram import rank_diagram
from labelbench_ray.report.published.curves import published
from labelbench_ray.report.statistics.comparison import Comparison, Curves, Row, compare_curves
from labelbench_ray.report.statistics.mean_saving import PairedCurves, mean_saving
from labelbench_ray.report.statistics.paired import area_under_curve, estimate
from labelbench_ray.report.statistics.ranks import ranks
from labelbench_ray.report.statistics.savings import saving
from tests.report.conftest import CURVES, Experiment
from tests.report.test_report_page import check

DATA_SETS = ("digits", "banking77", "cifar10", "cifar100", "svhn", "kuzushiji49", "caltech256")


@pytest.fixture
def seven(experiment: Experiment) -> Path:
    """Four strategies on seven data sets, 3 seeds; badge on one of them alone."""
    rng = np.random.default_rng(0)
    for place, dataset in enumerate(DATA_SETS):
        for strategy, curve in CURVES.items():
            for seed in range(3):
                values = curve + 0.005 * place + rng.normal(0, 0.002, 5)
                experiment.add(strategy, seed, values.tolist(), dataset=dataset)
    experiment.add("badge", 0, [0.5] * 5, dataset="digits")
    return experiment.write()


def test_the_section_ranks_what_every_setting_has(seven: Path) -> None:
    report = build(seven)
    over = report.across.over_settings
    assert over is not None
    assert over.strategies == ("margin", "entropy", "random", "coreset")
    np.testing.assert_allclose(over.ranks.average_M, [1, 2, 3, 4])
    assert (over.ranks.settings, over.data_sets, over.left_out) == (7, 7, ("badge",))
    assert over.wins.wins_MM[0].tolist() == [0, 7, 7, 7]
    assert over.against_baseline[2] is None
    assert over.savings[2] is None
    margin, coreset = over.savings[0], over.savings[3]
    assert margin is not None
    assert coreset is not None
    assert margin.fraction == pytest.approx(0.5, abs=0.02)  # 25 instead of 50 labels
    assert (coreset.unreached, coreset.fraction) == (7, 0)
    assert over.penalties_MM[0, 2] > 0 == over.penalties_MM[2, 0]


def test_the_page_has_the_diagram_and_the_tables(seven: Path) -> None:
    report = build(seven)
    text = page(report)
    assert "Over all settings" in check(text).texts
    assert "At least 8 settings are needed before any two of 4 strategies can differ" in text
    assert document(report)["over_settings"]["ranks"]["strategies"][0] == "margin"
    assert "Left out, because some setting does not have it: badge." in text
    assert len(re.findall('class="rank-line"', text)) == 4


def test_the_saving_of_the_best_is_that_of_the_strategy_that_other_settings_choose() -> None:
    """margin has the best average rank; without the first setting badge has."""
    rising_T, labels_T = np.array([0.5, 0.6, 0.7]), np.array([10.0, 20, 30])
    lifts = {
        "random": (0, 0, 0, 0),
        "margin": (0.2, 0.2, 0.1, 0.05),
        "badge": (0.05, 0.1, 0.2, 0.1),
        "bald": (0.1, 0.05, 0.05, 0.2),
    }
    comparisons = []
    for place in range(4):
        every = [
            Curves(name, (0, 1), labels_T, np.tile(rising_T + lift[place] * np.array([0, 1, 1]), (2, 1)))
            for name, lift in lifts.items()
        ]
        comparisons.append(compare_curves("Test Accuracy", every, "random"))
    over = over_settings(comparisons, 4)
    assert over is not None
    assert over.chosen_saving is not None
    found = over.chosen_saving
    expected = [
        saving(labels_T, row.curves.values_ST, each.row("random").curves.values_ST).fraction
        for each, name in zip(comparisons, found.chosen, strict=True)
        if (row := each.row(name))
    ]
    assert found.fraction == pytest.approx(np.mean(expected))
    assert (over.strategies[0], found.chosen[0]) == ("margin", "badge")
    assert "Chosen by the other settings (" in rank_sentence(over)
    by_margin = over.savings[over.strategies.index("margin")]
    assert by_margin is not None
    assert by_margin.low == mean_saving([paired(each, "margin") for each in comparisons], 3).low


def paired(comparison: Comparison, strategy: str) -> PairedCurves:
    curves, random = (comparison.row(name).curves for name in (strategy, "random"))
    return PairedCurves(curves.labels_T, curves.values_ST, random.values_ST)


def test_one_setting_or_two_strategies_have_no_section(experiment: Experiment) -> None:
    for dataset in DATA_SETS[:3]:
        for strategy in ("random", "margin"):
            experiment.add(strategy, 0, [0.5, 0.6], rounds=2, dataset=dataset)
    report = build(experiment.write())
    assert report.across.over_settings is None
    assert "Over all settings" not in page(report)


def of_published() -> list[Comparison]:
    """The published settings as comparisons."""
    found = []
    for setting in published():
        rows = []
        for curves in setting.curves.values():
            area = estimate(area_under_curve(curves.labels_T, curves.values_ST))
            rows.append(Row(curves.strategy, curves, estimate(curves.values_ST[:, -1]), area, None))
        found.append(Comparison("Test Accuracy", (0,), tuple(rows)))
    return [each for each in found if len(each.rows) >= 7]


def test_the_published_settings() -> None:
    over = over_settings(of_published(), 6)
    assert over is not None
    assert over.strategies[0] == "margin"
    assert over.strategies[-1] in ("random", "coreset")
    sentence = rank_sentence(over)
    assert "margin has the best average rank" in sentence
    assert "not independent" in sentence
    assert len(rank_table(over).rows) == len(win_table(over).rows) == len(over.strategies)
    assert re.findall(r'class="tick"[^>]*>(\d+)<', rank_diagram(over.ranks)) == [*"1234567"]


def test_numbers_of_many_ranks_stay_apart() -> None:
    scores_DM = np.random.default_rng(0).random((6, 29))
    found = ranks(tuple(f"s{number}" for number in range(29)), scores_DM)
    shown = re.findall(r'class="tick"[^>]*>(\d+)<', rank_diagram(found))
    assert shown == ["1", *(str(rank) for rank in range(3, 29, 3))]
