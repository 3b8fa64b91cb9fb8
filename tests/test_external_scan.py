"""What one pass over external files finds: finite rows, the pool's standardization, and rows that are in two splits."""

import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from pyarrow.fs import LocalFileSystem

from labelbench_ray.datasets.files.places import Place
from labelbench_ray.datasets.parquet_columns.parquet_files import open_split
from labelbench_ray.datasets.vectors.arrays import open_column
from labelbench_ray.embeddings.external.overlaps import SplitRows, count_equal
from labelbench_ray.embeddings.external.scan import RowScan
from labelbench_ray.pool import standardization
from labelbench_ray.pool.blocks import BLOCK_ROWS
from labelbench_ray.pool.standardization import HalfSums, Standardization, standardize

Halves = NDArray[np.float16]


def of_one_sum_over_each_block(rows_ND: Halves) -> Standardization:
    """Row after row, from zero in every block."""
    shift_D, sums_D, squares_D = rows_ND[0].astype(np.float64), *np.zeros((2, rows_ND.shape[1]))
    for start in range(0, len(rows_ND), BLOCK_ROWS):
        block_BD = rows_ND[start : start + BLOCK_ROWS].astype(np.float64) - shift_D
        sums_D += np.cumsum(block_BD, axis=0)[-1]
        squares_D += np.cumsum(block_BD**2, axis=0)[-1]
    mean_D = sums_D / len(rows_ND)
    scale_D = np.sqrt(np.maximum(squares_D / len(rows_ND) - mean_D**2, 0))
    scale_D[scale_D < 1e-6] = 1
    return Standardization((mean_D + shift_D).astype(np.float32), scale_D.astype(np.float32))


def assert_same(found: Standardization, expected: Standardization) -> None:
    assert np.array_equal(found.mean_D, expected.mean_D)
    assert np.array_equal(found.scale_D, expected.scale_D)


ROWS = 2 * BLOCK_ROWS + 300


@pytest.mark.parametrize("kind", ["ordinary", "wide", "sparse", "constant", "far", "one far"])
def test_the_standardization_of_a_large_pool_has_the_bits_of_one_sum_over_each_block(kind: str) -> None:
    made_ND = np.random.default_rng(0).normal(size=(ROWS, 130))
    if kind == "wide":
        made_ND = np.sign(made_ND) * np.exp(4 * np.abs(made_ND) - 6)
    if kind == "sparse":
        made_ND = np.maximum(made_ND - 1.5, 0)
    if kind == "constant":
        made_ND[:, ::3] = made_ND[0, ::3]
    if kind == "far":
        made_ND = made_ND / 100 + 20
    if kind == "one far":
        made_ND[:, 7] = made_ND[:, 7] / 1_000 + 3
    rows_ND = made_ND.clip(-60_000, 60_000).astype(np.float16)
    assert rows_ND.size >= standardization.SMALL
    expected, sums = of_one_sum_over_each_block(rows_ND), HalfSums(rows_ND[0])
    assert_same(standardize(rows_ND), expected)
    assert all(sums.add(part_BD) for part_BD in np.split(rows_ND, [1, 50, 5_000, 5_007]))
    assert_same(sums.standardization(rows_ND), expected)


def test_dimensions_that_are_not_sure_are_summed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    again: list[int] = []
    sums = standardization._sums
    monkeypatch.setattr(standardization, "_sums", lambda *given: (again.append(len(given[1])), sums(*given))[1])
    rows_ND = np.random.default_rng(0).normal(size=(ROWS, 130)).astype(np.float16)
    standardize(rows_ND)
    assert sum(again) < 10
    rows_ND[:, 100] = 20
    again.clear()
    assert standardize(rows_ND).scale_D[100] == 1
    assert 3 <= sum(again) < 13  # with the first two, as one dimension alone is summed in another order


@pytest.mark.parametrize("change", [None, "not finite", "every second row"])
def test_the_pool_is_standardized_while_its_file_is_hashed(change: str | None) -> None:
    rows_ND = np.random.default_rng(0).normal(3, 50, size=(5 * BLOCK_ROWS + 300, 130)).astype(np.float16)
    pool_N = np.arange(len(rows_ND))
    if change == "every second row":
        pool_N = pool_N[::2]
        rows_ND[1, 3] = np.inf
    if change == "not finite":
        rows_ND[[5, 9_000], [7, 8]] = np.nan, -np.inf
    scan = scan_of(rows_ND, pool_N, [1, 2_000, 9_100])
    finite_N = np.isfinite(rows_ND).all(axis=1)
    assert np.array_equal(scan.finite_N, finite_N)
    pool_ND = rows_ND[pool_N[finite_N[pool_N]]]
    assert_same(scan.standardization(pool_ND), of_one_sum_over_each_block(pool_ND))


def scan_of(rows_ND: Halves, pool_N: NDArray[np.int64] | None = None, cuts: Sequence[int] = ()) -> RowScan:
    scan = RowScan(*rows_ND.shape, pool_N)
    for part_BD in np.split(rows_ND, cuts):
        scan.add(part_BD)
    return scan


def test_rows_that_share_a_few_numbers_are_not_kept_to_be_compared() -> None:
    """The middle of sparse rows is often zero."""
    rng = np.random.default_rng(0)
    pool_ND, test_ND = (np.zeros((rows, 256), np.float16) for rows in (40_000, 3_000))
    for rows_ND in (pool_ND, test_ND):
        rows_ND[:, :8] = rng.normal(size=(len(rows_ND), 8))
    test_ND[[5, 7, 9]] = pool_ND[[11, 12, 13]]
    test_ND[9, 200] = -0.0  # other bytes
    labels_N = np.arange(len(pool_ND)) % 2
    splits = {
        name: SplitRows(rows_ND, np.arange(len(rows_ND)), labels_N[: len(rows_ND)], scan_of(rows_ND).keys_N)
        for name, rows_ND in (("pool", pool_ND), ("test", test_ND))
    }
    assert len(splits["pool"].near(splits["test"].keys_N)) == len(pool_ND)
    tracemalloc.start()
    (found,) = count_equal(splits).found
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (found.split, found.other, found.rows, found.relabeled) == ("test", "pool", 2, 1)
    assert peak < pool_ND.nbytes / 2


def test_a_column_of_parquet_is_decoded_in_little_memory(tmp_path: Path) -> None:
    rows_ND = np.random.default_rng(0).normal(size=(300_000, 64)).astype(np.float16)
    lists = pa.FixedSizeListArray.from_arrays(pa.array(rows_ND.reshape(-1)), 64)
    table = pa.table({"embedding": lists})
    pq.write_table(table, tmp_path / "train.parquet", compression="none", use_dictionary=False)
    column = open_column(open_split(Place(LocalFileSystem(), str(tmp_path)), "train.parquet", ""), None)
    del table, lists
    before, peak, found = pa.total_allocated_bytes(), 0, []
    for block_BD in column.blocks():
        peak = max(peak, pa.total_allocated_bytes() - before)
        found.append(block_BD.copy())
    assert np.array_equal(np.concatenate(found), rows_ND)
    assert peak < rows_ND.nbytes / 4
