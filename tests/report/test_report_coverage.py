"""Do the 95 % intervals hold what they claim? Simulations with five seeds and known truths."""

import numpy as np

from labelbench_ray.report.savings import first_crossing, saving
from labelbench_ray.report.statistics import estimate

SEEDS, DRAWS = 5, 600
LABELS_T = np.arange(300.0, 3_001.0, 300.0)


def truth(factor):
    """An accuracy curve that needs `factor` as many labels as random beyond the first batch."""
    return 0.935 - 0.42 * (1 + (LABELS_T / 300 - 1) / factor) ** -0.75


def test_t_interval_covers_the_mean():
    rng = np.random.default_rng(0)
    told = [estimate(rng.normal(0.3, 1.0, SEEDS)) for _ in range(DRAWS)]
    assert 0.93 <= np.mean([each.low <= 0.3 <= each.high for each in told]) <= 0.97


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


def _noisy(mean_T, luck_S1, rng):
    """Luck shared with the paired trial, luck of the whole trial, luck of each round."""
    return mean_T + luck_S1 + rng.normal(0, 0.006, (SEEDS, 1)) + rng.normal(0, 0.003, (SEEDS, mean_T.size))
