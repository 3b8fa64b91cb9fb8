"""Mean and deviation of the pool, against NumPy in float64."""

import numpy as np
import pytest

from labelbench_ray.pool.standardization import standardize
from labelbench_ray.types import BLOCK_ROWS


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("rows", [1, 7, BLOCK_ROWS, 2 * BLOCK_ROWS + 3])
def test_equals_numpy_s_mean_and_population_deviation(rows: int, dtype: type):
    raw = np.random.default_rng(0).normal(2, 3, (rows, 5)).astype(dtype)
    found = standardize(raw)
    deviation = raw.std(axis=0, dtype=np.float64)
    np.testing.assert_allclose(found.mean_D, raw.mean(axis=0, dtype=np.float64), rtol=1e-6)
    np.testing.assert_allclose(found.scale_D, np.where(deviation > 0, deviation, 1), rtol=1e-6)


def test_a_large_offset_does_not_eat_the_deviation():
    raw = (1e4 + np.random.default_rng(0).normal(size=(5000, 2))).astype(np.float32)
    np.testing.assert_allclose(standardize(raw).scale_D, raw.std(axis=0, dtype=np.float64), rtol=1e-5)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e4])
def test_a_constant_dimension_becomes_zero_and_finite(value: float):
    raw = np.random.default_rng(0).normal(size=(5000, 2)).astype(np.float32)
    raw[:, 1] = value
    found = standardize(raw)
    assert found.scale_D[1] == 1
    np.testing.assert_allclose(found.apply(raw)[:, 1], 0, atol=1e-3)


def test_applied_to_the_pool_it_gives_mean_zero_and_deviation_one():
    raw = np.random.default_rng(0).normal(3, 0.2, (5000, 3)).astype(np.float16)
    applied = standardize(raw).apply(raw)
    assert applied.dtype == np.float32
    np.testing.assert_allclose(applied.mean(axis=0, dtype=np.float64), 0, atol=1e-5)
    np.testing.assert_allclose(applied.std(axis=0, dtype=np.float64), 1, rtol=1e-5)


def test_reads_a_pool_that_cannot_be_written(tmp_path):
    np.save(tmp_path / "pool.npy", np.ones((10, 2), np.float16))
    assert standardize(np.load(tmp_path / "pool.npy", mmap_mode="r")).mean_D.tolist() == [1, 1]
