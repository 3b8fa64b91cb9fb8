"""The manifests of a store: of its own embeddings, and of each augmented view of its pool."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final, TypeVar

from pydantic import Field, JsonValue, NonNegativeFloat, NonNegativeInt, PositiveInt
from pydantic_core import PydanticSerializationError

from labelbench_ray.config import digest
from labelbench_ray.costs import Cost
from labelbench_ray.datasets import Source, ordered
from labelbench_ray.embeddings.cut_texts import CutTexts, describe_cut
from labelbench_ray.embeddings.external.files import ExternalArray
from labelbench_ray.embeddings.facts import given_facts
from labelbench_ray.embeddings.groups import StoredGroups, stored_groups
from labelbench_ray.embeddings.shard_table import ShardTable, read_side_file, write_side_file
from labelbench_ray.encoders.networks.device_models import without_models
from labelbench_ray.errors import DamagedError, MissingError, StoreError
from labelbench_ray.plugins import Frozen
from labelbench_ray.storage.atomic import publish
from labelbench_ray.storage.checksummed import read_file, value_of

FORMAT = 1
SHARD_ROWS: Final = 1024
"""Rows of the data set that a shard is made of, unless the manifest states another number."""
FILE = "manifest.json"


class RebuiltShard(Frozen):
    """A shard that was lost, and embedded again to other bits: on another kind of device, say.

    The store's content hash stays: it names the original content, and trials that were computed from it stay valid.
    """

    file: str
    sha256: str
    """Of its new content, as in `ShardEntry`."""
    compute: str
    """The compute path that made it."""
    device: str
    """The model of the processor or GPU."""
    compared: str
    """An intact shard, which that device embedded again too."""
    largest_difference: NonNegativeFloat
    """Between the embeddings of that shard, as stored and as embedded again."""


def describe_rebuilt(rebuilt: Sequence[RebuiltShard]) -> str | None:
    """A warning in one sentence; None if no shard was rebuilt."""
    if not rebuilt:
        return None
    shards = f"{len(rebuilt)} shards were" if len(rebuilt) > 1 else f"{rebuilt[0].file} was"
    where = ", ".join(sorted({f"{each.device} ({each.compute})" for each in rebuilt}))
    largest = max(each.largest_difference for each in rebuilt)
    return (
        f"{shards} lost and embedded again on {where}, which gives other bits than the store was made with: embeddings "
        f"differ by up to {largest:.2g}; trials from here on may choose other rows than those before"
    )


class Embeddings(Frozen, ABC):
    """Shards that belong together, and what making them took. The manifest is written last: it completes them."""

    format: int = FORMAT
    compute: str
    seconds: float
    """Wall seconds, for the cost table; views that were embedded together have an equal share each."""
    cpu_seconds: float = 0.0
    """CPU seconds of all workers; like the next two, unknown for older stores."""
    gpu_seconds: float = 0.0
    bytes_written: NonNegativeInt = 0
    """Bytes of all shards."""
    shards: ShardTable
    versions: dict[str, str] = {}
    """Versions of the code that wrote the manifest; older ones do not state them."""

    @property
    @abstractmethod
    def content(self) -> str:
        """Hash of everything that a trial's numbers depend on; equal bits of several models of GPUs have the same."""

    @property
    def spent(self) -> Cost:
        """What making the embeddings took."""
        return Cost(self.seconds, self.cpu_seconds, self.gpu_seconds, self.bytes_written)

    def count(self, split: str) -> int:
        """Embedded rows of a split."""
        return self.shards.split(split).num_rows


