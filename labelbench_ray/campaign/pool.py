"""The rows of a campaign's pool, and their embeddings.

`pool.parquet` has a line for each row, in the order of the embedding store: its id, a hash of its payload, and the
version of the pool that brought it. A pool may gain rows, which makes a new version. It may not lose or change any:
what was chosen and answered is about these rows.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labelbench_ray.datasets import Source
from labelbench_ray.embeddings.complete import Embedder, Progress, complete_store
from labelbench_ray.embeddings.contents import HASH_BYTES
from labelbench_ray.embeddings.shard_contents import read_contents
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.environment import Environment
from labelbench_ray.errors import ChangedDataError, DamagedError, DataError
from labelbench_ray.storage.locks import Lock
from labelbench_ray.storage.tables import read_table, write_table
from labelbench_ray.trial.parts import Parts
from labelbench_ray.types import Ids

POOL: Final = "pool.parquet"
SCHEMA: Final = pa.schema([("row_id", pa.large_string()), ("content", pa.binary(HASH_BYTES)), ("version", pa.int32())])
NAMED: Final = 3
"""Rows that an error names; the others are counted."""


@dataclass(frozen=True)
class KnownRows:
    """The rows of a pool as its campaign knows them; a row's place is its pool id."""

    table: Any
    store: str
    """The store's folder below `--store`."""
    content: str
    """The store's content hash."""

    @cached_property
    def row_ids(self) -> list[str]:
        """Of every row."""
        found: list[str] = self.table.column("row_id").to_pylist()
        return found

    def __len__(self) -> int:
        return len(self.table)

    @property
    def versions(self) -> int:
        """How often the pool was found with more rows than before, and the first time."""
        return int(pc.max(self.table.column("version")).as_py()) + 1

    def places(self, row_ids: Sequence[str]) -> Ids:
        """(B,) pool ids of these rows; -1 for a row that the pool does not have."""
        wanted = pa.array(row_ids, pa.large_string())
        found = pc.index_in(wanted, value_set=self.table.column("row_id").combine_chunks())
        return np.asarray(pc.fill_null(found, -1), np.int64)


@dataclass(frozen=True, slots=True)
class OpenPool:
    """A pool with its embeddings."""

    known: KnownRows
    store: EmbeddingStore
    gained: int
    """Rows that are new since the last proposal."""


def read_known(folder: Path) -> KnownRows | None:
    """What a campaign knows of its pool; None before its first proposal.

    Raises:
        DamagedError: `pool.parquet` is damaged.
    """
    if not (folder / POOL).is_file():
        return None
    table = read_table(folder / POOL)
    stated = {} if table is None else table.schema.metadata or {}
    if table is None or not table.schema.equals(SCHEMA) or not {b"store", b"content"} <= {*stated}:
        raise DamagedError(
            f"{folder / POOL}: is damaged; delete it, and propose writes it again from the pool as it is now"
        )
    return KnownRows(table.replace_schema_metadata(), stated[b"store"].decode(), stated[b"content"].decode())


def known_rows(folder: Path) -> KnownRows:
    """The same of a campaign that has proposed a batch.

    Raises:
        DamagedError: `pool.parquet` is damaged or missing.
    """
    known = read_known(folder)
    if known is None:
        raise DamagedError(f"{folder / POOL}: is missing; propose the last batch again, which writes it")
    return known


def open_pool(
    folder: Path,
    lock: Lock,
    known: KnownRows | None,
    built: Parts,
    environment: Environment,
    embedder: Embedder,
    progress: Progress,
) -> OpenPool:
    """Embed what is not embedded, and compare the rows with those of the last proposal.

    Args:
        folder: the campaign's.
        lock: of it.
        known: the rows of the last proposal; None for the first.
        built: the parts that name the store.
        environment: where data and stores lie.
        embedder: embeds rows.
        progress: is called with the rows that are embedded, and all.

    Raises:
        DataError: rows were removed or changed; names them.
        UserError: as from `complete_store`.
    """
    source = built.dataset.open(environment.data_root)
    store = _store(known, built, source, environment, embedder, progress)
    place = str(store.directory.relative_to(environment.store))
    if known is not None and (known.store, known.content) == (place, store.manifest.content):
        return OpenPool(known, store, 0)
    now = _rows(store)
    if known is not None:
        _check_kept(known, now)
    versions, gained = _versions(known, now)
    table = now.append_column(SCHEMA.field("version"), versions)
    lock.check()
    write_table(folder / POOL, table, {"store": place, "content": store.manifest.content})
    return OpenPool(KnownRows(table, place, store.manifest.content), store, gained)


