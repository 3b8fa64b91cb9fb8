"""The origin of an embedding store's rows, and whether it has changed since.

    <store>/<key>/source.parquet      the files of the data set as last compared: part, name, size, modified (ns)
    <store>/<key>/contents.parquet    key, label and content of every row, of a store whose shards do not state them

A command that finds all files as recorded, and the same signature (names, sizes, labels), accepts the store at once.
Otherwise the rows of the files that differ are read and hashed again: equal rows are recorded with the current files;
other rows end the command. Without `source.parquet` every row is compared. An edit that keeps a file's size and its
time of modification is detected only in labels, and in ids that stand in a column.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from labelbench_ray.datasets import FileTable, Source, Split, Table
from labelbench_ray.embeddings.changes import SHOWN, Changes, FileChange, RowChange, SplitChanges, class_change
from labelbench_ray.embeddings.contents import SCHEMA, hashed_table
from labelbench_ray.embeddings.external.files import changed_files, paths_now
from labelbench_ray.embeddings.external.places import places_now, recorded_places
from labelbench_ray.embeddings.label_columns import label_column
from labelbench_ray.embeddings.manifests import publish_manifest
from labelbench_ray.embeddings.shard_contents import read_contents
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.errors import ChangedDataError, DataError, StoreError
from labelbench_ray.storage.parallel import read_each
from labelbench_ray.storage.tables import read_table, write_table
from labelbench_ray.tasks import Task

SOURCE, CONTENTS = "source.parquet", "contents.parquet"
HASHED_ROWS: Final = 256
"""Read and hashed at once by a thread."""
FILES: Final = pa.schema(
    [("part", pa.large_string()), ("name", pa.large_string()), ("size", pa.int64()), ("modified", pa.int64())]
)
FilesToRead = Mapping[str, NDArray[np.bool_]]
"""For each table's name, (F,) whether a file's rows are read again; all files of a table that is not named are."""
ALL_FILES: Final[FilesToRead] = {}


@dataclass(frozen=True, slots=True, eq=False)
class FoundSource:
    """A data set's files and its signature when its rows were compared; `files` has the schema `FILES`."""

    signature: str
    files: Any

    def same(self, other: "FoundSource") -> bool:
        """Whether nothing differs that is visible without reading rows."""
        return self.signature == other.signature and bool(self.files.equals(other.files))


def found_source(source: Source) -> FoundSource:
    """The files and the signature of an opened data set."""
    tables = [_file_table(part, table) for part, table in _file_tables(source)]
    return FoundSource(source.signature, pa.concat_tables([FILES.empty_table(), *tables]).combine_chunks())


def _file_table(part: str, table: FileTable) -> Any:  # noqa: ANN401  pyarrow has no types
    files = table.found_files()
    parts = pa.repeat(pa.scalar(part, pa.large_string()), len(files.sizes_F))
    return pa.table([parts, files.names_F, pa.array(files.sizes_F), pa.array(files.modified_F)], schema=FILES)


def write_source(directory: Path, found: FoundSource) -> None:
    """Record the source that a store's rows were compared with."""
    write_table(directory / SOURCE, found.files, {"signature": found.signature})


def read_source(directory: Path) -> FoundSource | None:
    """The recorded source; None if it is missing or damaged: then every row is compared."""
    read = read_table(directory / SOURCE)
    if read is None or not read.schema.equals(FILES) or b"signature" not in (read.schema.metadata or {}):
        return None
    return FoundSource(read.schema.metadata[b"signature"].decode(), read.replace_schema_metadata())


def check_same_data(store: EmbeddingStore, source: Source) -> None:
    """Refuse a data set that differs from the store's.

    Raises:
        ChangedDataError: rows, labels, contents or classes differ; states which.
    """
    if changes := data_changes(store, source):
        raise changed_data(store, changes)


def changed_data(store: EmbeddingStore, changes: Changes) -> ChangedDataError:
    """The error for data that differ from the store's."""
    return ChangedDataError(
        f"{store.directory}: was made from other data than are here now ({changes}); put the earlier data back to go "
        "on, or start afresh: name another --runs and another --store, or move this folder and the experiment's "
        "folder away"
    )


