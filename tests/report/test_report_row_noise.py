"""The noise of test rows: the two-way variance by brute force and at its limits, and where the report includes it."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as draw
from hypothesis.extra.numpy import arrays
from scipy import stats

from labelbench_ray.report.sections import build
from labelbench_ray.report.statistics.comparison import compare
from labelbench_ray.report.statistics.paired import area_under_curve, estimate
from labelbench_ray.report.statistics.pairwise import pairwise
from labelbench_ray.report.statistics.row_hits import area_weights
from labelbench_ray.report.statistics.savings import saving
from labelbench_ray.report.statistics.two_way import RowParts, row_noise

ONE = np.ones((1, 1))
HITS = arrays(np.uint8, draw.tuples(draw.integers(2, 5), draw.integers(2, 30)), elements=draw.integers(0, 1))


def of_one(hits_SN: np.ndarray) -> RowParts:
    """The parts of a single accuracy."""
    noise = row_noise(hits_SN[:, None])
    assert noise is not None
    return noise.of(ONE)


def over_seeds(hits_SN: np.ndarray) -> float:
    return hits_SN.mean(axis=1).var(ddof=1) / len(hits_SN)


def drawn(seeds: int, rows: int, rng: np.random.Generator) -> np.ndarray:
    """Hits with luck of seeds, of rows and of both."""
    height_SN = rng.normal(0, 0.5, (seeds, 1)) + rng.normal(0, 1, rows) + rng.normal(0, 1, (seeds, rows))
    return height_SN > -0.5


def test_the_parts_are_those_of_the_analysis_of_variance():
    hits_SN = drawn(4, 50, np.random.default_rng(0)).astype(float)
    seeds, rows = hits_SN.shape
    rest_SN = hits_SN - hits_SN.mean(axis=0) - hits_SN.mean(axis=1, keepdims=True) + hits_SN.mean()
    rest = np.square(rest_SN).sum() / ((seeds - 1) * (rows - 1))
    parts = of_one(hits_SN.astype(np.uint8))
    assert parts.rows_F[0] == pytest.approx(hits_SN.mean(axis=0).var(ddof=1) / rows)
    assert parts.both_F[0] == pytest.approx(rest / (seeds * rows))


def test_a_two_way_bootstrap_has_this_variance():
    """Seeds and rows are drawn anew: each part then counts once, in the bootstrap's own units (n - 1) / n."""
    rng = np.random.default_rng(1)
    hits_SN = drawn(4, 40, rng)
    seeds, rows = hits_SN.shape
    draws = 200_000
    seeds_RS = rng.multinomial(seeds, np.full(seeds, 1 / seeds), draws) / seeds
    rows_RN = rng.multinomial(rows, np.full(rows, 1 / rows), draws) / rows
    means_R = ((seeds_RS @ hits_SN) * rows_RN).sum(axis=1)
    parts, by_seeds, by_rows = of_one(hits_SN.astype(np.uint8)), (seeds - 1) / seeds, (rows - 1) / rows
    expected = by_seeds * over_seeds(hits_SN) + by_rows * parts.rows_F[0] + by_seeds * by_rows * parts.both_F[0]
    assert means_R.var() == pytest.approx(expected, rel=0.02)
    # The bootstrap counts what seeds and rows have in common three times; taken off twice, it is our estimate.
    corrected = means_R.var() - 2 * by_seeds * by_rows * parts.both_F[0]
    ours = over_seeds(hits_SN) + parts.added_F[0]
    assert corrected == pytest.approx(ours, rel=1 - by_seeds + 0.02)


def test_the_variance_is_that_of_means_over_new_seeds_and_new_rows():
    rng = np.random.default_rng(2)
    found, means = [], []
    for _ in range(4_000):
        hits_SN = drawn(5, 60, rng)
        parts = of_one(hits_SN.astype(np.uint8))
        found.append([over_seeds(hits_SN), parts.rows_F[0], parts.both_F[0]])
        means.append(hits_SN.mean())
    seeds, rows, both = np.mean(found, axis=0)
    assert seeds + rows - both == pytest.approx(np.var(means), rel=0.06)
    assert seeds < 0.9 * np.var(means), "seeds alone fall short"


