"""Arrays that a `.npz` file states to be hundreds of times what it holds are refused before memory is taken."""

import struct
from pathlib import Path

import numpy as np
import pytest

from labelbench_ray.datasets.vectors import headers
from labelbench_ray.errors import DataError

ZEROS_ND = np.zeros((2000, 128), np.float32)


def written(folder: Path, array_ND: np.ndarray) -> Path:
    path = folder / "x.npz"
    np.savez_compressed(path, embeddings=array_ND)
    return path


def test_a_large_array_that_is_packed_hundreds_of_times_smaller_is_refused(tmp_path: Path, monkeypatch) -> None:
    path = written(tmp_path, ZEROS_ND)
    assert headers.npz_headers(str(path))["embeddings"].shape == ZEROS_ND.shape, "a small one fits in memory"
    monkeypatch.setattr(headers, "LARGE", ZEROS_ND.nbytes)
    with pytest.raises(DataError, match=r"x\.npz, array 'embeddings': 1,024,128 bytes from [\d,]+ packed ones"):
        headers.npz_headers(str(path))


def test_packed_bytes_beyond_the_file_s_own_do_not_count(tmp_path: Path, monkeypatch) -> None:
    path = written(tmp_path, ZEROS_ND)
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, content.index(b"PK\x01\x02") + 20, 2**31)
    path.write_bytes(content)
    monkeypatch.setattr(headers, "LARGE", ZEROS_ND.nbytes)
    with pytest.raises(DataError, match=f"from {len(content):,} packed ones"):
        headers.npz_headers(str(path))


def test_large_embeddings_of_any_ordinary_kind_pass(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(headers, "LARGE", 1)
    draw = np.random.default_rng(0)
    sparse_ND = np.where(draw.random((2000, 128)) < 0.02, draw.random((2000, 128)), 0).astype(np.float32)
    for array_ND in (draw.random((2000, 128), np.float32), sparse_ND):
        assert headers.npz_headers(str(written(tmp_path, array_ND)))["embeddings"].shape == array_ND.shape
