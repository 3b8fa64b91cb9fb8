"""Banking77 (Casanueva et al. 2020): customer questions, one of 77 intents each. A pool of text."""

from pathlib import Path

from labelbench_ray.datasets import Dataset, Modality, Source, signature
from labelbench_ray.datasets._labels import Coding, coding, named_coding
from labelbench_ray.datasets._parquet import Columns, ParquetFiles, check_columns, label_column, make_table, open_files
from labelbench_ray.datasets._places import locate
from labelbench_ray.datasets._splits import halved

WANTED = "banking77's train.parquet and test.parquet, with columns text, label and label_name,"
COLUMNS = Columns(payload="text", label="label", row_id=None, modality="text")


class Banking77(Dataset):
    """The official test set halved into validation and test, as in LabelBench."""

    def modality(self) -> Modality:
        return "text"

    def _open(self, root: Path) -> Source:
        folder = locate(root, "banking77")
        train, test = (open_files(folder / name, WANTED) for name in ("train.parquet", "test.parquet"))
        for files in (train, test):
            check_columns(files, COLUMNS)
        intents = _intents(train)
        return Source(
            classes=intents.classes,
            splits=halved(make_table(train, COLUMNS, intents), make_table(test, COLUMNS, intents)),
            signature=signature(["banking77", *train.facts(), *test.facts()]),
        )


def _intents(train: ParquetFiles) -> Coding:
    where = label_column(train, COLUMNS)
    if "label_name" in train.schema.names:
        return named_coding(train.column("label"), train.column("label_name"), where)
    return coding(train.column("label"), where, None)
