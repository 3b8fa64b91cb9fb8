"""The fidelity that suffices: Fieller's set by a scan of t-tests, planted lines, and what cannot be identified."""

import numpy as np
import pytest
from scipy import stats

from labelbench_ray.report.statistics.sufficiency import sufficiency, zero_of_lines


def drawn(seed=0, seeds=5, slope=0.2, enough=0.6, noise=0.002):
    """Fidelity that rises with the labels and differs between selectors; lost accuracy on a line in fidelity alone."""
    rng = np.random.default_rng(seed)
    fidelity = rng.uniform(0.1, 0.5, (seeds, 3, 4)) + 0.05 * np.arange(4)
    return fidelity, slope * (fidelity - enough) + rng.normal(0, noise, fidelity.shape)


def test_the_interval_holds_what_a_t_test_over_the_seeds_does_not_reject():
    rng = np.random.default_rng(3)
    slopes = rng.normal(0.2, 0.03, 6)
    starts = rng.normal(-0.1, 0.01, 6) - 0.3 * (slopes - 0.2)
    value, low, high = zero_of_lines(starts, slopes)
    scanned = np.linspace(-2, 3, 5_001)
    inside = scanned[stats.ttest_1samp(starts + slopes * scanned[:, None], 0, axis=1).pvalue >= 0.05]
    assert (inside.min(), inside.max()) == pytest.approx((low, high), abs=2e-3)
    assert value == pytest.approx(-starts.mean() / slopes.mean())


def test_slopes_are_least_squares_with_a_level_for_each_number_of_labels():
    fidelity, lost = drawn(noise=0.02)
    slopes = []
    for x, y in zip(fidelity, lost, strict=True):
        levels = np.tile(np.eye(4), (3, 1))
        design = np.column_stack([x.ravel(), levels])
        slopes.append(np.linalg.lstsq(design, y.ravel(), rcond=None)[0][0])
    found = sufficiency(fidelity, lost)
    assert found.slope.value == pytest.approx(np.mean(slopes))
    assert (found.slope.low, found.slope.high) == pytest.approx(
        stats.t.interval(0.95, 4, np.mean(slopes), stats.sem(slopes))
    )


def test_a_planted_fidelity_is_found():
    found = sufficiency(*drawn())
    assert found.slope.value == pytest.approx(0.2, abs=0.03)
    value, low, high = found.threshold
    assert low <= 0.6 <= high
    assert value == pytest.approx(0.6, abs=0.05)


def test_one_beyond_what_was_measured_is_marked():
    assert sufficiency(*drawn(enough=1.5)).beyond
    assert not sufficiency(*drawn(enough=0.4)).beyond


@pytest.mark.parametrize("slope", [0.0, -0.2])
def test_without_a_line_that_rises_nothing_is_identified(slope):
    assert sufficiency(*drawn(slope=slope, noise=0.01)).threshold is None


def test_what_only_the_number_of_labels_explains_is_not_claimed():
    """Both rise with the labels; over all points together there would be a line."""
    claimed = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        fidelity = 0.3 + 0.1 * np.arange(4) + rng.uniform(-0.1, 0.1, (5, 3, 4))
        lost = 0.05 * np.arange(4) - 0.15 + rng.normal(0, 0.01, fidelity.shape)
        claimed += sufficiency(fidelity, lost).threshold is not None
    assert claimed <= 10  # 2.5 % are expected


def test_coverage_of_the_interval():
    """Of lines that are identified, with their true zero."""
    held = [
        found.threshold[1] <= 0.6 <= found.threshold[2]
        for seed in range(300)
        if (found := sufficiency(*drawn(seed, noise=0.01))).threshold is not None
    ]
    assert len(held) > 250
    assert np.mean(held) >= 0.92


def test_alike_selectors_or_one_seed_yield_nothing():
    fidelity, lost = drawn()
    assert sufficiency(fidelity[:1], lost[:1]) is None
    assert sufficiency(fidelity[:, :1], lost[:, :1]) is None
    assert sufficiency(np.full_like(fidelity, 0.5), lost) is None
    assert sufficiency(fidelity, np.zeros_like(lost)) is None
