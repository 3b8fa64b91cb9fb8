"""LabelBench's published runs, as they ship here: all of them, and the figures that are known of them."""

from dataclasses import replace
from math import factorial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labelbench_ray.errors import DataError
from labelbench_ray.report import build, page
from labelbench_ray.report.published.beside import beside, permutation_p, published_areas
from labelbench_ray.report.published.curves import (
    COLUMNS,
    DATA_SETS,
    LABELBENCH,
    PublishedSetting,
    labelbench,
    published,
    with_random,
)
from labelbench_ray.report.published.table import published_tables
from labelbench_ray.report.statistics.comparison import Comparison, Curves, Row, differences
from labelbench_ray.report.statistics.mean_saving import PairedCurves, mean_saving
from labelbench_ray.report.statistics.paired import area_under_curve, estimate
from labelbench_ray.report.statistics.ranks import ranks
from labelbench_ray.report.statistics.savings import saving
from labelbench_ray.report.statistics.signed_rank import signed_rank
from tests.report.conftest import CURVES, Experiment

SEVEN = ("badge", "confidence", "entropy", "galaxy", "margin", "random", "coreset")


def test_all_runs_are_there() -> None:
    table = pq.read_table(LABELBENCH)
    run = ["dataset", "batch_size", "embed", "model", "trainer", "strategy", "seed"]
    assert len(table.group_by(run).aggregate([])) == 624
    assert len(published()) == 26
    assert LABELBENCH.stat().st_size < 200_000


def test_the_goldens_of_the_published_runs() -> None:
    settings = [each for each in published() if {*SEVEN} <= {*each.curves}]
    scores_DM = np.array([[each.curves[name].values_ST[:, -1].mean() for name in SEVEN] for each in settings])
    found = ranks(SEVEN, scores_DM)
    assert len(settings) == found.settings == 17
    assert round(found.chi_squared, 2) == 49.42
    assert f"{found.p_value:.1e}" == "6.1e-09"
    means = dict(zip(found.strategies, np.round(found.average_M, 2).tolist(), strict=True))
    assert means == {
        "margin": 2.59,
        "galaxy": 2.74,
        "badge": 2.91,
        "confidence": 3.35,
        "entropy": 4.41,
        "coreset": 5.71,
        "random": 6.29,
    }
    assert round(found.critical_difference, 3) == 2.185
    margin, confidence, random = (scores_DM[:, SEVEN.index(name)] for name in ("margin", "confidence", "random"))
    assert round(signed_rank(margin - random).better, 2) == 1.0
    beside = signed_rank(margin - confidence)
    assert (round(beside.better, 2), round(beside.equal, 2)) == (0.72, 0.28)


@pytest.mark.parametrize(
    ("model", "trainer", "strategy", "accuracy"),
    [
        ("linear", "flexmatch", "margin", 0.9488),
        ("shallow", "flexmatch", "entropy", 0.9514),
        ("clip_ViTB32", "passive", "margin", 0.9748),
        ("clip_ViTB32", "flexmatch", "random", 0.9759),
    ],
)
def test_final_accuracies_of_cifar10_are_the_published_ones(
    model: str, trainer: str, strategy: str, accuracy: float
) -> None:
    (setting,) = (
        each
        for each in published()
        if (each.dataset, each.batch_size, each.model, each.trainer) == ("cifar10", 1000, model, trainer)
    )
    assert round(float(setting.curves[strategy].values_ST[:, -1].mean()), 4) == pytest.approx(accuracy, abs=1e-4)


def test_savings_of_the_published_runs() -> None:
    settings = {each.name: each for each in with_random(published())}
    passive = settings["cifar10, batches of 1,000, clip_ViTB32, passive"].curves
    margin, random = passive["margin"], passive["random"]
    assert round(saving(margin.labels_T, margin.values_ST, random.values_ST).fraction, 2) == pytest.approx(
        0.74, abs=0.01
    )
    pairs = [
        PairedCurves(each.curves["margin"].labels_T, each.curves["margin"].values_ST, each.curves["random"].values_ST)
        for each in settings.values()
        if "margin" in each.curves and each.curves["margin"].seeds == each.curves["random"].seeds
    ]
    found = mean_saving(pairs)
    assert found.settings >= 20
    assert 0 < found.low < found.fraction < found.high < 1


