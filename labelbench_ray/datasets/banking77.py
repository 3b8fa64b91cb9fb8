"""Banking77 (Casanueva et al. 2020): customer questions, one of 77 intents each. A pool of text."""

from pathlib import Path

from labelbench_ray.datasets import Dataset, Findings, Modality, Source, signature
from labelbench_ray.datasets._findings import ignored
from labelbench_ray.datasets._splits import arrange, origins
from labelbench_ray.datasets.files.layout import beside, validation_name
from labelbench_ray.datasets.files.places import locate
from labelbench_ray.datasets.parquet_columns.columns import Columns, OneLabel
from labelbench_ray.datasets.parquet_columns.labels import LabelEncoding, label_encoding, named_label_encoding
from labelbench_ray.datasets.parquet_columns.parquet_files import (
    ParquetFiles,
    check_columns,
    label_column,
    make_table,
    open_files,
)

WANTED = "banking77's train.parquet and test.parquet, with columns text and label (or label and label_name),"
COLUMNS = Columns(payload="text", label="label", row_id=None, modality=Modality.TEXT)


class Banking77(Dataset):
    """The official test set halved into validation and test, as in LabelBench."""

    def modality(self) -> Modality:
        return Modality.TEXT

    def load(self, root: Path) -> Source:
        folder = locate(root, "banking77")
        validation = validation_name(folder, ".parquet")
        names = {"train": "train.parquet", "test": "test.parquet"} | ({"validation": validation} if validation else {})
        files = {part: open_files(folder / name, WANTED) for part, name in names.items()}
        for each in files.values():
            check_columns(each, COLUMNS)
        intents = _intents(files["train"])
        tables = {part: make_table(each, COLUMNS, OneLabel(intents)) for part, each in files.items()}
        return Source(
            classes=intents.classes,
            splits=arrange(tables["train"], tables.get("validation"), tables["test"]),
            signature=signature(["banking77", *(fact for each in files.values() for fact in each.facts())]),
            findings=Findings(
                origins=origins({part: each.origin for part, each in files.items()}),
                ignored=ignored(*(each.ignored for each in files.values()), beside(folder, names.values())),
            ),
        )


def _intents(train: ParquetFiles) -> LabelEncoding:
    where = label_column(train, COLUMNS)
    if "label_name" in train.schema.names:
        return named_label_encoding(train.column("label"), train.column("label_name"), where)
    return label_encoding(train.column("label"), where, None)
