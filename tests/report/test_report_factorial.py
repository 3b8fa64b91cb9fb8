"""Effects of a factorial: against least squares with effect coding, against SciPy, and as the report shows them."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from labelbench_ray.report.statistics.factorial import contrast, effects, subsets
from labelbench_ray.report.statistics.paired import holm


def least_squares(values, factors):
    """Twice the coefficient of the product of the codes for each factor more, seed by seed."""
    cells = list(product((-1, 1), repeat=values.ndim - 1))
    columns = [(), *subsets(values.ndim - 1)]
    design = np.array([[np.prod([cell[factor] for factor in each]) for each in columns] for cell in cells])
    coefficients, *_ = np.linalg.lstsq(design, values.reshape(len(values), -1).T, rcond=None)
    return 2 ** len(factors) * coefficients[columns.index(factors)]


@pytest.mark.parametrize("factors", [1, 2, 3, 4])
def test_contrasts_are_the_coefficients_of_effect_coding(factors):
    values = np.random.default_rng(factors).normal(size=(5, *[2] * factors))
    for subset in subsets(factors):
        assert contrast(values, subset) == pytest.approx(least_squares(values, subset))


def test_planted_effects_come_back_and_the_others_are_nothing():
    """A adds 3 alone and 5 with B, B adds 1 without A; nothing else."""
    values = np.zeros((4, 2, 2, 2))
    for a, b, c in product(range(2), repeat=3):
        values[:, a, b, c] = 3 * a + b + 2 * a * b + np.arange(4)
    sizes = {each.factors: each.size.value for each in effects(values)}
    assert sizes == {(0,): 4.0, (1,): 2.0, (2,): 0.0, (0, 1): 2.0, (0, 2): 0.0, (1, 2): 0.0, (0, 1, 2): 0.0}


def test_intervals_are_students_and_p_is_holms():
    values = np.random.default_rng(7).normal(size=(6, 2, 2, 2))
    found = effects(values)
    assert [each.factors for each in found] == [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)]
    for each in found:
        seeds = least_squares(values, each.factors)
        assert (each.size.low, each.size.high) == pytest.approx(
            stats.t.interval(0.95, len(seeds) - 1, seeds.mean(), stats.sem(seeds))
        )
        assert each.size.p_value == pytest.approx(stats.ttest_1samp(seeds, 0).pvalue)
    assert [each.adjusted for each in found] == pytest.approx(holm(np.array([each.size.p_value for each in found])))


@pytest.mark.parametrize("shape", [(3,), (3, 2, 3)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="two levels"):
        effects(np.zeros(shape))
