"""PASCAL VOC's lists of images: for each class and part a file with 1, 0 (difficult) or -1 for each image."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import Field

from labelbench_ray.datasets import Dataset, Findings, Source, signature
from labelbench_ray.datasets._findings import ignored
from labelbench_ray.datasets._splits import arrange, origins
from labelbench_ray.datasets.files.layout import beside
from labelbench_ray.datasets.files.listed_files import ListedFiles, listed_files
from labelbench_ray.datasets.files.places import Place, locate, missing
from labelbench_ray.errors import DataError
from labelbench_ray.tasks.multi_label import NEGATIVE, POSITIVE, UNKNOWN
from labelbench_ray.types import Labels

LISTS: Final = "ImageSets/Main"
IMAGES: Final = "JPEGImages"
ENTRIES: Final = {"1": POSITIVE, "0": UNKNOWN, "-1": NEGATIVE}
RULE: Final = "each line has an image's name and 1, 0 or -1"


class Voc(Dataset):
    """`<path>/ImageSets/Main/<class>_<part>.txt` and `JPEGImages/<image>.jpg`; several classes an image.

    A class whose only objects in an image are *difficult* is unknown there: it teaches nothing and is not measured.
    `test` is halved into validation and test.
    """

    path: str = Field("VOCdevkit/VOC2007", min_length=1)
    """Below the data root, or a URI."""
    train: str = "trainval"
    """The part that the pool is; of VOC2012, whose test labels are not published, "train"."""
    test: str = "test"
    """The part that is held out; of VOC2012 "val"."""

    @property
    def task(self) -> str:
        return "multi_label"

    def load(self, root: Path) -> Source:
        top = locate(root, self.path)
        lists = top / LISTS
        if not lists.exists():
            raise missing(lists, f"{LISTS}/ and {IMAGES}/ of VOC")
        classes = _classes(lists, self.train)
        tables = {name: _table(top, part, classes) for name, part in (("train", self.train), ("test", self.test))}
        return Source(
            classes,
            arrange(tables["train"], None, tables["test"]),
            signature(["voc", *classes, *(table.content for table in tables.values())]),
            Findings(
                origins({name: f"{LISTS}/*_{part}.txt" for name, part in (("train", self.train), ("test", self.test))}),
                ignored(beside(top, ["ImageSets", IMAGES])),
            ),
        )


def _classes(lists: Place, part: str) -> tuple[str, ...]:
    """The classes that have a list of this part, sorted."""
    suffix = f"_{part}.txt"
    names = (info.base_name for info in lists.listing())
    classes = tuple(sorted(name.removesuffix(suffix) for name in names if name.endswith(suffix)))
    if not classes:
        raise DataError(f"{lists}: no files <class>{suffix}; name a part of which there are some")
    return classes


def _table(top: Place, part: str, classes: Sequence[str]) -> ListedFiles:
    """The images of one part, in the order of the first class's list; every class lists the same ones."""
    columns = {name: _entries(top / LISTS / f"{name}_{part}.txt") for name in classes}
    first, *others = classes
    for name in others:
        if columns[name].keys() != columns[first].keys():
            strange = sorted(columns[name].keys() ^ columns[first].keys())[0]
            raise DataError(
                f"{top / LISTS}: only one of {first}_{part}.txt and {name}_{part}.txt lists {strange!r}; every class "
                "lists every image of a part"
            )
    images = list(columns[first])
    labels_NK: Labels = np.array([[columns[name][image] for name in classes] for image in images], np.int8)
    return listed_files(top, [f"{IMAGES}/{image}.jpg" for image in images], labels_NK, f"{top / LISTS}/*_{part}.txt")


def _entries(place: Place) -> dict[str, int]:
    """The entry of each image."""
    if not place.exists():
        raise missing(place, "the list of every class for that part")
    entries: dict[str, int] = {}
    for number, line in enumerate(place.read().decode("utf-8", "replace").splitlines(), 1):
        words = line.split()
        if not words:
            continue
        if len(words) != 2 or words[1] not in ENTRIES:
            raise DataError(f"{place}, line {number}: {line!r}; {RULE}")
        if words[0] in entries:
            raise DataError(f"{place}, line {number}: {words[0]!r} is listed a second time; list each image once")
        entries[words[0]] = ENTRIES[words[1]]
    if not entries:
        raise DataError(f"{place}: it is empty; {RULE}")
    return entries
