"""Caltech-256 (Griffin et al. 2007): folders `001.ak47/` ... `256.toad/`, and `257.clutter/`."""

import re
from collections import Counter
from pathlib import Path
from typing import Final, Literal

import numpy as np
from pydantic import Field

from labelbench_ray.datasets import Dataset, Findings, Source, signature
from labelbench_ray.datasets._findings import ignored
from labelbench_ray.datasets._splits import origins, tenths
from labelbench_ray.datasets.files.folders import list_folder
from labelbench_ray.datasets.files.layout import beside
from labelbench_ray.datasets.files.listed_files import listed_files
from labelbench_ray.datasets.files.places import locate
from labelbench_ray.errors import DataError

FOLDER: Final = "256_ObjectCategories"
CLASS_FOLDER: Final = re.compile(r"(\d{3})\.(.+)")
CLUTTER: Final = "clutter"
DEEPER: Final = "in a folder below a class, which torchvision does not read either"


class Caltech256(Dataset):
    """`<path>/256_ObjectCategories/<number>.<class>/<image>`, split 80/10/10 as in LabelBench.

    LabelBench numbers the 257 folders modulo 256, which merges the clutter into the first class; here it is a class of
    its own, or left out.
    """

    path: str = Field("caltech256", min_length=1)
    """Below the data root, or a URI."""
    clutter: Literal["class", "left_out"] = "class"
    """What becomes of the folder `257.clutter`: images of none of the 256 classes."""

    def load(self, root: Path) -> Source:
        top = locate(root, self.path)
        listed = list_folder(top / FOLDER, f"{FOLDER}/<number>.<class>/<image>")
        kinds, names, labels, classes = Counter(listed.ignored), list[str](), list[int](), list[str]()
        for folder in sorted(listed.classes.values(), key=lambda folder: folder.name):
            if (match := CLASS_FOLDER.fullmatch(folder.name)) is None:
                raise DataError(
                    f"{top / FOLDER}: the folder {folder.name!r} is not named <number>.<class>, as in '001.ak47'; "
                    "take it out"
                )
            if match[2] == CLUTTER and self.clutter == "left_out":
                kinds["left out by the setting clutter", f"{folder.name}/"] += len(folder.names_N)
                continue
            found = folder.names_N.to_pylist()
            direct = [name for name in found if name.count("/") == 1]
            if len(direct) < len(found):
                kinds[DEEPER, f"{folder.name}/"] += len(found) - len(direct)
            labels += [len(classes)] * len(direct)
            names += direct
            classes.append(match[2])
        if not names:
            raise DataError(f"{top / FOLDER}: no images in its folders; extract 256_ObjectCategories.tar there")
        table = listed_files(top / FOLDER, names, np.array(labels, np.int64), str(top / FOLDER))
        return Source(
            tuple(classes),
            tenths(table),
            signature(["caltech256", self.clutter, *classes, table.content]),
            Findings(origins({"train": f"{len(table):,} files of {FOLDER}/"}), ignored(kinds, beside(top, [FOLDER]))),
        )
