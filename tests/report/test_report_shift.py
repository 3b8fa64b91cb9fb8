"""The report's section on distribution shift, with planted accuracies."""

import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from scipy.stats import spearmanr

from labelbench_ray.exports.document import document
from labelbench_ray.ledger.data_notes import DataNote, DataNotes
from labelbench_ray.report import build, render
from labelbench_ray.report.page import page
from labelbench_ray.report.shift import families
from labelbench_ray.report.shift.ranking import rank, spearman
from labelbench_ray.report.shift.table import answer
from tests.report.conftest import Experiment

STRATEGIES = ("random", "margin", "entropy", "badge")
INSIDE = (0.60, 0.70, 0.80, 0.90)


def plant(
    experiment: Experiment, outside: Sequence[float], seeds: int = 6, wobble: float = 0.002, name: str = "test_far"
) -> Path:
    """A trial for each strategy and seed; a seed moves all strategies alike, and each a little on its own."""
    title = " ".join(word.capitalize() for word in name.split("_"))
    rng = np.random.default_rng(5)
    for strategy, inside, other in zip(STRATEGIES, INSIDE, outside, strict=False):
        for seed in range(seeds):
            shared, own = 0.01 * seed, wobble * rng.normal(size=2)
            experiment.add(
                strategy,
                seed,
                [inside + shared + own[0]] * 5,
                extra={
                    "Test Macro F1": inside - 0.1,
                    f"{title} Accuracy": other + shared + own[1],
                    f"{title} Macro F1": other - 0.2,
                    f"{title} Worst Group Accuracy": other - 0.3,
                    f"{title} Group Gap": 0.4,
                },
                groups={name: {"small": 0.0, "north": other - 0.3, "south": other + 0.1}},
            )
    return experiment.write()


def shift_of(folder: Path):
    ((section,),) = [build(folder).sections]
    return section.shifts


def test_in_and_out_of_distribution_stand_side_by_side_with_the_paired_gap(experiment: Experiment):
    (shift,) = shift_of(plant(experiment, [0.5, 0.6, 0.7, 0.8]))
    by_name = {each.strategy: each for each in shift.reached}
    margin = by_name["margin"]
    assert margin.inside.value == pytest.approx(0.725, abs=0.003)
    assert margin.outside.value == pytest.approx(0.625, abs=0.003)
    assert margin.gap.value == pytest.approx(-0.1, abs=0.003)
    assert margin.gap.high - margin.gap.low < 0.01, "seeds move both alike, so their difference is known well"
    assert margin.inside.high - margin.inside.low > 0.03
    assert margin.worst is not None
    assert margin.worst.value == pytest.approx(0.3)
    assert margin.outside_f1 is not None
    assert margin.outside_f1.value == pytest.approx(0.4)


def test_a_ranking_that_stays_is_reported_to_stay(experiment: Experiment):
    shifts = shift_of(plant(experiment, [0.5, 0.6, 0.7, 0.8]))
    ranking = shifts[0].ranking
    assert ranking is not None
    assert ranking.strategies == ("badge", "entropy", "margin", "random")
    assert (ranking.correlation, ranking.low, ranking.high, ranking.of_halves) == (1, -1, 1, 1), "below eight seeds"
    assert (ranking.count("same"), ranking.count("reverse"), ranking.unidentified) == (6, 0, 0)
    assert answer(shifts).startswith(
        "No pair of strategies is identified as reversed. Of 6 comparisons (1 shift, 6 common seeds), 6"
    )
    assert "No shift surely has another best strategy." in answer(shifts)


def test_a_ranking_that_turns_is_found_and_the_pairs_are_counted(experiment: Experiment):
    shifts = shift_of(plant(experiment, [0.8, 0.7, 0.6, 0.5]))
    ranking = shifts[0].ranking
    assert ranking is not None
    assert ranking.correlation == -1
    assert (ranking.count("same"), ranking.count("reverse")) == (0, 6)
    assert ranking.best_outside == "random"
    assert ranking.lead.value == pytest.approx(0.3, abs=0.004)
    assert "badge is the best in distribution, and surely behind another one under test_far (random, +30" in answer(
        shifts
    )
    assert answer(shifts).startswith("The ranking changes under test_far.")