def test_a_file_that_is_not_of_published_curves_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.parquet"
    path.write_text("nothing")
    with pytest.raises(DataError, match=r"mine\.parquet: cannot be read as published curves"):
        published(path)
    pq.write_table(pa.table({"dataset": ["a"]}), path)
    with pytest.raises(DataError, match="has no column batch_size"):
        published(path)
    row = dict.fromkeys(COLUMNS.names, 1) | {"metric": "Test Accuracy"}
    pq.write_table(pa.Table.from_pylist([row | {"num_labels": 1}, row | {"round": 2}]), path)
    with pytest.raises(DataError, match="twice"):
        published(path)


def as_comparison(setting: PublishedSetting) -> Comparison:
    """A published setting as if it were ours."""
    curves = list(setting.curves.values())
    found = differences(curves)
    rows = [
        Row(
            each.strategy,
            each,
            estimate(each.values_ST[:, -1]),
            estimate(area_under_curve(each.labels_T, each.values_ST)),
            found.get(each.strategy),
        )
        for each in curves
    ]
    labels = tuple(int(count) for count in curves[0].labels_T)
    return Comparison("Test Accuracy", labels, tuple(sorted(rows, key=lambda row: -row.area.value)))


def test_a_published_setting_beside_itself_agrees_entirely() -> None:
    setting = next(each for each in labelbench() if each.dataset == "cifar100" and each.model == "linear")
    (itself,) = (each for each in beside(as_comparison(setting), "cifar100", labelbench()) if each.published == setting)
    assert itself.correlation == pytest.approx(1)
    assert itself.p_value == pytest.approx(1 / factorial(len(itself.strategies)))
    assert all(each.rank == each.published_rank for each in itself.strategies)
    assert all(
        each.saving is None or each.saving.labels == pytest.approx(each.published_saving.labels)
        for each in itself.strategies
        if each.published_saving is not None
    )
    for finding in itself.findings:
        assert finding.here is not None
        assert finding.here.value == pytest.approx(finding.published)
    titles = [caption for caption, _ in published_tables((itself,))]
    assert len(titles) == 3
    assert beside(as_comparison(setting), "digits", labelbench()) == ()


def test_a_strategy_that_was_published_at_more_checkpoints_is_compared_at_those_of_all() -> None:
    """A curve that lacks the first checkpoint has a larger mean, and would get a better rank."""
    setting = next(each for each in labelbench() if each.dataset == "cifar100" and each.model == "linear")
    names = sorted(setting.curves)
    complete = published_areas(setting, names)
    later = {name: without_first(curves) for name, curves in setting.curves.items()}
    cut = published_areas(replace(setting, curves={**setting.curves, names[0]: later[names[0]]}), names)
    assert cut == pytest.approx(published_areas(replace(setting, curves=later), names))
    assert all(cut[name] > complete[name] for name in names)


def without_first(curves: Curves) -> Curves:
    """The curves without their first checkpoint."""
    return replace(curves, labels_T=curves.labels_T[1:], values_ST=curves.values_ST[:, 1:])


def test_the_permutation_p_is_the_share_of_orders() -> None:
    values_M = np.array([0.1, 0.2, 0.3, 0.4])
    assert permutation_p(values_M, values_M) == pytest.approx(1 / 24)
    assert permutation_p(values_M, -values_M) == 1
    many_M = np.random.default_rng(0).normal(size=10)
    assert permutation_p(many_M, many_M) == pytest.approx(1 / 20_001)
    assert 0.2 < permutation_p(many_M, np.random.default_rng(1).permutation(many_M)) <= 1


def test_data_sets_are_those_of_the_file() -> None:
    assert {each.dataset for each in labelbench()} == DATA_SETS | {"cifar10_eval", "fmow_random", "iwildcam_random"}


def test_the_page_of_a_published_data_set_has_the_section(experiment: Experiment) -> None:
    rng = np.random.default_rng(0)
    for strategy, curve in CURVES.items():
        for seed in range(3):
            experiment.add(strategy, seed, (curve + rng.normal(0, 0.002, 5)).tolist(), dataset="cifar10")
    text = page(build(experiment.write()))
    assert "published runs</h3>" in text
    assert "random ahead of coreset" in text
