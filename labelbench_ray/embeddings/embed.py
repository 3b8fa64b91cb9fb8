"""Embedding as plain functions: read a shard's rows, embed them, and write the shard.

A store and its augmented views are made by one job in one way. A shard of the store itself embeds each row as it is; a
shard of a view embeds two forms of the same rows side by side. The worker that embeds a shard writes it by rename, so a
job that follows a killed one embeds only the missing shards.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.augmentations import WantedViews
from labelbench_ray.config import digest
from labelbench_ray.costs import NOTHING, Cost
from labelbench_ray.datasets import Records, Source, without_label
from labelbench_ray.datasets._records import check_records
from labelbench_ray.embeddings.augmented import view_directory
from labelbench_ray.embeddings.cut_texts import note_cut
from labelbench_ray.embeddings.decoding import DecodedShard
from labelbench_ray.embeddings.facts import no_rows, with_facts
from labelbench_ray.embeddings.footers import read_footer
from labelbench_ray.embeddings.shards import LoadedShard, ShardEntry, ShardId, ShardRows, load_shard, shard_bytes
from labelbench_ray.encoders import AheadNetwork, Decoded, Device, Encoder, Network
from labelbench_ray.encoders.networks.device_models import device_model
from labelbench_ray.environment import ROW_SECONDS
from labelbench_ray.errors import DataError, StoreError
from labelbench_ray.pool.facts import Facts
from labelbench_ray.storage.atomic import publish
from labelbench_ray.storage.parallel import read_ahead

FEW_ROWS: Final = 2048
"""Up to this many rows are read by one process and, unless more actors are asked for, embedded by one: each further one
takes seconds of CPU to start, which is longer than it saves."""


@dataclass(frozen=True, slots=True)
class EmbeddingJob:
    """The settings of an embedding that workers need; small, since every task carries them."""

    encoder: Encoder
    directory: Path
    """The store's."""
    recipe: str
    device: Device
    shard_rows: int
    row_seconds: float = ROW_SECONDS
    """A row whose decoding takes longer is rejected."""
    most_rejects: int | None = None
    """Rejects among all rows that --max-reject-fraction allows."""
    marks: Path | None = None
    """Where workers mark the work that they begin; None: no marks, and nothing is retried."""
    views: WantedViews | None = None
    """The augmented views that its shards may belong to."""

    def folder(self, view: int | None) -> Path:
        """Where the shards lie: of the store itself, or of an augmented view."""
        if view is None:
            return self.directory
        assert self.views is not None
        return view_directory(self.directory, self.views.digest, view)

    def recipe_of(self, view: int | None) -> str:
        """The recipe that a shard states."""
        if view is None:
            return self.recipe
        assert self.views is not None
        return digest([self.recipe, self.views.digest, view])


@dataclass(frozen=True, slots=True)
class EmbeddedShard:
    """A finished shard: the facts that the manifest states."""

    entry: ShardEntry
    dimensions: int
    compute: str
    rejects: Mapping[str, str]
    bytes: int
    """Of its file."""
    spent: Cost = NOTHING
    """Zero for a shard that an earlier job made."""
    view: int | None = None
    device: str = ""
    """The model of the processor or GPU; "" for a shard that an earlier job made."""

    @property
    def id(self) -> ShardId:
        """Names the shard in the store."""
        return ShardId(self.entry.split, self.entry.number, self.view)