def data_changes(store: EmbeddingStore, source: Source) -> Changes | None:
    """How a data set differs from the store; None, and a record of that, if it does not.

    None also if a damaged shard prevents the comparison: `embed` makes the shard again and compares then.
    """
    found, recorded, classes = found_source(source), read_source(store.directory), store.manifest.classes
    external = store.manifest.external
    paths = paths_now(external, source)
    if recorded and recorded.same(found) and classes == source.classes and paths == store.manifest.external_paths:
        return None
    try:
        before = recorded_places(store.directory, store.manifest) if external else _recorded_rows(store)
    except StoreError:
        return None
    unknown = not external and any(rows["content"].null_count for rows in before.values())
    again = ALL_FILES if unknown or recorded is None else _files_to_read(recorded, found)
    if external:  # whole files are compared, by their hashes, and which row of them each id names
        now = places_now(source)
    else:
        now = {name: _rows_now(source, split, again) for name, split in source.splits.items()}
    both = [name for name in before if name in now]
    splits = [_differences(name, before[name], now[name], source.task, classes, source.classes) for name in both]
    other = (class_change(classes, source.classes), _changes(recorded, found), store.manifest.evaluation_change(source))
    changes = Changes(tuple(filter(None, splits)), *other, contents=tuple(changed_files(external, paths)))
    other_files = unknown and store.manifest.signature not in (source.listing, source.signature)
    if changes.splits or changes.classes or changes.evaluation or changes.contents or other_files:
        return changes
    with suppress(OSError):  # a read-only store is compared each time
        if unknown:
            splits_now = [rows.append_column("split", pa.repeat(name, len(rows))) for name, rows in now.items()]
            write_table(store.directory / CONTENTS, pa.concat_tables(splits_now), {"store": store.manifest.content})
        write_source(store.directory, found)
        if paths != store.manifest.external_paths:
            publish_manifest(store.directory, store.manifest.moved(paths))
    return None


def _file_tables(source: Source) -> list[tuple[str, FileTable]]:
    return [(part, table) for part, table in source.tables().items() if isinstance(table, FileTable)]


def check_signature(store: EmbeddingStore, source: Source) -> None:
    """Refuse data whose names, sizes or labels differ from the recorded ones; times of modification are ignored.

    This is for workers: the command that started them has compared the rows.
    """
    recorded = read_source(store.directory)
    stated = {recorded.signature} if recorded else {store.manifest.signature}
    if not stated & {source.signature, *(() if recorded else (source.listing,))}:
        raise ChangedDataError(
            f"{store.directory}: was made from other data than are on this machine; bring the same data to every node"
        )


def recorded_contents(store: EmbeddingStore, split: str) -> dict[str, bytes | None]:
    """The hash of every row's payload, by its id; None if it is unknown."""
    rows = _recorded_rows(store)[split]
    return dict(zip(rows["row_id"].to_pylist(), rows["content"].to_pylist(), strict=True))


def recorded_folded(store: EmbeddingStore, split: str) -> dict[str, bytes | None]:
    """The hash of every row's payload, by its id; for texts, without case and spacing."""
    rows = _recorded_rows(store)[split]
    return dict(zip(rows["row_id"].to_pylist(), pc.coalesce(rows["folded"], rows["content"]).to_pylist(), strict=True))


def check_unchanged(before: Source, after: Source) -> None:
    """Refuse data that changed while they were embedded; names the files."""
    first, second = found_source(before), found_source(after)
    if not first.same(second):
        changes = Changes((), class_change(before.classes, after.classes), _changes(first, second))
        raise DataError(
            f"the data changed while they were embedded ({changes}); run the same command again: it keeps the rows "
            "that are as they were, and embeds the others"
        )


def same_rows(source: Source, split: str, rows: slice, recorded: FoundSource | None, before: Any) -> bool:  # noqa: ANN401
    """Whether some rows of a split, such as a shard's, are unchanged (`before` has the schema `contents.SCHEMA`)."""
    again = _files_to_read(recorded, found_source(source)) if recorded else ALL_FILES
    every = source.splits[split]
    now = _rows_now(source, replace(every, rows=every.rows[rows]), again)
    return not _differences(split, before, now, source.task, source.classes, source.classes)


def _files_to_read(recorded: FoundSource, found: FoundSource) -> FilesToRead:
    """The files that differ from the recorded ones; all of them if only the signature differs."""
    differs_F = _differing(recorded.files, found.files)
    if recorded.signature != found.signature and not differs_F.any():
        return ALL_FILES
    parts = found.files["part"]
    return {part.as_py(): differs_F[pc.equal(parts, part).to_numpy()] for part in pc.unique(parts)}


def _differing(before: Any, now: Any) -> NDArray[np.bool_]:  # noqa: ANN401
    """(F,) whether a file of `now` is new or has changed."""
    known = before.take(pc.index_in(_names(now), value_set=_names(before)))
    same = pc.and_(pc.equal(known["size"], now["size"]), pc.equal(known["modified"], now["modified"]))
    return ~np.asarray(pc.fill_null(same, False).to_numpy(), bool)


