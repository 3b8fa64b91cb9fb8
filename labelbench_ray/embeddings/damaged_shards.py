"""Missing and damaged shards of a finished store: found, set aside, and compared once they are embedded again."""

from pathlib import PurePosixPath

from labelbench_ray.embeddings.embed import EmbeddedShard
from labelbench_ray.embeddings.shards import ShardId, read_shard
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.errors import StoreError
from labelbench_ray.storage.quarantine import set_aside


def set_damaged_aside(store: EmbeddingStore) -> list[ShardId]:
    """The shards of a finished store that are missing or differ from its manifest; their files are set aside."""
    damaged: list[ShardId] = []
    for entry in store.manifest.shards:
        try:
            read_shard(store.directory, entry)
        except StoreError as error:
            set_aside(store.directory, [store.directory / entry.file], str(error))
            damaged.append(entry.id)
    return damaged


def missing_shards(store: EmbeddingStore) -> list[ShardId]:
    """The shards of a finished store whose files are missing."""
    there = {path.name for path in (store.directory / "shards").iterdir()}
    return [entry.id for entry in store.manifest.shards if PurePosixPath(entry.file).name not in there]


def check_same_again(store: EmbeddingStore, made: EmbeddedShard) -> None:
    """Refuse a shard that was embedded again and differs from the store's manifest."""
    stated = next(entry for entry in store.manifest.shards if entry.file == made.entry.file)
    if made.entry != stated and made.entry.model_copy(update={"contents": ""}) != stated:
        raise StoreError(
            f"{store.directory / made.entry.file}: was damaged, and embedding its rows again on {made.compute!r} gave "
            f"other content than the manifest states (made on {store.manifest.compute!r}); put the file back from a "
            f"copy, or delete {store.directory} to embed everything again"
        )
