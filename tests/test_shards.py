"""A shard holds what was put in, or is refused by its file's name."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as draw
from hypothesis.extra.numpy import arrays

from labelbench_ray.embeddings.shards import ShardRows, load_shard, rejects_bytes, shard_bytes
from labelbench_ray.errors import StoreError

text = draw.text(draw.characters(exclude_categories=["Cs"]), max_size=8)


@draw.composite
def shard_rows(choose: draw.DrawFn) -> ShardRows:
    row_ids = sorted(choose(draw.sets(text, max_size=6)))
    width = choose(draw.integers(1, 4))
    return ShardRows(
        row_ids,
        choose(arrays(np.int64, len(row_ids), elements=draw.integers(0, 2**40))),
        choose(arrays(np.float16, (len(row_ids), width), elements=draw.floats(-1000, 1000, width=16))),
        choose(draw.dictionaries(text, text, max_size=3)),
    )


SHARD = ShardRows(
    [f"row/{number}" for number in range(5)],
    np.arange(5),
    np.arange(15, dtype=np.float16).reshape(5, 3) / 7,
    {"row/9": "cannot be decoded"},
)


def assert_equal(found: ShardRows, expected: ShardRows) -> None:
    assert found.row_ids == expected.row_ids
    np.testing.assert_array_equal(found.labels_B, expected.labels_B)
    np.testing.assert_array_equal(found.embeddings_BD, expected.embeddings_BD)
    assert found.embeddings_BD.dtype == np.float16
    assert dict(found.rejects) == dict(expected.rejects)


@given(shard=shard_rows(), recipe=text, compute=text)
def test_what_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, shard: ShardRows, recipe: str, compute: str
):
    path = tmp_path_factory.mktemp("shard") / "pool-00000.parquet"
    path.write_bytes(shard_bytes(shard, recipe, compute))
    loaded = load_shard(path)
    assert_equal(loaded.rows, shard)
    assert (loaded.recipe, loaded.compute) == (recipe, compute)
    assert loaded.rows.sha256() == shard.sha256()


@given(one=shard_rows(), other=shard_rows())
def test_the_hash_distinguishes_shards(one: ShardRows, other: ShardRows):
    same = (
        one.row_ids == other.row_ids
        and one.labels_B.tobytes() == other.labels_B.tobytes()
        and one.embeddings_BD.tobytes() == other.embeddings_BD.tobytes()
        and one.rejects == other.rejects
    )
    assert (one.sha256() == other.sha256()) == same


def damaged(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_a_flipped_bit_is_refused_by_name_or_changes_nothing(tmp_path):
    """Some bits of a parquet file decide nothing, such as the name of the program that wrote it."""
    whole = shard_bytes(SHARD, "recipe", "compute")
    for place in range(0, len(whole), 5):
        data = bytearray(whole)
        data[place] ^= 1 << place % 8
        path = damaged(tmp_path / "pool-00003.parquet", bytes(data))
        refusal = None
        try:
            loaded = load_shard(path)
        except StoreError as error:
            refusal = str(error)
        if refusal is None:
            assert_equal(loaded.rows, SHARD)
            assert (loaded.recipe, loaded.compute) == ("recipe", "compute"), f"byte {place}"
        else:
            assert "pool-00003.parquet" in refusal


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.99])
def test_a_file_cut_short_is_refused_by_name(tmp_path, share: float):
    whole = shard_bytes(SHARD, "recipe", "compute")
    with pytest.raises(StoreError, match=r"pool-00003.parquet"):
        load_shard(damaged(tmp_path / "pool-00003.parquet", whole[: int(share * len(whole))]))


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path):
    with pytest.raises(StoreError, match=r"pool-00003.parquet"):
        load_shard(tmp_path / "pool-00003.parquet")


@pytest.mark.parametrize(
    "columns",
    [
        {"text": ["a", "b"]},
        {"row_id": ["a", "b"], "label": [0, 1], "embedding": [[1.0], [2.0]]},
    ],
)
def test_a_parquet_file_of_someone_else_s_is_refused_by_name(tmp_path, columns: dict):
    pq.write_table(pa.table(columns), tmp_path / "pool-00003.parquet")
    with pytest.raises(StoreError, match=r"pool-00003.parquet"):
        load_shard(tmp_path / "pool-00003.parquet")


def test_rejects_are_read_again(tmp_path):
    rows = [("row/9", "pool", "cannot be decoded"), ("row/10", "test", "no image")]
    path = damaged(tmp_path / "rejects.parquet", rejects_bytes(rows))
    assert [tuple(row.values()) for row in pq.read_table(path).to_pylist()] == rows