def _names(files: Any) -> Any:  # noqa: ANN401
    """A name for each file that is unique in the data set: two of its parts may have files of the same name."""
    return _flat(pc.binary_join_element_wise(files["part"], files["name"], pa.scalar("\0", pa.large_string())))


def _changes(recorded: FoundSource | None, found: FoundSource) -> tuple[FileChange, ...]:
    """The files that differ: the present ones by time of modification, then the missing ones."""
    if recorded is None:
        return ()
    here = found.files.filter(pa.array(_differing(recorded.files, found.files))).sort_by("modified")
    gone = recorded.files.filter(pc.invert(pc.is_in(_names(recorded.files), value_set=_names(found.files))))
    return (
        *(
            FileChange(name, when)
            for name, when in zip(*(here[each].to_pylist() for each in ("name", "modified")), strict=True)
        ),
        *(FileChange(name, None) for name in gone["name"].to_pylist()),
    )


def _recorded_rows(store: EmbeddingStore) -> dict[str, Any]:
    """The rows of every split in the store; unknown contents are null."""
    shards = store.manifest.shards
    if not all(entry.contents for entry in shards):
        adopted = read_table(store.directory / CONTENTS)
        if adopted is not None and adopted.schema.metadata[b"store"].decode() == store.manifest.content:
            splits = ((name, pc.equal(adopted["split"], name)) for name in store.manifest.splits)
            return {name: adopted.filter(mine).drop_columns("split") for name, mine in splits}
    tables = read_each(partial(read_contents, store.directory), shards)
    found = {name: [tables[0].slice(0, 0)] for name in store.manifest.splits}
    for entry, table in zip(shards, tables, strict=True):
        found[entry.split].append(table)
    return {name: pa.concat_tables(each) for name, each in found.items()}


def _rows_now(source: Source, split: Split, again: FilesToRead) -> Any:  # noqa: ANN401
    """The current rows of a split; contents that need not be read are null."""
    table, rows = split.table, np.asarray(split.rows, dtype=np.int64)
    if not isinstance(table, FileTable):
        return _hashed(table, rows)
    (part,) = (name for name, each in source.tables().items() if each is table)
    read_N = again[part][table.file_numbers(rows)] if part in again else np.full(len(rows), True)
    hashes = [pa.nulls(len(rows), SCHEMA.field(name).type) for name in ("content", "folded")]
    if read_N.any():
        read = _hashed(table, rows[read_N])
        found = [_flat(read[name]) for name in ("content", "folded")]
        hashes = [pc.replace_with_mask(null, pa.array(read_N), one) for null, one in zip(hashes, found, strict=True)]
    return pa.table([table.row_ids(rows), label_column(table.labels(rows)), *hashes], names=SCHEMA.names)


def _hashed(table: Table, rows_B: NDArray[np.int64]) -> Any:  # noqa: ANN401
    """Rows, read and hashed in threads; nothing is decoded."""
    parts = np.split(rows_B, range(HASHED_ROWS, len(rows_B), HASHED_ROWS))
    return pa.concat_tables(read_each(lambda part: hashed_table(table.read(part)), parts))


def _differences(
    split: str,
    before: Any,  # noqa: ANN401
    now: Any,  # noqa: ANN401
    task: Task,
    classes: tuple[str, ...],
    classes_now: tuple[str, ...],
) -> SplitChanges:
    """The changes of a split's rows; labels are compared by the names of their classes."""
    before, now = before.combine_chunks(), now.combine_chunks()
    ids_before, ids_now = (_flat(rows["row_id"]) for rows in (before, now))
    place_N = pc.index_in(ids_now, value_set=ids_before)
    known = before.take(place_N)
    label, label_now = (
        task.in_words(_flat(rows["label"]), names) for names, rows in ((classes, known), (classes_now, now))
    )
    counts = pc.value_counts(ids_now)
    return SplitChanges(
        split,
        gone=_row_change(ids_before, pc.invert(pc.is_in(ids_before, value_set=ids_now))),
        new=_row_change(ids_now, pc.is_null(place_N)),
        repeated=_row_change(counts.field("values"), pc.greater(counts.field("counts"), 1)),
        relabeled=_row_change(ids_now, pc.not_equal(label, label_now)),
        altered=_row_change(ids_now, pc.not_equal(_flat(known["content"]), _flat(now["content"]))),
    )


def _row_change(row_ids: Any, changed: Any) -> RowChange:  # noqa: ANN401
    """The rows for which `changed` is true; null (unknown) counts as false."""
    found = row_ids.filter(pc.fill_null(changed, False))
    return RowChange(len(found), tuple(found.slice(0, SHOWN).to_pylist()))


def _flat(column: Any) -> Any:  # noqa: ANN401
    """A column as one array."""
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
