"""Another data set whose pool lacks a cluster of each class, which is tested apart: covariate shift."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, model_validator

from labelbench_ray.datasets import Dataset, FileTable, Modality, Source, Split, Table, signature, without_label
from labelbench_ray.datasets._wrapped import Wrapped
from labelbench_ray.datasets.corrupted import Corrupted
from labelbench_ray.datasets.shifts.clusters import (
    Features,
    Numbers,
    clusters_by_size,
    image_features,
    nearest,
    text_features,
)
from labelbench_ray.errors import DataError
from labelbench_ray.pool.facts import Facts
from labelbench_ray.storage.memory_maps import make_once, mapped
from labelbench_ray.storage.parallel import read_each
from labelbench_ray.storage.remote import cache_folder

FAR: Final = "test_far"
READ_ROWS: Final = 512
"""Read at once by a thread."""
Flags = NDArray[np.bool_]
CLUSTERED: Final = (Modality.IMAGE, Modality.TEXT)
USED: Final = ("pool", "validation", "test")


class Clustered(Wrapped):
    """Clusters the rows of each class, and takes one cluster of each out of the pool; `test_far` has its test rows.

    `validation` and `test` keep the rows of the other clusters, which are like the pool's. Classes are clustered one by
    one, so that their shares stay about the same: what differs is how rows of a class look, not how frequent it is.
    Clusters are those of plain features (8 x 8 colors, or rare words), found from the pool's rows: no encoder is
    better off because it drew the line. Every row is read once; the result is kept in the machine's cache.
    """

    clusters: Annotated[int, Field(ge=2, le=100)] = 3
    """Of each class."""
    held_out: NonNegativeInt = 1
    """Which of them is taken out, by size: 0 is the largest. A class with fewer clusters loses its smallest."""

    @model_validator(mode="after")
    def _refuse_what_has_no_clusters(self) -> Self:
        if (task := self.task) != "single_label":
            raise ValueError(
                f"dataset: {self.dataset} has the task {task!r}; classes are clustered where rows have one label each, "
                "'single_label'"
            )
        if (modality := self.modality()) not in CLUSTERED:
            raise ValueError(
                f"dataset: {self.dataset} holds {modality.traits.plural}; rows are clustered by the features of "
                f"{' or '.join(each.traits.plural for each in CLUSTERED)}, so use another data set"
            )
        inner: Dataset = self.inner
        while isinstance(inner, Wrapped):
            if isinstance(inner, Corrupted):
                raise ValueError(
                    f"dataset: {self.dataset} would keep rows of held-out clusters in its corrupted splits; corrupt "
                    "what is clustered instead: corrupted(dataset=clustered(...))"
                )
            inner = inner.inner
        if self.held_out >= self.clusters:
            raise ValueError(f"held_out: {self.held_out} of {self.clusters} clusters, which are numbered from 0")
        return self

    def load(self, root: Path) -> Source:
        source = self.inner.open(root)
        if FAR in source.splits:
            raise DataError(f"{self}: {self.dataset} has a split {FAR!r} already; use another data set")
        far = self._far(source)
        for name in USED:
            if not len(source.splits[name]):
                continue
            if far[name].all():
                raise DataError(f"{self}: no row of {name!r} is left; use more clusters, or another `held_out`")
        if not far["test"].any():
            raise DataError(f"{self}: no test row is in the clusters that are held out; use fewer clusters")
        near = {name: _rows(source.splits[name], ~far[name]) for name in USED}
        digest = hashlib.sha256(b"".join(np.packbits(far[name]).tobytes() for name in USED)).hexdigest()
        taken_out = f"pool: {int(far['pool'].sum()):,} of {len(far['pool']):,} rows are in clusters that are taken out"
        return Source(
            source.classes,
            source.splits | near | {FAR: _rows(source.splits["test"], far["test"])},
            signature(["clustered", source.signature, self.clusters, self.held_out, digest]),
            replace(source.findings, notes=(*source.findings.notes, taken_out)),
        )

    def _far(self, source: Source) -> Mapping[str, Flags]:
        """For each split, whether a row is of a cluster that is held out; made once on each machine."""
        key = signature(["clusters", 2, source.signature, *_rows_and_files(source), self.clusters, self.held_out])
        path = cache_folder() / key[:16] / "arrays" / f"{key[16:32]}.npy"

        def make(draft: Path) -> None:
            held_out = _held_out(source, self.modality(), self.clusters, self.held_out)
            with draft.open("wb") as file:
                np.save(file, np.concatenate([held_out[name] for name in USED]))

        make_once(path, make)
        ends = np.cumsum([len(source.splits[name]) for name in USED])
        rows = (int(ends[-1]),)
        return dict(zip(USED, np.split(mapped(path, np.bool_, rows, f"delete {path}"), ends[:-1]), strict=True))


def _held_out(source: Source, modality: Modality, clusters: int, held_out: int) -> dict[str, Flags]:
    """For each split, whether a row is of the held-out cluster of its class.

    Raises:
        DataError: a row has no label.
    """
    labels = {name: _labels(name, source.splits[name]) for name in USED}
    features = _features({name: source.splits[name] for name in USED}, modality)
    far = {name: np.zeros(len(labels[name]), np.bool_) for name in USED}
    for label in np.unique(labels["pool"]).tolist():
        mine = {name: np.flatnonzero(labels[name] == label) for name in USED}
        centers_CD, _ = clusters_by_size(features["pool"][mine["pool"]], clusters, label)
        if len(centers_CD) < 2:
            continue
        chosen = min(held_out, len(centers_CD) - 1)
        for name in USED:
            far[name][mine[name]] = nearest(features[name][mine[name]], centers_CD) == chosen
    return far


def _labels(name: str, split: Split) -> Numbers:
    labels_N = split.labels()
    if labels_N is None or without_label(labels_N).any():
        raise DataError(f"the split {name!r}: clusters are found within classes; give every row a label")
    return labels_N


def _features(splits: Mapping[str, Split], modality: Modality) -> dict[str, Features]:
    """The features of the rows of each split; texts are weighed over all splits together."""
    starts = [(split, start) for split in splits.values() for start in range(0, len(split), READ_ROWS)]

    def payloads(part: tuple[Split, int]) -> list[bytes | str]:
        split, start = part
        return [*split.read(start, min(start + READ_ROWS, len(split))).payloads]

    if modality is Modality.TEXT:
        texts = [text for part in read_each(payloads, starts) for text in part]
        features_ND = text_features(texts)
    else:
        parts = read_each(lambda part: image_features(payloads(part)), starts)
        features_ND = np.concatenate(parts)
    ends = np.cumsum([len(split) for split in splits.values()])
    return dict(zip(splits, np.split(features_ND, ends[:-1]), strict=True))


def _rows(split: Split, kept_N: Flags) -> Split:
    places = np.flatnonzero(kept_N)
    groups = split.groups.take(places) if split.groups else None
    return replace(split, rows=np.asarray(split.rows)[places], groups=groups, facts=Facts(split.facts).take(places))


def _rows_and_files(source: Source) -> list[object]:
    """What shows that other rows are meant (samples have the signature of all rows), or that a file changed."""
    rows = [hashlib.sha256(np.asarray(source.splits[name].rows, np.int64).tobytes()).hexdigest() for name in USED]
    tables: list[Table] = [*source.tables().values()]
    return [*rows, *(table.found_files().modified_F.tobytes() for table in tables if isinstance(table, FileTable))]
