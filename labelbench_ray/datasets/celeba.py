"""CelebA (Liu et al. 2015): faces with 40 attributes each, the authors' lists."""

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from labelbench_ray.datasets import Dataset, Findings, Source, Split, signature
from labelbench_ray.datasets._findings import ignored
from labelbench_ray.datasets.files.layout import beside
from labelbench_ray.datasets.files.listed_files import listed_files
from labelbench_ray.datasets.files.places import Place, locate, missing
from labelbench_ray.errors import DataError
from labelbench_ray.tasks.multi_label import NEGATIVE, POSITIVE

ATTRIBUTES: Final = "list_attr_celeba.txt"
PARTS: Final = "list_eval_partition.txt"
IMAGES: Final = "img_align_celeba"
SPLITS: Final = {"pool": "0", "validation": "1", "test": "2"}
ENTRIES: Final = {"1": POSITIVE, "-1": NEGATIVE}


class Celeba(Dataset):
    """`<path>/list_attr_celeba.txt`, `list_eval_partition.txt` and `img_align_celeba/<image>`; the official splits."""

    path: str = Field("celeba", min_length=1)
    """Below the data root, or a URI."""

    @property
    def task(self) -> str:
        return "multi_label"

    def load(self, root: Path) -> Source:
        top = locate(root, self.path)
        for name in (ATTRIBUTES, PARTS):
            if not (top / name).exists():
                raise missing(top / name, f"{ATTRIBUTES}, {PARTS} and {IMAGES}/")
        classes, labels = _attributes(top / ATTRIBUTES)
        parts = _parts(top / PARTS)
        if strange := sorted(parts.keys() ^ labels.keys()):
            raise DataError(f"{top}: only one of {ATTRIBUTES} and {PARTS} lists {strange[0]!r}; get both files again")
        images = list(labels)
        labels_NK = np.array([labels[image] for image in images], np.int8)
        table = listed_files(top, [f"{IMAGES}/{image}" for image in images], labels_NK, str(top / ATTRIBUTES))
        part_N = np.array([parts[image] for image in images], np.str_)
        splits = {name: Split(table, np.flatnonzero(part_N == part)) for name, part in SPLITS.items()}
        return Source(
            classes,
            splits,
            signature(["celeba", *classes, table.content, *((name, len(split)) for name, split in splits.items())]),
            Findings(
                {name: f"the images with {part} in {PARTS}" for name, part in SPLITS.items()},
                ignored(beside(top, [ATTRIBUTES, PARTS, IMAGES])),
            ),
        )


def _lines(place: Place) -> list[str]:
    return place.read().decode("utf-8", "replace").splitlines()


def _attributes(place: Place) -> tuple[tuple[str, ...], dict[str, NDArray[np.int8]]]:
    """The attributes' names, and each image's entries (K,). The first line is the number of images."""
    found = _lines(place)
    count, header = [*found[:2], "", ""][:2]
    lines = found[2:]
    names = tuple(header.split())
    if not names or count.strip() != str(len(lines)):
        raise DataError(
            f"{place}: begins with {count!r:.40} and has {len(lines):,} rows; the first line is their number"
        )
    labels: dict[str, NDArray[np.int8]] = {}
    for number, line in enumerate(lines, 3):
        image, *entries = line.split() or [""]
        if len(entries) != len(names) or not ENTRIES.keys() >= set(entries) or image in labels:
            raise DataError(
                f"{place}, line {number}: {line[:80]!r}; each line has an image's name, once in the file, "
                f"and 1 or -1 for each of {len(names)} attributes"
            )
        labels[image] = np.array([ENTRIES[entry] for entry in entries], np.int8)
    return names, labels


def _parts(place: Place) -> dict[str, str]:
    """Each image's part: 0, 1 or 2."""
    parts: dict[str, str] = {}
    for number, line in enumerate(_lines(place), 1):
        words = line.split()
        if len(words) != 2 or words[1] not in SPLITS.values() or words[0] in parts:
            raise DataError(
                f"{place}, line {number}: {line[:80]!r}; each line has an image's name, once, and 0, 1 or 2"
            )
        parts[words[0]] = words[1]
    return parts