def all_shards(source: Source, shard_rows: int, splits: Sequence[str] | None = None) -> list[ShardId]:
    """Every shard of the store itself."""
    wanted = source.splits if splits is None else splits
    return [ShardId(split, number) for split in wanted for number in range(-(-len(source.splits[split]) // shard_rows))]


def distinct_rows(job: EmbeddingJob, source: Source, pending: Sequence[ShardId]) -> int:
    """The number of different rows of the source that these shards have."""
    blocks = {(shard.split, shard.number * job.shard_rows) for shard in pending}
    return sum(min(job.shard_rows, len(source.splits[split]) - first) for split, first in blocks)


def read_records(source: Source, shard: ShardId, shard_rows: int) -> Records:
    """The rows of one shard as they lie in the source; `DataError` where its table does not return such rows."""
    first, split = shard.number * shard_rows, source.splits[shard.split]
    records = split.read(first, first + shard_rows)
    num_rows = min(shard_rows, len(split) - first)
    check_records(records, f"{type(split.table).__name__}.read", num_rows, source.task, len(source.classes))
    if shard.split != "pool" and (bare_B := without_label(records.labels_B)).any():
        row_id = records.row_ids[int(np.flatnonzero(bare_B)[0])]
        raise DataError(
            f"the split {shard.split!r}: row {row_id!r} has no label, and rows that measure need one; label it, or "
            "take it out"
        )
    return replace(records, labels_B=records.labels_B.astype(source.task.dtype, copy=False))


def embed_shard(decoded: DecodedShard, network: Network, job: EmbeddingJob, shard: ShardId) -> EmbeddedShard:
    """Embed a shard and write its file: (B, D), of an augmented view (B, 2D): weak, then strong.

    Raises:
        DataError: an embedding is not finite; names the row.
    """
    return write_shard(begin_rows(decoded, network, job, shard)(), network.compute, job, shard)


def begin_rows(decoded: DecodedShard, network: Network, job: EmbeddingJob, shard: ShardId) -> Callable[[], ShardRows]:
    """Begin what needs the network; the returned function waits for the rows and their embeddings, and checks them.

    Both raise as `embed_shard`. While one thread waits, another may begin the next shard.
    """
    if shard.view is None:
        note_cut(job.directory, PurePosixPath(shard.file).stem, network, decoded.forms[0])
    computes_facts = shard.split == "pool" and shard.view is None and bool(job.encoder.fact_names())
    begun = [_begun(decoded.row_ids, form, network, job, computes_facts) for form in decoded.forms]

    def wait() -> ShardRows:
        parts = [each() for each in begun]
        half_BD = np.hstack([_finite_half(decoded.row_ids, embeddings_BD, job) for embeddings_BD, _ in parts])
        facts = Facts({**decoded.facts, **parts[0][1]})
        return ShardRows(
            list(decoded.row_ids), decoded.labels_B, half_BD, decoded.rejects, decoded.contents, decoded.groups_B, facts
        )

    return wait


def write_shard(rows: ShardRows, compute: str, job: EmbeddingJob, shard: ShardId) -> EmbeddedShard:
    """What does not need the network: hash the rows of a shard, and write its file, where they were embedded."""
    return replace(publish_shard(rows, compute, job, shard), device=device_model(job.device))


def publish_shard(rows: ShardRows, compute: str, job: EmbeddingJob, shard: ShardId) -> EmbeddedShard:
    """The same on any machine: states no device."""
    recipe = job.recipe_of(shard.view)
    data = shard_bytes(rows, recipe, compute)
    publish(job.folder(shard.view) / shard.file, data)
    return embedded(shard, LoadedShard(rows, recipe, compute, len(data)))


def _finite_half(row_ids: Sequence[str], embeddings_BD: NDArray[np.floating], job: EmbeddingJob) -> NDArray[np.float16]:
    """(B, D) embeddings of rows; `DataError` names the first that is not finite."""
    with np.errstate(over="ignore"):
        half_BD = embeddings_BD.astype(np.float16)
    finite_B = np.isfinite(half_BD).all(axis=1)
    if not finite_B.all():
        wrong = row_ids[int(np.flatnonzero(~finite_B)[0])]
        raise DataError(
            f"row {wrong!r}: its embedding by {job.encoder!r} holds NaN or is beyond float16's 65,504; embeddings must "
            "be finite; fix or remove that row, or use other weights"
        )
    return half_BD


def _begun(
    row_ids: Sequence[str], form: Sequence[Decoded], network: Network, job: EmbeddingJob, computes_facts: bool
) -> Callable[[], tuple[NDArray[np.floating], Facts]]:
    """Begin (B, D) embeddings by the network, which may be a user's own, and the facts that it computes."""
    if not row_ids:
        nothing = np.empty((0, 1), np.float32), no_rows(job.encoder.fact_names() if computes_facts else ())
        return lambda: nothing
    if computes_facts:
        found = with_facts(network, job.encoder, form, row_ids)
        what = f"{type(network).__name__}.embed_with_facts of {job.encoder!r}"
        return lambda: (_checked(found.embeddings_BD, len(form), what), Facts(found.facts))
    if isinstance(network, AheadNetwork):
        wait = network.embed_ahead(form)
    else:
        embeddings_BD = network.embed(form)
        wait = lambda: embeddings_BD  # noqa: E731
    what = f"{type(network).__name__}.embed of {job.encoder!r}"
    return lambda: (_checked(wait(), len(form), what), Facts())


def _checked(returned: Any, rows: int, what: str) -> NDArray[np.floating]:  # noqa: ANN401  whatever a user returns
    """What a network returned; `DataError` where that is not an embedding a row."""
    is_array = isinstance(returned, np.ndarray)
    if is_array and returned.dtype.kind in "fiu" and returned.shape[:-1] == (rows,):
        embeddings_BD: NDArray[np.floating] = returned
        return embeddings_BD
    got = f"{returned.dtype} of shape {returned.shape}" if is_array else type(returned).__name__
    raise DataError(f"{what} returned {got} for {rows} rows; it must return (B, D) floats, one embedding for each row")


def found_shards(job: EmbeddingJob, shards: Sequence[ShardId]) -> dict[ShardId, EmbeddedShard]:
    """The shards that an earlier, killed job finished, by their footers: damage to their rows is not noticed."""
    return _found(job, shards, stated_shard)


def checked_shards(job: EmbeddingJob, shards: Sequence[ShardId]) -> dict[ShardId, EmbeddedShard]:
    """The same, where every shard is read and checked; damaged ones are deleted."""
    return _found(job, shards, found_shard)


def _found(
    job: EmbeddingJob, shards: Sequence[ShardId], find: Callable[[EmbeddingJob, ShardId], EmbeddedShard | None]
) -> dict[ShardId, EmbeddedShard]:
    there = {
        view: {path.name for path in (job.folder(view) / "shards").iterdir()} for view in {each.view for each in shards}
    }
    named = [each for each in shards if PurePosixPath(each.file).name in there[each.view]]
    found = read_ahead(partial(find, job), named)
    return {shard: each for shard, each in zip(named, found, strict=True) if each}


def stated_shard(job: EmbeddingJob, shard: ShardId) -> EmbeddedShard | None:
    """A finished shard as its footer states it; it is read where the footer does not suffice."""
    path = job.folder(shard.view) / shard.file
    footer = read_footer(path)
    if footer is None:
        return found_shard(job, shard)
    if footer.recipe != job.recipe_of(shard.view):
        return None
    summary = footer.summary
    entry = ShardEntry(
        split=shard.split, number=shard.number, rows=summary.rows, sha256=summary.sha256, contents=summary.contents
    )
    bytes_of_file = path.stat().st_size
    return EmbeddedShard(entry, summary.dimensions, footer.compute, footer.rejects, bytes_of_file, view=shard.view)


def found_shard(job: EmbeddingJob, shard: ShardId) -> EmbeddedShard | None:
    """A shard that an earlier, killed job finished; one that is damaged or of another recipe does not count."""
    path = job.folder(shard.view) / shard.file
    try:
        loaded = load_shard(path)
    except StoreError:
        path.unlink(missing_ok=True)
        return None
    return embedded(shard, loaded) if loaded.recipe == job.recipe_of(shard.view) else None


def embedded(shard: ShardId, loaded: LoadedShard) -> EmbeddedShard:
    """The facts of a shard as it lies on disk."""
    rows = loaded.rows
    sha256, contents = rows.sha256(), rows.contents_sha256()
    entry = ShardEntry(split=shard.split, number=shard.number, rows=len(rows.row_ids), sha256=sha256, contents=contents)
    dimensions = rows.embeddings_BD.shape[1]
    return EmbeddedShard(entry, dimensions, loaded.compute, rows.rejects, loaded.bytes, view=shard.view)
