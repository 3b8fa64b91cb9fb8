"""Finished embeddings: checks over all shards, and then the manifest, of a store and of an augmented view."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from labelbench_ray import plugins
from labelbench_ray.augmentations import WantedViews
from labelbench_ray.costs import total
from labelbench_ray.datasets import Dataset, Modality, Source
from labelbench_ray.embeddings.augmented import check_same_rows, view_directory
from labelbench_ray.embeddings.cut_texts import read_cut
from labelbench_ray.embeddings.embed import EmbeddedShard, EmbeddingJob, embedded
from labelbench_ray.embeddings.facts import stored_facts
from labelbench_ray.embeddings.groups import stored_groups
from labelbench_ray.embeddings.manifests import Embeddings, Manifest, ViewManifest, publish_manifest
from labelbench_ray.embeddings.near_duplicates import near_rows
from labelbench_ray.embeddings.origin import check_same_data, found_source, write_source
from labelbench_ray.embeddings.overlaps import count_overlaps, held_out_rows, remove_rows, write_overlaps
from labelbench_ray.embeddings.repeated_keys import first_repeated_key
from labelbench_ray.embeddings.shard_table import ShardTable
from labelbench_ray.embeddings.shards import rejects_bytes
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.encoders import Encoder
from labelbench_ray.encoders.networks.device_models import one_path
from labelbench_ray.errors import DataError, StoreError
from labelbench_ray.storage.atomic import publish
from labelbench_ray.storage.versions import versions

FEW_REJECTS = 5
"""Rows that may be rejected however few there are, unless no row may be: one damaged photo does not end embedding."""


@dataclass(frozen=True, slots=True)
class StoreRecipe:
    """The plug-ins that an embedding store is made from, with the names that the trial uses."""

    key: str
    dataset_name: str
    dataset: Dataset
    encoder_name: str
    encoder: Encoder

    def fitted(self, source: Source) -> Self:
        """The same, with what the encoder takes from the pool's rows."""
        return replace(self, encoder=self.encoder.fitted(source.splits["pool"]))


def allowed_rejects(fraction: float, total: int) -> int:
    """How many rows may be rejected: a share of all, and of a small data set a few; none if the share is 0."""
    return max(int(fraction * total), FEW_REJECTS) if fraction else 0


def check_rejects(rejects: Sequence[tuple[str, str]], total: int, fraction: float) -> None:
    """Raise `DataError` if more rows are rejected (row_id, reason) than `allowed_rejects`."""
    allowed = allowed_rejects(fraction, total)
    if len(rejects) > allowed:
        row_id, reason = rejects[0]
        raise DataError(
            f"{len(rejects)} of {total} rows cannot be decoded, more than --max-reject-fraction {fraction} allows "
            f"({allowed:,}); the first: {row_id!r}: {reason}; repair or remove such rows, or allow more"
        )


def close_store(
    recipe: StoreRecipe, source: Source, weights: str, job: EmbeddingJob, made: Sequence[EmbeddedShard], seconds: float
) -> None:
    """Write `rejects.parquet` and then the manifest, when every shard is finished."""
    directory = job.directory
    for split in source.splits:
        if len(source.splits[split]) and not any(shard.entry.rows for shard in made if shard.entry.split == split):
            raise DataError(
                f"{directory}: no row of the split {split!r} could be decoded; every split needs at least one"
            )
    check_row_ids(directory, made)
    dimensions = _one_width(recipe.encoder, made)
    if recipe.dataset.drop_duplicates:
        removed = held_out_rows(directory, [shard.entry for shard in made], Modality.of(recipe.dataset.modality()))
        made = _without(directory, made, removed, "drop_duplicates")
    if (cosine := recipe.dataset.drop_near_duplicates) is not None:
        near = near_rows(directory, [shard.entry for shard in made], cosine)
        made = _without(directory, made, near, "drop_near_duplicates")
    measured = _measured(directory, made, seconds)
    rejects = [(row_id, shard.entry.split, reason) for shard in made for row_id, reason in shard.rejects.items()]
    publish(directory / "rejects.parquet", rejects_bytes(rejects))
    write_source(directory, found_source(source))
    overlaps = count_overlaps(directory, measured["shards"], Modality.of(recipe.dataset.modality()))
    manifest = Manifest(
        **measured,
        key=recipe.key,
        dataset=plugins.recipe(recipe.dataset_name, recipe.dataset),
        encoder=plugins.recipe(recipe.encoder_name, recipe.encoder),
        signature=source.signature,
        weights=weights,
        preprocessing=recipe.encoder.preprocessing(),
        classes=source.classes,
        task=recipe.dataset.task,
        dimensions=dimensions,
        shard_rows=job.shard_rows,
        rejects=len(rejects),
        cut=read_cut(directory),
        groups=stored_groups(source),
        facts=stored_facts(source, recipe.encoder),
    )
    write_overlaps(directory, overlaps, manifest.content)
    _publish_manifest(directory, manifest)