class Manifest(Embeddings):
    """The store's own embeddings: every row as it is."""

    key: str
    dataset: dict[str, JsonValue]
    encoder: dict[str, JsonValue]
    signature: str
    """Hash of the data set's file names, sizes and row counts: an edit that keeps all of them is not detected."""
    weights: str
    preprocessing: str
    classes: tuple[str, ...]
    task: str = Field(default="single_label", exclude_if=lambda task: task == "single_label")
    """What a label is; stated where it is not the task that all older stores have."""
    dimensions: PositiveInt
    shard_rows: PositiveInt = Field(default=SHARD_ROWS, exclude_if=lambda rows: rows == SHARD_ROWS)
    """Rows of the data set that each shard but a split's last one is made of."""
    rejects: NonNegativeInt
    groups: dict[str, StoredGroups] = Field(default={}, exclude_if=lambda groups: not groups)
    """By evaluation split, for splits that have groups."""
    facts: dict[str, str | None] = Field(default={}, exclude_if=lambda facts: not facts)
    """Of pool rows by name: the hash of a fact as the data set brought it, None for one that the encoder computed."""
    cut: CutTexts | None = None
    """Texts of all splits that are longer than the encoder reads; unknown for older stores."""
    external: tuple[ExternalArray, ...] = Field(default=(), exclude_if=lambda external: not external)
    """Arrays in other files, which hold the embeddings of all rows: the shards are windows of them (`windows`)."""
    rebuilt: tuple[RebuiltShard, ...] = Field(default=(), exclude_if=lambda rebuilt: not rebuilt)
    """Shards that were lost and embedded again to other content than `shards` states."""

    @property
    def content(self) -> str:
        groups = ((split, tuple(groups.names)) for split, groups in self.groups.items())
        return _content(self.classes, without_models(self.compute), self.shards, *groups)

    @property
    def external_paths(self) -> list[tuple[str, ...]]:
        """The files of each external array."""
        return [tuple(file.path for file in array.files) for array in self.external]

    def moved(self, paths: Sequence[Sequence[str]]) -> "Manifest":
        """The same manifest, with the external files at other paths."""
        arrays = zip(self.external, paths, strict=True)
        return self.model_copy(update={"external": tuple(array.moved(now) for array, now in arrays)})

    def array_of(self, split: str) -> ExternalArray:
        """The external array that a split's rows lie in; `StoreError` where none is stated."""
        for array in self.external:
            if split in array.splits:
                return array
        raise StoreError(f"the manifest of {self.key} names no file of the split {split!r}; delete the store's folder")

    @property
    def splits(self) -> tuple[str, ...]:
        """The names of the splits: pool, validation and test, and then the others."""
        return ordered(self.shards.splits)

    def evaluation_change(self, source: Source) -> str:
        """How a data set's splits, groups or facts differ from the store's, in words; "" if they do not."""
        now, other = stored_groups(source), set(self.splits) ^ set(source.splits)
        regrouped = [name for name in self.splits if name not in other and now.get(name) != self.groups.get(name)]
        before, facts = {name: found for name, found in self.facts.items() if found}, given_facts(source)
        changed = sorted(name for name in {*before, *facts} if before.get(name) != facts.get(name))
        changes = [f"the split {name!r}" for name in sorted(other)] + [f"groups of {name}" for name in regrouped]
        changes += [f"the fact {name!r} of pool rows" for name in changed]
        return ", ".join(changes)

    @property
    def warning(self) -> str | None:
        """A warning about the embeddings, in one sentence."""
        return describe_cut(self.cut, self.shards.num_rows)

    @property
    def rebuilt_hashes(self) -> dict[str, str]:
        """The hash of the new content of each rebuilt shard, by its file."""
        return {each.file: each.sha256 for each in self.rebuilt}

    @property
    def warnings(self) -> tuple[str, ...]:
        """All warnings, a sentence each."""
        return tuple(each for each in (self.warning, describe_rebuilt(self.rebuilt)) if each)


class ViewManifest(Embeddings):
    """One augmented view: every row of the pool, weakly and strongly augmented."""

    view: NonNegativeInt
    augmentation: dict[str, JsonValue]
    base: str
    """Content hash of the store whose rows these are."""

    @property
    def content(self) -> str:
        return digest([self.base, without_models(self.compute), [*self.shards.hashes[1]]])


Kind = TypeVar("Kind", bound=Embeddings)


def read_manifest(kind: type[Kind], directory: Path, hint: str, hint_if_missing: str) -> Kind:
    """Read and check the manifest of a folder; many shards are read from the side file, which is made where it lacks.

    Raises:
        StoreError: it is missing or damaged.
        OtherVersionError: another version made it.
    """
    path = directory / FILE
    try:
        data = read_file(path)
        if known := read_side_file(directory, data):
            fields, shards = known
            return value_of(kind, path, fields, hint, "--store").model_copy(update={"shards": shards})
        manifest = value_of(kind, path, data, hint, "--store")
    except MissingError as error:
        raise StoreError(f"{path}: there is no such file; {hint_if_missing}") from error
    except DamagedError as error:
        raise StoreError(str(error)) from error
    _write_side_file(directory, data, manifest)
    return manifest


def publish_manifest(directory: Path, manifest: Embeddings) -> None:
    """Write the manifest of finished shards, and its side file."""
    data = manifest.model_dump_json(indent=1).encode()
    publish(directory / FILE, data)
    _write_side_file(directory, data, manifest)


def _write_side_file(directory: Path, data: bytes, manifest: Embeddings) -> None:
    without = manifest.model_copy(update={"shards": ShardTable.of(())})
    try:
        fields = without.model_dump_json()
    except PydanticSerializationError:
        return  # a text that is no text (half of a surrogate pair), which only a damaged manifest holds
    write_side_file(directory, data, fields, manifest.shards)


@lru_cache(maxsize=4)
def _content(classes: tuple[str, ...], compute: str, shards: ShardTable, *groups: tuple[str, tuple[str, ...]]) -> str:
    names: JsonValue = {split: list(each) for split, each in groups}
    hashed: list[JsonValue] = [[split, content] for split, content in zip(*shards.hashes, strict=True)]
    return digest([list(classes), compute, hashed, *([names] if names else [])])
