"""A folder of images without labels: every image in it, at any depth, is a row of the pool."""

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from labelbench_ray.datasets import UNLABELED, Dataset, Findings, Rows, Source, Split, signature
from labelbench_ray.datasets._findings import Kinds, ignored
from labelbench_ray.datasets._splits import all_rows, halved
from labelbench_ray.datasets.files.folders import FolderTable, list_files, open_folder
from labelbench_ray.datasets.files.places import Place, locate, missing
from labelbench_ray.errors import DataError


class UnlabeledTable(FolderTable):
    """The images of a folder, none of which has a label."""

    def labels(self, rows: Rows) -> NDArray[np.int64]:
        return np.full(len(rows), UNLABELED)


class UnlabeledImages(Dataset):
    """`<path>/**/<image>`: a pool whose labels people give (`oracle="files"`).

    `test` is a labeled image folder (`<test>/<class>/<image>`), halved into validation and test. Without one, training
    keeps the last epoch and no accuracy is measured.
    """

    path: str = Field(min_length=1)
    """Below the data root, or a URI."""
    classes: tuple[str, ...] = Field(min_length=2)
    """Class names in order."""
    test: str | None = None
    """Below the data root, or a URI; outside of `path`."""

    def load(self, root: Path) -> Source:
        top = locate(root, self.path)
        pool, kinds = _images(top)
        splits = {"pool": all_rows(pool), "validation": Split(pool, range(0)), "test": Split(pool, range(0))}
        facts: list[object] = [*self.classes, pool.content]
        origins = {"pool": pool.origin}
        if self.test is not None:
            held_out, others = open_folder(locate(root, self.test), self.classes, "<class>/<image>")
            splits, facts, kinds = halved(pool, held_out), [*facts, held_out.content], kinds + others
            origins |= dict.fromkeys(("validation", "test"), f"half of {held_out.origin}")
        return Source(self.classes, splits, signature(facts), Findings(origins, ignored(kinds)))


def _images(top: Place) -> tuple[UnlabeledTable, Kinds]:
    """All images below a folder, and what else lies there."""
    if not top.exists():
        raise missing(top, "images")
    if not top.is_folder():
        raise DataError(f"{top}: a file; name the folder that the images lie in")
    kinds: Kinds = Counter()
    found = list_files(top, top, kinds)
    if not len(found.names_N):
        raise DataError(f"{top}: no images in it; name the folder that the images lie in")
    pairs = zip(found.names_N.to_pylist(), found.sizes_N.tolist(), strict=True)
    content = hashlib.sha256("".join(f"{path}\0{size}\0" for path, size in pairs).encode()).hexdigest()
    no_classes = np.empty(0, np.int64)
    return UnlabeledTable(top, found.names_N, no_classes, content, found.sizes_N, found.modified_N), kinds
