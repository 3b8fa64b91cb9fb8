"""Corrupted copies of a test set as their authors publish them: further evaluation splits of a wrapped data set."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import numpy as np
from pydantic import Field, PositiveInt

from labelbench_ray.datasets import SPLIT_NAME, SPLIT_SEED, Source, Split, signature
from labelbench_ray.datasets._wrapped import Wrapped
from labelbench_ray.datasets.files.places import Place, locate
from labelbench_ray.errors import DataError

CORRUPTIONS: Final = (
    "gaussian_noise",
    "defocus_blur",
    "jpeg_compression",
    "contrast",
    "brightness",
    "pixelate",
)
SEVERITIES: Final = 5


def sampled(split: Split, rows: int | None) -> Split:
    """At most this many rows of a split, a sample with a fixed seed."""
    if rows is None or len(split) <= rows:
        return split
    kept = np.sort(np.random.default_rng(SPLIT_SEED).choice(len(split), rows, replace=False))
    groups = split.groups.take(kept) if split.groups else None
    return replace(split, rows=np.asarray(split.rows)[kept], groups=groups)


class PublishedCopies(Wrapped):
    """Adds the evaluation split `test_<corruption>_<severity>` for each corruption and severity that is named."""

    path: str = Field(min_length=1)
    """Below the data root."""
    corruptions: tuple[Annotated[str, Field(pattern=rf"^{SPLIT_NAME}$", max_length=25)], ...] = Field(
        default=CORRUPTIONS, min_length=1
    )
    """Which, by their published names."""
    severities: tuple[Annotated[int, Field(ge=1, le=SEVERITIES)], ...] = Field(default=(1, 3, 5), min_length=1)
    """Which, of 1 to 5."""
    rows: PositiveInt | None = None
    """At most this many rows of each split, a sample with a fixed seed, because each is embedded once a split."""

    def load(self, root: Path) -> Source:
        source, top = self.inner.open(root), locate(root, self.path)
        copies = {
            f"test_{name}_{severity}": copy
            for name in dict.fromkeys(self.corruptions)
            for severity, copy in self.copies(top, name, source).items()
        }
        if taken := sorted(copies.keys() & source.splits.keys()):
            raise DataError(f"{self}: {self.dataset} has a split {taken[0]!r} already; leave that corruption out")
        splits = {name: sampled(copy, self.rows) for name, copy in copies.items()}
        rows = sum(map(len, splits.values()))
        note = f"{len(splits)} splits of published corrupted rows, {rows:,} rows in all"
        return Source(
            source.classes,
            source.splits | splits,
            signature([type(self).__name__, source.signature, self.rows, *((n, len(s)) for n, s in copies.items())]),
            replace(source.findings, notes=(*source.findings.notes, note)),
        )

    @abstractmethod
    def copies(self, top: Place, name: str, source: Source) -> Mapping[int, Split]:
        """The rows of a corruption by severity.

        Raises:
            NotProvidedError: a file or folder is not there.
            DataError: it is not what is published.
        """
