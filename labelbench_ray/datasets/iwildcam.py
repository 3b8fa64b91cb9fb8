"""iWildCam (Beery et al. 2020) as WILDS 2.0 publishes it: animals in photos of camera traps, by trap."""

from pathlib import Path
from typing import Final

import numpy as np
from pydantic import Field

from labelbench_ray.datasets import Dataset, Findings, Groups, Source, Split, signature
from labelbench_ray.datasets._findings import ignored
from labelbench_ray.datasets.files.layout import beside
from labelbench_ray.datasets.files.listed_files import listed_files
from labelbench_ray.datasets.files.metadata_columns import integers, read_columns
from labelbench_ray.datasets.files.places import Place, locate, missing
from labelbench_ray.errors import DataError

METADATA: Final = "metadata.csv"
CATEGORIES: Final = "categories.csv"
IMAGES: Final = "train"
"""Images of every split lie in this folder."""
SPLITS: Final = {
    "pool": "train",
    "validation": "id_val",
    "test": "id_test",
    "validation_ood": "val",
    "test_ood": "test",
}
"""Our splits by the words of the column `split`: WILDS calls the unseen traps' splits `val` and `test`."""


class Iwildcam(Dataset):
    """`<path>/metadata.csv`, `categories.csv` and `train/<image>`.

    `validation` and `test` are of the traps that the pool is of (WILDS: `id_val`, `id_test`), as in LabelBench;
    `validation_ood` and `test_ood` of other traps. The groups of each are its traps. WILDS compares macro F1.
    """

    path: str = Field("iwildcam_v2.0", min_length=1)
    """Below the data root, or a URI."""

    def load(self, root: Path) -> Source:
        top = locate(root, self.path)
        if not (top / METADATA).exists():
            raise missing(top / METADATA, f"{METADATA}, {CATEGORIES} and {IMAGES}/ of iwildcam_v2.0")
        where = str(top / METADATA)
        columns = read_columns(top / METADATA, ["split", "filename", "y", "location_remapped"])
        words = np.array(columns["split"], np.str_)
        if len(strange := np.flatnonzero(~np.isin(words, [*SPLITS.values()]))):
            row = int(strange[0])
            word = columns["split"][row]
            raise DataError(f"{where}, row {row}: the split {word!r} is not one of {', '.join(SPLITS.values())}")
        labels_N = np.array(integers(columns["y"], f"{where}, column 'y'"), np.int64)
        classes = _classes(top / CATEGORIES, labels_N, where)
        table = listed_files(top, [f"{IMAGES}/{name}" for name in columns["filename"]], labels_N, where)
        traps, trap_N = np.unique(np.array(columns["location_remapped"], np.str_), return_inverse=True)
        splits = {}
        for name, word in SPLITS.items():
            rows = np.flatnonzero(words == word)
            numbers, group_N = np.unique(trap_N[rows], return_inverse=True)
            groups = Groups(group_N.astype(np.int64), tuple(f"trap {traps[number]}" for number in numbers))
            splits[name] = Split(table, rows, groups=None if name == "pool" else groups)
        return Source(
            classes,
            splits,
            signature(["iwildcam", *classes, table.content, *((name, len(split)) for name, split in splits.items())]),
            Findings(
                {name: f"{word!r} of {METADATA}" for name, word in SPLITS.items()},
                ignored(beside(top, [METADATA, CATEGORIES, IMAGES])),
            ),
        )


def _classes(place: Place, labels_N: np.ndarray, where: str) -> tuple[str, ...]:
    """The categories' names by class number; the file also lists categories that no image has."""
    if not place.exists():
        raise missing(place, f"{CATEGORIES} of iwildcam_v2.0")
    if len(labels_N) and labels_N.min() < 0:
        row = int(labels_N.argmin())
        raise DataError(f"{where}, row {row}: the label {labels_N[row]} is negative; get the published file again")
    columns = read_columns(place, ["y", "name"])
    names = dict(zip(integers(columns["y"], f"{place}, column 'y'"), columns["name"], strict=True))
    wanted = range(int(labels_N.max(initial=-1)) + 1)
    if lost := [number for number in wanted if number not in names]:
        row = int(np.flatnonzero(labels_N >= lost[0])[0])
        raise DataError(f"{where}, row {row}: {place.name} names no class {lost[0]}; get both files of one release")
    return tuple(names[number] for number in wanted)
