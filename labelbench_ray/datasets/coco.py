"""Annotation files as COCO writes them: images with several classes each, those of the objects in them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydantic import Field

from labelbench_ray.datasets import Dataset, Findings, Source, Split, signature
from labelbench_ray.datasets._findings import ignored
from labelbench_ray.datasets._splits import all_rows, arrange, origins, quarters
from labelbench_ray.datasets.files.layout import beside
from labelbench_ray.datasets.files.listed_files import ListedFiles, listed_files
from labelbench_ray.datasets.files.places import Place, locate, missing
from labelbench_ray.errors import DataError

RULE: Final = (
    "a COCO file has lists of `images` (id, file_name), `annotations` (image_id, category_id) and `categories`"
)
LISTS: Final[Mapping[str, Mapping[str, type]]] = {
    "images": {"id": int, "file_name": str},
    "annotations": {"image_id": int, "category_id": int},
    "categories": {"id": int, "name": str},
}
"""What is read of the entries of each list."""
Categories = Mapping[int, str]


class Coco(Dataset):
    """`<path>/annotations/instances_train2017.json` with its images in `train2017/`, and the same of `val2017`.

    An image has every class of which it has an annotation, also one of a crowd. An image without any is a row that has
    no class. As in LabelBench, a quarter of `val` is validation and the rest is test; without `val`, train is cut
    80/10/10. Classes are the file's categories, sorted by id: the 80 of COCO have ids from 1 to 90.
    """

    path: str = Field("coco", min_length=1)
    """Below the data root, or a URI."""
    train: str = "annotations/instances_train2017.json"
    train_images: str = "train2017"
    """The folder of the images that `train` names; "" for `path` itself."""
    val: str | None = "annotations/instances_val2017.json"
    """None: there is no second file."""
    val_images: str = "val2017"

    @property
    def task(self) -> str:
        return "multi_label"

    def load(self, root: Path) -> Source:
        top = locate(root, self.path)
        parts = {"train": (self.train, self.train_images)}
        if self.val is not None:
            parts["val"] = (self.val, self.val_images)
        read = {part: _read(top / name) for part, (name, _) in parts.items()}
        categories = _categories(read["train"], top / self.train)
        if "val" in read and _categories(read["val"], top / str(self.val)) != categories:
            raise DataError(f"{top}: {self.train} and {self.val} state other categories; use files of one data set")
        tables = {
            part: _table(top, folder, read[part], categories, top / name) for part, (name, folder) in parts.items()
        }
        if "val" in tables:
            validation, test = quarters(len(tables["val"]))
            splits = {
                "pool": all_rows(tables["train"]),
                "validation": Split(tables["val"], validation),
                "test": Split(tables["val"], test),
            }
            held_out = f"of {len(tables['val']):,} images of {self.val}"
            stated = {"validation": f"a quarter {held_out}", "test": f"three quarters {held_out}"}
        else:
            splits, stated = arrange(tables["train"], None, None), {}
        found = f"{len(tables['train']):,} images of {self.train}"
        used = [name for part in parts.values() for name in part if name]
        return Source(
            tuple(categories.values()),
            splits,
            signature(["coco", *categories.items(), *((part, table.content) for part, table in tables.items())]),
            Findings({"pool": found} | stated if stated else origins({"train": found}), ignored(beside(top, used))),
        )


def _read(place: Place) -> Mapping[str, Any]:
    """An annotation file's content; every list is there and holds objects with the entries that are needed."""
    if not place.exists():
        raise missing(place, "COCO's annotation files and images")
    try:
        content = json.loads(place.read())
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place}: {error}; {RULE}") from error
    for name, entries in LISTS.items():
        rows = content.get(name) if isinstance(content, dict) else None
        if not isinstance(rows, list):
            raise DataError(f"{place}: no list {name!r}; {RULE}")
        for number, row in enumerate(rows):
            for entry, kind in entries.items():
                value = row.get(entry) if isinstance(row, dict) else None
                if not isinstance(value, kind) or isinstance(value, bool):
                    raise DataError(f"{place}: {name}[{number}] has {entry}={value!r}; {RULE}")
    return dict(content)


def _categories(content: Mapping[str, Any], place: Place) -> Categories:
    """Class names by category id, in the order of ids."""
    found: dict[int, str] = {}
    for category in sorted(content["categories"], key=lambda category: category["id"]):
        if category["id"] in found or category["name"] in found.values():
            raise DataError(
                f"{place}: the category {category['id']} ({category['name']!r}) is stated twice; name it once"
            )
        found[category["id"]] = category["name"]
    return found


def _table(top: Place, folder: str, content: Mapping[str, Any], categories: Categories, place: Place) -> ListedFiles:
    rows: dict[int, int] = {}
    for image in content["images"]:
        if image["id"] in rows:
            raise DataError(f"{place}: the image id {image['id']} is stated twice; ids must be unique")
        rows[image["id"]] = len(rows)
    columns = {number: column for column, number in enumerate(categories)}
    labels_NK = np.zeros((len(rows), len(columns)), np.int8)
    for number, annotation in enumerate(content["annotations"]):
        image, category = annotation["image_id"], annotation["category_id"]
        if image not in rows or category not in columns:
            lost = f"the image {image}" if image not in rows else f"the category {category}"
            raise DataError(f"{place}: annotations[{number}] is of {lost}, which the file does not list; fix the file")
        labels_NK[rows[image], columns[category]] = 1
    prefix = f"{folder.strip('/')}/" if folder else ""
    return listed_files(top, [f"{prefix}{image['file_name']}" for image in content["images"]], labels_NK, str(place))
