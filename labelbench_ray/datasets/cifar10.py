"""CIFAR-10 (Krizhevsky 2009), from torchvision's own files, an image folder or parquet, whichever is there."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from labelbench_ray.datasets import Dataset, Findings, Modality, Source, Table, signature
from labelbench_ray.datasets._findings import Kinds, ignored, stated
from labelbench_ray.datasets._splits import arrange, origins
from labelbench_ray.datasets.files.cifar_batches import FOLDERS, open_batches
from labelbench_ray.datasets.files.folders import open_folder
from labelbench_ray.datasets.files.layout import beside, validation_name
from labelbench_ray.datasets.files.places import Place, locate, missing
from labelbench_ray.datasets.parquet_columns.columns import Columns, OneLabel
from labelbench_ray.datasets.parquet_columns.image_paths import named_images
from labelbench_ray.datasets.parquet_columns.keys import key_column
from labelbench_ray.datasets.parquet_columns.labels import label_encoding
from labelbench_ray.datasets.parquet_columns.parquet_files import check_columns, label_column, make_table, open_files
from labelbench_ray.errors import DataError

FOLDER = FOLDERS["CIFAR10"]
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
WANTED = f"{FOLDER}/ (torchvision's files), train/ and test/ (image folders) or train.parquet and test.parquet"


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """One official part, or a validation split that lies beside them."""

    table: Table
    facts: list[object]
    """What identifies it."""
    origin: str
    ignored: Kinds
    notes: tuple[str, ...] = ()


class Cifar10(Dataset):
    """The official test set halved into validation and test, as in LabelBench, unless a validation split is there."""

    def load(self, root: Path) -> Source:
        folder = locate(root, "cifar10")
        if (folder / FOLDER).exists():
            names, parts = {"train": FOLDER}, _batches(folder)
        elif (folder / "train").exists():
            names = _names(folder, "")
            parts = {part: _images(folder / name) for part, name in names.items()}
        elif (folder / "train.parquet").exists():
            names = _names(folder, ".parquet")
            parts = {part: _parquet(folder / name) for part, name in names.items()}
        else:
            raise missing(folder / "train.parquet", WANTED)
        tables = {part: opened.table for part, opened in parts.items()}
        return Source(
            CLASSES,
            arrange(tables["train"], tables.get("validation"), tables["test"]),
            signature(["cifar10", *(fact for opened in parts.values() for fact in opened.facts)]),
            Findings(
                origins({part: opened.origin for part, opened in parts.items()}),
                ignored(*(opened.ignored for opened in parts.values()), beside(folder, names.values())),
                stated({part: opened.notes for part, opened in parts.items()}),
            ),
        )


def _names(folder: Place, suffix: str) -> dict[str, str]:
    """The files or folders of the splits; the validation split last, so that without one the signature is the same."""
    names = {"train": f"train{suffix}", "test": f"test{suffix}"}
    found = validation_name(folder, suffix)
    return names | ({"validation": found} if found else {})


def _batches(folder: Place) -> dict[str, Opened]:
    if not folder.local:
        raise DataError(f"{folder / FOLDER}: torchvision reads its files from a disk; put parquet there instead")
    opened = {part: open_batches(Path(folder.path), part) for part in ("train", "test")}
    return {part: Opened(table, facts, f"{FOLDER}/", Counter()) for part, (table, facts) in opened.items()}


def _images(folder: Place) -> Opened:
    table, kinds = open_folder(folder, CLASSES, WANTED)
    return Opened(table, [table.content, len(table)], table.origin, kinds)


def _parquet(place: Place) -> Opened:
    files = open_files(place, WANTED)
    key, note = key_column(files, None)
    columns = Columns("image", "label", key, Modality.IMAGE)
    check_columns(files, columns)
    classes = label_encoding(files.column("label"), label_column(files, columns), CLASSES)
    images = named_images(files, columns)
    facts = [*files.facts(), *images.facts]
    return Opened(
        make_table(files, columns, OneLabel(classes), images.states),
        facts,
        files.origin,
        files.ignored,
        (note, images.note),
    )
