"""ImageNet (ILSVRC 2012) as image folders: `train/<synset>/*` and `val/<synset>/*`."""

from pathlib import Path

from labelbench_ray.datasets import Dataset, Findings, Source, Split, signature
from labelbench_ray.datasets._findings import ignored
from labelbench_ray.datasets._splits import all_rows, quarters
from labelbench_ray.datasets.files.folders import class_names, folder_table, list_folder
from labelbench_ray.datasets.files.layout import beside
from labelbench_ray.datasets.files.places import locate

WANTED = "ImageNet as train/<synset>/*.JPEG and val/<synset>/*.JPEG"


class Imagenet(Dataset):
    """The official validation set cut into 1/4 validation and 3/4 test, as in LabelBench: 12,500 and 37,500."""

    path: str = "imagenet"
    """Below the data root, or a URI."""

    def load(self, root: Path) -> Source:
        top = locate(root, self.path)
        splits = [list_folder(top / part, WANTED) for part in ("train", "val")]
        classes, empty = class_names(splits[0], splits[1:])
        train, official = (folder_table(split, classes) for split in splits)
        validation, test = quarters(len(official))
        return Source(
            classes=classes,
            splits={"pool": all_rows(train), "validation": Split(official, validation), "test": Split(official, test)},
            signature=signature(["imagenet", train.content, official.content]),
            findings=Findings(
                origins={
                    "pool": train.origin,
                    "validation": f"a quarter of {official.origin}",
                    "test": f"three quarters of {official.origin}",
                },
                ignored=ignored(*(split.ignored for split in splits), empty, beside(top, ("train", "val"))),
            ),
        )