@given(HITS)
def test_rows_never_reduce_the_variance(hits_SN):
    values_S, parts = hits_SN.mean(axis=1), of_one(hits_SN)
    plain, both = estimate(values_S), estimate(values_S, rows=parts)
    assert parts.added_F[0] >= 0
    assert both.value == plain.value
    assert both.row_error == pytest.approx(np.sqrt(parts.added_F[0]))
    if parts.added_F[0] == 0:
        assert (both.low, both.high) == (plain.low, plain.high)


@given(HITS)
def test_with_endless_rows_intervals_are_those_over_seeds(hits_SN):
    values_S = hits_SN.mean(axis=1)
    plain, both = estimate(values_S), estimate(values_S, rows=of_one(np.tile(hits_SN, 20_000)))
    assert both.high == pytest.approx(plain.high, abs=3e-3)
    assert both.low == pytest.approx(plain.low, abs=3e-3)


@given(arrays(np.uint8, draw.integers(30, 200), elements=draw.integers(0, 1)), draw.integers(2, 6))
def test_where_all_seeds_have_the_same_hits_rows_alone_decide(hits_N, seeds):
    found = estimate(np.full(seeds, hits_N.mean()), rows=of_one(np.tile(hits_N, (seeds, 1))))
    reach = stats.t.isf(0.025, len(hits_N) - 1) * hits_N.std(ddof=1) / np.sqrt(len(hits_N))
    assert (found.high - found.low) / 2 == pytest.approx(reach, abs=1e-9)


def test_a_difference_of_equal_strategies_has_no_noise():
    hits_STN = drawn(12, 100, np.random.default_rng(3)).reshape(4, 3, 100).astype(np.uint8)
    noise = row_noise(np.concatenate([hits_STN, hits_STN], axis=1))
    parts = noise.of(np.array([[0, 0, 1, 0, 0, -1], [1 / 3, 1 / 3, 1 / 3, -1 / 3, -1 / 3, -1 / 3]]))
    assert parts.added_F == pytest.approx([0, 0], abs=1e-12)


def test_one_seed_has_no_interval():
    assert row_noise(np.ones((1, 3, 10), np.uint8)) is None


@given(draw.lists(draw.integers(1, 50), min_size=1, max_size=8))
def test_area_weights_are_the_trapezoids(steps):
    labels_T = np.cumsum(np.array(steps, float))
    values_ST = np.random.default_rng(0).random((3, len(steps)))
    assert values_ST @ area_weights(labels_T) == pytest.approx(area_under_curve(labels_T, values_ST))


def test_a_saving_of_very_many_rows_is_that_over_seeds():
    rng, labels_T = np.random.default_rng(4), np.arange(10.0, 60, 10)
    rates_T = np.array([[0.5, 0.7, 0.85, 0.9, 0.92], [0.5, 0.6, 0.7, 0.8, 0.85]])
    hits = rng.random((5, 10, 200)) < np.append(*rates_T)[:, None] + rng.normal(0, 0.02, (5, 1, 1))
    means_SC = hits.mean(axis=2)
    curves = (labels_T, means_SC[:, :5], means_SC[:, 5:])
    plain, both = saving(*curves), saving(*curves, noise=row_noise(hits.astype(np.uint8)))
    endless = saving(*curves, noise=row_noise(np.tile(hits.astype(np.uint8), 5_000)))
    assert both.low_labels < plain.low_labels < plain.high_labels < both.high_labels
    assert (both.labels, both.target) == (plain.labels, plain.target)
    assert (endless.low_labels, endless.high_labels) == pytest.approx((plain.low_labels, plain.high_labels), abs=0.5)


ROWS, ROUNDS = 400, 5
RATES = {
    "random": [0.5, 0.6, 0.7, 0.75, 0.8],
    "margin": [0.5, 0.7, 0.85, 0.9, 0.92],
    "entropy": [0.5, 0.6, 0.7, 0.8, 0.8],
}