def test_a_difference_that_changes_is_found_where_the_order_in_distribution_is_not_known(experiment: Experiment):
    """Equal in distribution and 20 points apart under the shift: no order is known there to be reversed."""
    rng = np.random.default_rng(1)
    inside, outside = (
        {name: {seed: value + 0.005 * rng.normal() for seed in range(6)} for name, value in values.items()}
        for values in ({"a": 0.8, "b": 0.8, "c": 0.8}, {"a": 0.5, "b": 0.7, "c": 0.5})
    )
    found = rank(inside, outside)
    assert found is not None
    assert (found.count("same"), found.count("reverse"), found.count("changes")) == (0, 0, 2)
    assert found.misleads == (found.strategies[0] != "b")


def test_what_noise_hides_is_not_identified(experiment: Experiment):
    shifts = shift_of(plant(experiment, [0.5, 0.6, 0.7, 0.8], wobble=0.5))
    ranking = shifts[0].ranking
    assert ranking is not None
    assert ranking.unidentified == 6
    assert ranking.low < ranking.high
    assert answer(shifts).startswith("Whether the ranking changes is not identified.")


@pytest.mark.parametrize("seeds", [1, 2])
def test_few_seeds_identify_nothing(experiment: Experiment, seeds: int):
    shifts = shift_of(plant(experiment, [0.8, 0.7, 0.6, 0.5], seeds=seeds, wobble=0))
    ranking = shifts[0].ranking
    assert ranking is not None
    assert (ranking.unidentified, ranking.low, ranking.high, ranking.of_halves) == (6, -1, 1, None)
    assert "not identified" in answer(shifts)
    assert "at least 3 are needed" in answer(shifts)


def test_two_strategies_have_no_rank_correlation(experiment: Experiment):
    (shift,) = shift_of(plant(experiment, [0.5, 0.6]))
    assert shift.ranking is not None
    assert shift.ranking.correlation is None
    assert shift.ranking.count("same") == 1
    assert "fewer than 3 strategies" in page(build(experiment.folder))


@pytest.mark.parametrize("seed", range(5))
def test_the_rank_correlation_is_scipy_s(seed: int):
    rng = np.random.default_rng(seed)
    first_M, second_M = rng.integers(0, 5, 9).astype(float), rng.integers(0, 5, 9).astype(float)
    assert spearman(first_M, second_M) == pytest.approx(spearmanr(first_M, second_M).statistic)


def test_the_reverse_order_is_rarely_claimed_where_nothing_changed():
    """Four strategies of which two are equal in truth: over 200 experiments at most 5 % claim any reverse order."""
    rng, claims = np.random.default_rng(1), 0
    for _ in range(200):
        truth = {"a": 0.7, "b": 0.7, "c": 0.6, "d": 0.6}
        inside, outside = (
            {name: {seed: value + 0.01 * rng.normal() for seed in range(5)} for name, value in truth.items()}
            for _ in range(2)
        )
        found = rank(inside, outside)
        assert found is not None
        claims += found.count("reverse") > 0
    assert claims <= 10


def test_severities_are_one_shift_and_their_values_are_averaged(experiment: Experiment):
    assert families(
        ["test", "test_far", "test_noise_1", "test_noise_2", "jpeg_3", "test_prior_10", "test_prior_1"]
    ) == {
        "test_far": ("test_far",),
        "test_noise": ("test_noise_1", "test_noise_2"),
        "jpeg_3": ("jpeg_3",),
        "test_prior_10": ("test_prior_10",),
        "test_prior_1": ("test_prior_1",),
    }
    for seed in range(3):
        for strategy, lower in (("random", 0.1), ("margin", 0.0)):
            extra = {"Test Noise 1 Accuracy": 0.6 - lower, "Test Noise 2 Accuracy": 0.4 - lower}
            groups: dict[str, dict[str, float]] = {"test_noise_1": {}, "test_noise_2": {}}
            experiment.add(strategy, seed, [0.7] * 5, extra=extra, groups=groups)
    (shift,) = shift_of(experiment.write())
    by_name = {each.strategy: each for each in shift.reached}
    assert by_name["margin"].outside.value == pytest.approx(0.5)
    assert by_name["random"].outside.value == pytest.approx(0.4)
    worst = by_name["margin"].worst
    assert worst is not None
    assert worst.value == pytest.approx(0.4), "the worst severity"
    assert by_name["margin"].outside_f1 is None