def _store(
    known: KnownRows | None,
    built: Parts,
    source: Source,
    environment: Environment,
    embedder: Embedder,
    progress: Progress,
) -> EmbeddingStore:
    """The store that was used last, the usual one of the recipe, or one for this version of the pool: the first that
    was made from the rows that are here now.
    """
    key, version = built.embedding, f"version-{source.signature[:16]}"
    last = str(Path(known.store).parent) if known else "."
    for place in dict.fromkeys((last, ".", version)):
        with suppress(ChangedDataError):
            return complete_store(
                built.store_recipe,
                built.wanted_views,
                replace(environment, store=environment.store if place == "." else environment.store / place),
                embedder,
                progress,
                source,
            )
    raise DataError(
        f"{environment.store / version / key}: files of the pool changed and kept their names and sizes; delete that "
        "folder, and run the same command again"
    )


def _rows(store: EmbeddingStore) -> Any:  # noqa: ANN401  pyarrow has no types
    """row_id and content of every embedded row, in the order of the store."""
    schema = pa.schema([SCHEMA.field("row_id"), SCHEMA.field("content")])
    if store.manifest.external:
        rows_ND = store.arrays().pool.embeddings_ND
        hashes = [blake2b(np.ascontiguousarray(row_D).tobytes(), digest_size=HASH_BYTES).digest() for row_D in rows_ND]
        return pa.table([store.row_ids(), hashes], schema=schema)
    parts = [schema.empty_table()]
    for entry in store.manifest.shards.split("pool"):
        # Rejected rows come after the embedded ones.
        parts.append(read_contents(store.directory, entry).slice(0, entry.rows).select(["row_id", "content"]))
    return pa.concat_tables([part.cast(schema) for part in parts]).combine_chunks()


def _check_kept(known: KnownRows, now: Any) -> None:  # noqa: ANN401
    places_N = KnownRows(now, "", "").places(known.row_ids)
    gone_N = places_N < 0
    if gone_N.any():
        raise DataError(
            f"the pool lost {_named(known, gone_N)}; a campaign is about the rows that it began with: bring them back, "
            "or begin another campaign (--campaign DIR)"
        )
    same = pc.equal(known.table.column("content"), now.column("content").take(pa.array(places_N)))
    changed_N = ~np.asarray(pc.fill_null(same, True).to_numpy(zero_copy_only=False), np.bool_)
    if changed_N.any():
        raise DataError(
            f"the pool changed {_named(known, changed_N)}; answers are about what people saw: bring the earlier ones "
            "back, or add the new ones under other names"
        )


def _named(known: KnownRows, which_N: Any) -> str:  # noqa: ANN401
    rows = np.flatnonzero(which_N).tolist()
    shown = ", ".join(repr(known.row_ids[row]) for row in rows[:NAMED])
    more = f" and {len(rows) - NAMED:,} more" if len(rows) > NAMED else ""
    return f"{len(rows):,} row{'s' * (len(rows) > 1)} ({shown}{more})"


def _versions(known: KnownRows | None, now: Any) -> tuple[Any, int]:  # noqa: ANN401
    """The version that brought each row, and the number of new rows."""
    if known is None:
        return pa.array(np.zeros(len(now), np.int32)), 0
    places_N = known.places(now.column("row_id").to_pylist())
    before_N = known.table.column("version").to_numpy()
    new_N = places_N < 0
    versions_N = np.where(new_N, known.versions, before_N[places_N]).astype(np.int32)
    return pa.array(versions_N), int(new_N.sum())
