"""CIFAR-10 (Krizhevsky 2009), from torchvision's own files, an image folder or parquet, whichever is there."""

from pathlib import Path

from labelbench_ray.datasets import Dataset, Source, Table, signature
from labelbench_ray.datasets._cifar_batches import FOLDER, open_batches
from labelbench_ray.datasets._folders import open_folder
from labelbench_ray.datasets._labels import coding
from labelbench_ray.datasets._parquet import Columns, check_columns, label_column, make_table, open_files
from labelbench_ray.datasets._places import Place, locate, missing
from labelbench_ray.datasets._splits import halved
from labelbench_ray.errors import DataError

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
WANTED = f"{FOLDER}/ (torchvision's files), train/ and test/ (image folders) or train.parquet and test.parquet"


class Cifar10(Dataset):
    """The official test set halved into validation and test, as in LabelBench."""

    def _open(self, root: Path) -> Source:
        folder = locate(root, "cifar10")
        if (folder / FOLDER).exists():
            if not folder.local:
                raise DataError(
                    f"{folder / FOLDER}: torchvision reads its files from a disk; put parquet there instead"
                )
            (train, facts), (test, more) = (open_batches(Path(folder.path), train=part) for part in (True, False))
        elif (folder / "train").exists():
            (train, facts), (test, more) = (_images(folder / part) for part in ("train", "test"))
        elif (folder / "train.parquet").exists():
            (train, facts), (test, more) = (_parquet(folder / f"{part}.parquet") for part in ("train", "test"))
        else:
            raise missing(folder / "train.parquet", WANTED)
        return Source(CLASSES, halved(train, test), signature(["cifar10", *facts, *more]))


def _images(folder: Place) -> tuple[Table, list[object]]:
    table = open_folder(folder, CLASSES, WANTED)
    return table, [table.content, len(table)]


def _parquet(place: Place) -> tuple[Table, list[object]]:
    files = open_files(place, WANTED)
    columns = Columns("image", "label", "path" if "path" in files.schema.names else None, "image")
    check_columns(files, columns)
    classes = coding(files.column("label"), label_column(files, columns), CLASSES)
    return make_table(files, columns, classes), files.facts()