def test_a_sample_of_corrupted_rows_is_compared_with_the_same_rows_and_not_with_all(experiment: Experiment):
    """A corruption that does nothing, on a sample that is more difficult than all test rows."""
    for seed in range(6):
        for strategy, lower in (("random", 0.1), ("margin", 0.0)):
            sample = 0.7 - lower + 0.01 * seed
            extra = {"Test Sample Accuracy": sample, "Test Noise 1 Accuracy": sample, "Test Far Accuracy": 0.5}
            groups: dict[str, dict[str, float]] = {"test_sample": {}, "test_noise_1": {}, "test_far": {}}
            experiment.add(strategy, seed, [0.9 - lower] * 5, extra=extra, groups=groups)
    noise, far = shift_of(experiment.write())
    assert (noise.name, far.name) == ("test_noise_1", "test_far")
    assert {each.gap.value for each in noise.reached} == {0}
    assert not any(each.gap.excludes_zero for each in noise.reached)
    assert noise.reached[0].inside.value == noise.reached[0].outside.value
    assert {each.strategy: round(each.gap.value, 2) for each in far.reached} == {"random": -0.3, "margin": -0.4}


def test_a_split_of_one_s_own_called_test_sample_is_a_shift_like_others():
    assert families(["test_sample", "test_far"]) == {"test_sample": ("test_sample",), "test_far": ("test_far",)}
    assert families(["test_noise_1", "test_sample"]) == {"test_noise_1": ("test_noise_1",)}


def test_rows_and_effective_rows_are_stated(experiment: Experiment):
    for seed in range(3):
        for strategy in ("random", "margin"):
            experiment.add(
                strategy,
                seed,
                [0.7] * 5,
                extra={
                    "Test Prior 0.1 Accuracy": 0.6,
                    "Test Prior 0.1 Worst Group Accuracy": 0.2,
                    "Test Prior 0.1 Effective Rows": 312.4,
                    "Test Far Accuracy": 0.5,
                },
                groups={"test_prior_0.1": {"draw 1": 0.2, "draw 2": 1.0}, "test_far": {}},
            )
    folder = experiment.write()
    notes = DataNotes(stores={"store": DataNote(rows={"pool": 9, "test": 1500, "test_far": 400})})
    (folder / "data.json").write_text(notes.model_dump_json())
    far, prior = sorted(shift_of(folder), key=lambda shift: shift.name)
    assert (far.rows, far.effective_rows) == (400, None)
    assert (prior.rows, prior.effective_rows) == (1500, pytest.approx(312.4))
    text = page(build(folder))
    assert "1,500 rows as 312" in text


def test_the_page_the_terminal_and_the_document_have_it(experiment: Experiment):
    folder = plant(experiment, [0.8, 0.7, 0.6, 0.5])
    built = build(folder)
    console = Console(width=250, file=io.StringIO())
    console.print(render(built))
    assert isinstance(console.file, io.StringIO)
    printed, text = console.file.getvalue(), page(built)
    for found in (printed, text):
        assert "The ranking changes under test_far" in found
        assert "rank correlation" in found
        assert "in distribution" in found
        assert "north (6 seeds)" in found or "north" in found
    (setting,) = json.loads(json.dumps(document(built)))["settings"]
    assert setting["shifts"][0]["ranking"]["correlation"] == -1
    assert setting["shifts"][0]["reached"][0]["gap"]["seeds"] == 6


def test_the_worst_group_is_the_recorded_one_and_not_one_of_few_rows(experiment: Experiment):
    text = page(build(plant(experiment, [0.8, 0.7, 0.6, 0.5])))
    assert ">north" in text
    assert ">small" not in text


def test_without_further_splits_there_is_no_section(experiment: Experiment):
    for seed in range(3):
        experiment.add("random", seed, [0.7] * 5)
    folder = experiment.write()
    assert shift_of(folder) == ()
    assert "Distribution shift" not in page(build(folder))
