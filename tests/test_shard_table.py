"""The side file of a manifest of many shards: it states what manifest.json states, or it is made again."""

import json
import pickle
from pathlib import Path

import pytest

from labelbench_ray.config import digest
from labelbench_ray.embeddings import manifests, shard_table
from labelbench_ray.embeddings.manifests import FILE, Manifest, publish_manifest
from labelbench_ray.embeddings.shard_table import FILE as SIDE_FILE
from labelbench_ray.embeddings.shard_table import ShardTable
from labelbench_ray.embeddings.shards import ShardEntry
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.errors import OtherVersionError, StoreError
from labelbench_ray.storage import checksummed

ENTRIES = tuple(
    ShardEntry(split=split, number=number, rows=7 + number, sha256=f"{number:064d}", contents="c" * 64)
    for split, count in {"pool": 5, "validation": 2, "test": 1}.items()
    for number in range(count)
)


def manifest_of(entries: tuple[ShardEntry, ...]) -> Manifest:
    return Manifest(
        key="store",
        dataset={"name": "d"},
        encoder={"name": "e"},
        signature="s",
        weights="w",
        preprocessing="p",
        compute="numpy",
        classes=("a", "b"),
        dimensions=4,
        rejects=0,
        seconds=1.0,
        shards=ShardTable.of(entries),
    )


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished store whose manifest counts as one of many shards."""
    monkeypatch.setattr(shard_table, "MANY_SHARDS", 3)
    directory = tmp_path / "store"
    directory.mkdir()
    publish_manifest(directory, manifest_of(ENTRIES))
    return directory


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the JSON texts that are parsed as manifests from here on."""
    sizes: list[int] = []

    def value_of(kind: type[Manifest], path: Path, data: bytes, *hints: str) -> Manifest:
        sizes.append(len(data))
        return checksummed.value_of(kind, path, data, *hints)

    monkeypatch.setattr(manifests, "value_of", value_of)
    return sizes


def test_entries_are_those_that_it_was_made_of() -> None:
    table = ShardTable.of(ENTRIES)
    assert tuple(table) == table[:] == ENTRIES
    assert (table[-1], table[1:4:2]) == (ENTRIES[-1], ENTRIES[1:4:2])
    assert tuple(table.split("validation")) == ENTRIES[5:7]
    assert (table.splits, table.num_rows) == (("pool", "validation", "test"), sum(each.rows for each in ENTRIES))
    assert pickle.loads(pickle.dumps(table)) == table != ShardTable.of(ENTRIES[1:])  # noqa: S301  we wrote it
    assert (len(ShardTable.of(())), ShardTable.of(()).num_rows, [*ShardTable.of(())]) == (0, 0, [])
    with pytest.raises(IndexError):
        table[len(ENTRIES)]


def test_a_manifest_states_the_entries_as_a_list() -> None:
    manifest = manifest_of(ENTRIES)
    stated = json.loads(manifest.model_dump_json())
    assert stated["shards"] == [entry.model_dump() for entry in ENTRIES]
    assert Manifest.model_validate(stated) == manifest
    content = digest([["a", "b"], "numpy", [[entry.split, entry.sha256] for entry in ENTRIES]])
    assert manifest.content == content


def test_the_side_file_states_what_the_manifest_states(store: Path, parsed: list[int]) -> None:
    opened = EmbeddingStore.open(store).manifest
    assert opened == manifest_of(ENTRIES)
    assert opened.content == manifest_of(ENTRIES).content
    assert max(parsed) < len((store / FILE).read_bytes()) / 2  # the shards were not parsed


def test_a_manifest_of_few_shards_has_no_side_file(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    publish_manifest(tmp_path / "store", manifest_of(ENTRIES))
    assert [path.name for path in (tmp_path / "store").iterdir()] == [FILE]


@pytest.mark.parametrize("damage", ["missing", "cut", "flipped", "empty"])
def test_a_damaged_side_file_is_made_again(store: Path, parsed: list[int], damage: str) -> None:
    path = store / SIDE_FILE
    data = path.read_bytes()
    path.write_bytes({"cut": data[:-9], "flipped": data[:-9] + bytes([data[-9] ^ 1]) + data[-8:]}.get(damage, b""))
    if damage == "missing":
        path.unlink()
    assert EmbeddingStore.open(store).manifest == manifest_of(ENTRIES)
    assert parsed == [len((store / FILE).read_bytes())]
    assert path.read_bytes() == data


def test_another_manifest_json_is_the_truth(store: Path) -> None:
    (store / FILE).write_text(manifest_of(ENTRIES[1:]).model_dump_json(indent=1))
    for _ in range(2):
        assert tuple(EmbeddingStore.open(store).manifest.shards) == ENTRIES[1:]


def test_the_manifest_is_checked_beside_a_side_file(store: Path) -> None:
    (store / FILE).write_bytes((store / FILE).read_bytes()[:-5])
    with pytest.raises(StoreError, match="is not JSON"):
        EmbeddingStore.open(store)
    content = manifest_of(ENTRIES).model_dump(mode="json")
    (store / FILE).write_text(json.dumps(content | {"colour": "red"}))
    with pytest.raises(OtherVersionError, match="colour"):
        EmbeddingStore.open(store)
    (store / FILE).unlink()
    with pytest.raises(StoreError, match="no such file"):
        EmbeddingStore.open(store)


def test_a_store_that_cannot_be_written_is_opened(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, data: bytes) -> None:
        raise PermissionError(f"{path}: {len(data)} bytes")

    (store / SIDE_FILE).unlink()
    monkeypatch.setattr(shard_table, "publish", refuse)
    assert tuple(EmbeddingStore.open(store).manifest.shards) == ENTRIES
