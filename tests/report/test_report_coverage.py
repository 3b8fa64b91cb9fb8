"""Do the 95 % intervals hold what they claim, alone and all at once? Simulations with five seeds and known truths."""

import numpy as np

from labelbench_ray.report.statistics.comparison import Curves, differences
from labelbench_ray.report.statistics.paired import estimate
from labelbench_ray.report.statistics.savings import first_crossing, saving

SEEDS, DRAWS = 5, 600
LABELS_T = np.arange(300.0, 3_001.0, 300.0)


def truth(factor):
    """An accuracy curve that needs `factor` as many labels as random beyond the first batch."""
    return 0.935 - 0.42 * (1 + (LABELS_T / 300 - 1) / factor) ** -0.75


def test_t_interval_covers_the_mean():
    rng = np.random.default_rng(0)
    estimates = [estimate(rng.normal(0.3, 1.0, SEEDS)) for _ in range(DRAWS)]
    assert 0.93 <= np.mean([each.low <= 0.3 <= each.high for each in estimates]) <= 0.97


def test_saving_interval_covers_the_saving():
    for factor in (0.5, 0.8, 0.95):
        random_T, strategy_T = truth(1.0), truth(factor)
        labels = first_crossing(LABELS_T, strategy_T - random_T[-1])
        rng = np.random.default_rng(1)
        below = above = 0
        for _ in range(DRAWS):
            luck_S1 = rng.normal(0, 0.006, (SEEDS, 1))
            found = saving(LABELS_T, _noisy(strategy_T, luck_S1, rng), _noisy(random_T, luck_S1, rng))
            below += found.high_labels < labels
            above += found.low_labels > labels
        assert 0.01 <= (below + above) / DRAWS <= 0.065
        assert max(below, above) / DRAWS <= 0.045


def test_labels_are_covered_where_random_falls_before_its_end():
    """The target is then a maximum of several noisy means; the interval of the strategy's labels still holds."""
    labels_T = np.arange(30.0, 181.0, 30.0)
    random_T = np.array([0.5, 0.7, 0.78, 0.801, 0.78, 0.758])
    strategy_T = np.array([0.5, 0.74, 0.82, 0.84, 0.84, 0.84])
    labels, rng = first_crossing(labels_T, strategy_T - random_T.max()), np.random.default_rng(4)
    covered = 0
    for _ in range(DRAWS):
        luck_S1 = rng.normal(0, 0.006, (SEEDS, 1))
        found = saving(labels_T, _noisy(strategy_T, luck_S1, rng), _noisy(random_T, luck_S1, rng))
        covered += found.low_labels <= labels <= found.high_labels
    assert 0.92 <= covered / DRAWS <= 0.98


def _noisy(mean_T, luck_S1, rng):
    """Luck shared with the paired trial, luck of the whole trial, luck of each round."""
    return mean_T + luck_S1 + rng.normal(0, 0.006, (SEEDS, 1)) + rng.normal(0, 0.003, (SEEDS, mean_T.size))


def test_intervals_of_all_strategies_hold_at_once():
    """25 strategies that equal random: without adjustment, an interval excludes 0 in a third of all reports."""
    labels_T, strategies, families = LABELS_T[:3], 25, 200
    rng = np.random.default_rng(2)
    wrong = {"final": 0, "area": 0, "saving": 0, "unadjusted": 0, "p": 0}
    for _ in range(families):
        luck_S1 = rng.normal(0, 0.006, (SEEDS, 1))
        names = ["random", *(f"strategy{number}" for number in range(strategies))]
        every = [Curves(name, tuple(range(SEEDS)), labels_T, _noisy(truth(1.0)[:3], luck_S1, rng)) for name in names]
        found = differences(every).values()
        wrong["final"] += any(each.final.excludes_zero for each in found)
        wrong["area"] += any(each.area.excludes_zero for each in found)
        wrong["saving"] += any(not each.saving.low_labels <= labels_T[-1] <= each.saving.high_labels for each in found)
        wrong["p"] += any(each.area_adjusted < 0.05 for each in found)
        wrong["unadjusted"] += any(each.area.p_value < 0.05 for each in found)
        assert all(each.area_adjusted < 0.05 for each in found if each.area.excludes_zero)
    assert wrong["unadjusted"] / families > 0.3
    assert max(wrong[name] for name in ("final", "area", "saving", "p")) / families <= 0.075


def test_intervals_hold_at_once_for_strategies_that_differ():
    """Holm's steps would not do here: all are found, and the last interval would have the plain level."""
    rng = np.random.default_rng(3)
    effects_M = np.array([0.05, 0.1, 0.2, -0.1])
    wrong = 0
    for _ in range(DRAWS):
        found = [estimate(effect + rng.normal(0, 0.01, SEEDS), effects_M.size) for effect in effects_M]
        wrong += any(not each.low <= effect <= each.high for each, effect in zip(found, effects_M, strict=True))
    assert 0.025 <= wrong / DRAWS <= 0.075