def close_view(
    store: EmbeddingStore, wanted: WantedViews, view: int, made: Sequence[EmbeddedShard], seconds: float
) -> ViewManifest:
    """Write the manifest of an augmented view when every shard is finished.

    Raises:
        StoreError: a shard holds other rows than the store's own.
    """
    directory = view_directory(store.directory, wanted.digest, view)
    check_same_rows(store.directory, directory, [shard.entry for shard in made])
    measured = _measured(directory, made, seconds)
    manifest = ViewManifest(**measured, view=view, augmentation=wanted.recipe, base=store.manifest.content)
    _publish_manifest(directory, manifest)
    return manifest


def _without(
    directory: Path, made: Sequence[EmbeddedShard], removed: Mapping[str, str], setting: str
) -> list[EmbeddedShard]:
    """The shards without these pool rows."""
    now = [without_rows(directory, shard, removed) for shard in made]
    if not any(shard.entry.rows for shard in now if shard.entry.split == "pool"):
        raise DataError(
            f"{directory}: every row of the pool is in the test or the validation set too, so {setting} leaves "
            "none; use other splits"
        )
    return now


def without_rows(directory: Path, made: EmbeddedShard, removed: Mapping[str, str]) -> EmbeddedShard:
    """A shard of the pool, rewritten without the rows to remove (row_id, reason)."""
    if made.entry.split != "pool":
        return made
    loaded = remove_rows(directory / made.entry.file, removed)
    return replace(embedded(made.id, loaded), spent=made.spent, device=made.device) if loaded else made


def _measured(directory: Path, made: Sequence[EmbeddedShard], seconds: float) -> dict[str, Any]:
    """The fields that every manifest has."""
    spent = total(shard.spent for shard in made)
    return {
        "compute": _one_compute(directory, made),
        "seconds": seconds,
        "cpu_seconds": spent.cpu,
        "gpu_seconds": spent.gpu,
        "bytes_written": sum(shard.bytes for shard in made),
        "shards": ShardTable.of(shard.entry for shard in made),
        "versions": versions(),
    }


def _one_width(encoder: Encoder, made: Sequence[EmbeddedShard]) -> int:
    widths = sorted({shard.dimensions for shard in made if shard.entry.rows})
    if len(widths) > 1:
        raise DataError(f"{encoder!r} returned embeddings of {widths} dimensions; every row's must have the same")
    return widths[0]


def _publish_manifest(directory: Path, manifest: Embeddings) -> None:
    """Write what completes the shards of a folder, and delete the drafts of killed processes beside them."""
    publish_manifest(directory, manifest)
    for draft in (directory / "shards").glob(".*.draft"):
        draft.unlink(missing_ok=True)


def _one_compute(directory: Path, made: Sequence[EmbeddedShard]) -> str:
    """The compute path that made all of these shards; `StoreError` if there are several."""
    return one_compute(directory, sorted({shard.compute for shard in made if shard.entry.rows}))


def one_compute(directory: Path, computes: Sequence[str]) -> str:
    """The one of these compute paths, with all models of GPUs; `StoreError` if there are several."""
    if (compute := one_path(computes)) is None:
        raise StoreError(
            f"{directory}: parts were embedded by different compute paths ({', '.join(computes)}); delete that "
            "directory to embed again"
        )
    return compute


def check_row_ids(directory: Path, made: Sequence[EmbeddedShard]) -> None:
    """Refuse a split in which two rows have the same key; reads the keys alone."""
    for split in dict.fromkeys(shard.entry.split for shard in made):
        entries = [shard.entry for shard in made if shard.entry.split == split and shard.entry.rows]
        if (row_id := first_repeated_key(directory, entries)) is not None:
            raise DataError(
                f"row_id {row_id!r} is repeated in the split {split!r}; ids are the keys of rows and must be distinct; "
                "rename one"
            )


def check_store(store: EmbeddingStore, source: Source, weights: str) -> EmbeddingStore:
    """Refuse a store that was made from other data or weights."""
    check_same_data(store, source)
    if (stated := store.manifest.weights) != weights:
        raise StoreError(
            f"{store.directory}: was made from other weights (hash {stated[:12]}, here {weights[:12]}); use another "
            "--store, or delete that directory to embed again"
        )
    return store
