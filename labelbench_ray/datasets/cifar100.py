"""CIFAR-100 (Krizhevsky 2009), from torchvision's own files; its 100 fine classes."""

from pathlib import Path

from pydantic import Field

from labelbench_ray.datasets import Dataset, Findings, Source, signature
from labelbench_ray.datasets._findings import ignored
from labelbench_ray.datasets._splits import arrange, origins
from labelbench_ray.datasets.files.cifar_batches import FOLDERS, class_names, open_batches
from labelbench_ray.datasets.files.layout import beside
from labelbench_ray.datasets.files.places import locate, missing
from labelbench_ray.errors import DataError

FOLDER = FOLDERS["CIFAR100"]


class Cifar100(Dataset):
    """`<path>/cifar-100-python/`; the official test set halved into validation and test, as in LabelBench.

    Other forms of it (parquet of a hub, image folders) are read by `parquet` and `image_folder`.
    """

    path: str = Field("cifar100", min_length=1)
    """Below the data root."""

    def load(self, root: Path) -> Source:
        top = locate(root, self.path)
        if not (top / FOLDER).exists():
            raise missing(top / FOLDER, "the extracted cifar-100-python.tar.gz")
        if not top.local:
            raise DataError(f"{top / FOLDER}: torchvision reads its files from a disk; copy them to one")
        train, test = (open_batches(Path(top.path), part, "CIFAR100") for part in ("train", "test"))
        classes = class_names(Path(top.path), "CIFAR100")
        return Source(
            classes,
            arrange(train[0], None, test[0]),
            signature(["cifar100", *train[1], *test[1]]),
            Findings(origins(dict.fromkeys(("train", "test"), f"{FOLDER}/")), ignored(beside(top, [FOLDER]))),
        )
