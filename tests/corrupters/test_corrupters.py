"""Label noise: the stated share of rows, always another class. What every corrupter must do: tests/contract."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as draw
from scipy import stats

from labelbench_ray import corrupters, plugins
from labelbench_ray.errors import ConfigError
from labelbench_ray.plugins import Part


def make(name: str, **settings: float) -> corrupters.Corrupter:
    return plugins.build(corrupters.Corrupter, corrupters.PACKAGE, Part.of(name, **settings))


def test_clean_answers_the_truth():
    labels = np.arange(50) % 7
    np.testing.assert_array_equal(make("clean").corrupt(labels, 7), labels)


@given(
    rows=draw.integers(1, 200), classes=draw.integers(2, 6), fraction=draw.floats(0, 1), seed=draw.integers(0, 2**31)
)
def test_uniform_noise_flips_exactly_its_share(rows: int, classes: int, fraction: float, seed: int):
    labels = np.random.default_rng(rows).integers(0, classes, rows)
    noisy = make("uniform_noise", fraction=fraction, seed=seed).corrupt(labels, classes)
    assert (noisy != labels).sum() == int(fraction * rows)
    assert noisy.min() >= 0
    assert noisy.max() < classes


def test_uniform_noise_gives_every_other_class_equally_often():
    noisy = make("uniform_noise", fraction=1.0).corrupt(np.full(6000, 2), 5)
    counts = np.bincount(noisy, minlength=5)
    assert counts[2] == 0
    assert stats.chisquare(counts[[0, 1, 3, 4]]).pvalue > 1e-3


def test_uniform_noise_of_another_seed_flips_other_rows():
    labels = np.zeros(500, np.int64)
    one, other = (make("uniform_noise", seed=seed).corrupt(labels, 3) for seed in (1, 2))
    assert (one != other).any()


@pytest.mark.parametrize("fraction", [-0.1, 1.1])
def test_a_share_that_is_none_is_refused(fraction: float):
    with pytest.raises(ConfigError, match=f"fraction: .* \\(was {fraction}\\)"):
        make("uniform_noise", fraction=fraction)


@pytest.mark.parametrize("seed", [-1])
def test_a_seed_that_numpy_would_refuse_is_refused_when_the_plan_is_made(seed: int):
    with pytest.raises(ConfigError, match="seed"):
        make("uniform_noise", seed=seed)