def add_trials(experiment, seeds=3, strategies=tuple(RATES), **fields):
    """Rows that are right or wrong for all seeds, mostly."""
    ease_N = np.random.default_rng(5).random(ROWS)
    for place, name in enumerate(strategies):
        for seed in range(seeds):
            rng = np.random.default_rng([place, seed])
            hits = ease_N + rng.normal(0, 0.05, (ROUNDS, ROWS)) < np.array(RATES[name])[:, None]
            experiment.add(name, seed, hits.mean(axis=1).tolist(), hits=hits, **fields)


def test_intervals_include_the_rows_and_the_section_states_it(experiment):
    add_trials(experiment)
    section = build(experiment.write()).sections[0]
    main = section.main
    assert main.test_rows == ROWS
    assert section.intervals == f"Intervals include the noise of {ROWS} test rows."
    plain = compare_without_hits(section.setting, main.metric)
    for row in main.rows:
        alone = plain.row(row.strategy)
        assert row.final.value == alone.final.value
        independent = np.sqrt(row.final.value * (1 - row.final.value) / ROWS)
        assert 0.6 * independent < row.final.row_error < 1.02 * independent
        if row.difference:
            assert row.difference.area.value == alone.difference.area.value
            assert (row.difference.area.test_rows, alone.difference.area.test_rows) == (ROWS, 0)
            assert row.difference.area.row_error < row.final.row_error
    margin = main.row("margin").difference
    assert min(margin.area.row_error, margin.final.row_error) > 0
    assert margin.saving != plain.row("margin").difference.saving
    assert all(pair.final.test_rows == ROWS for pair in pairwise(main))


def compare_without_hits(setting, metric):
    for run in setting.runs:
        for path in run.directory.glob("rounds/*.hits"):
            path.unlink()
    return compare(setting, metric)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        ("older", "1 of 9 trials did not record which rows are right"),
        ("damaged", r"002\.hits: does not have the hash that it states"),
        ("store", "the trials were computed from different embedding stores"),
        ("rows", "the trials were tested on different numbers of rows"),
        ("all", "the trials did not record which rows are right"),
    ],
)
def test_hits_that_do_not_belong_together_are_not_used(experiment, spoil, reason):
    add_trials(experiment)
    last = experiment.folder / experiment.entries[-1].fingerprint
    if spoil == "older":
        (last / "rounds/003.hits").unlink()
    elif spoil == "damaged":
        path = last / "rounds/002.hits"
        path.write_bytes(path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1]))
    elif spoil == "all":
        for path in experiment.folder.rglob("*.hits"):
            path.unlink()
    else:
        hits = np.ones((ROUNDS, 8 if spoil == "rows" else ROWS), bool)
        experiment.add(
            "random", 9, hits.mean(axis=1).tolist(), hits=hits, store="other" if spoil == "store" else "store"
        )
    section = build(experiment.write()).sections[0]
    assert section.main.test_rows == 0
    assert np.all([row.final.test_rows == 0 for row in section.main.rows])
    assert re.search(reason, section.intervals), section.intervals
    assert section.intervals.startswith("Intervals are over seeds only: ")


def test_metrics_of_other_rows_have_seeds_alone(experiment):
    add_trials(experiment, extra={"Test mAP": 0.5})
    setting = build(experiment.write()).sections[0].setting
    assert compare(setting, "Pool Accuracy").over_seeds_only.startswith("the trials did not record")
    assert compare(setting, "Test mAP").over_seeds_only == "Test mAP is not a share of right rows"


def test_a_strategy_with_more_seeds_than_random_is_paired_by_its_common_ones(experiment):
    add_trials(experiment)
    rng = np.random.default_rng(6)
    hits = rng.random((ROUNDS, ROWS)) < np.array(RATES["margin"])[:, None]
    experiment.add("margin", 3, hits.mean(axis=1).tolist(), hits=hits)
    row = build(experiment.write()).sections[0].main.row("margin")
    assert (row.final.seeds, row.difference.final.seeds) == (4, 3)
    assert row.difference.final.test_rows == ROWS
