"""Any parquet files of images or text, here or in a bucket (`s3://`, `gs://`)."""

from pathlib import Path

from pydantic import Field

from labelbench_ray.datasets import Dataset, Modality, Source, Table, signature
from labelbench_ray.datasets._labels import Coding, coding, named_coding
from labelbench_ray.datasets._parquet import Columns, ParquetFiles, check_columns, label_column, make_table, open_files
from labelbench_ray.datasets._places import locate
from labelbench_ray.datasets._splits import arrange
from labelbench_ray.errors import DataError, unknown


class Parquet(Dataset):
    """`<path>/<split>.parquet`, each split a file or a folder of files with one row an example.

    Without a validation file the test set is halved; without either, train is cut 80/10/10.
    """

    path: str = Field(min_length=1)
    """Below the data root, or a URI."""
    payload: Modality
    column: str | None = None
    """The column of encoded images or of text; None: called as the payload is, `image` or `text`."""
    label: str = "label"
    label_name: str | None = None
    """The column of class names, for int labels."""
    row_id: str | None = None
    """The column of unique ids; None: `path` if there is one, else the file's name and the row's number in it."""
    classes: tuple[str, ...] | None = None
    """Class names in order; None: the distinct labels of `train`, sorted."""
    train: str = "train.parquet"
    validation: str | None = None
    """None: `validation.parquet` if it is there."""
    test: str | None = None
    """None: `test.parquet` if it is there."""

    def modality(self) -> Modality:
        return self.payload

    def _open(self, root: Path) -> Source:
        top = locate(root, self.path)
        wanted = f"{self.train} (and, where they exist, validation.parquet and test.parquet)"
        files = {"train": open_files(top / self.train, wanted)}
        for part, given in (("validation", self.validation), ("test", self.test)):
            name = given or f"{part}.parquet"
            if given is not None or (top / name).exists():
                files[part] = open_files(top / name, wanted)
        columns = {part: self._columns(each) for part, each in files.items()}
        for part, each in files.items():
            check_columns(each, columns[part])
        classes = self._coding(files["train"], columns["train"])
        tables: dict[str, Table] = {part: make_table(each, columns[part], classes) for part, each in files.items()}
        return Source(
            classes=classes.classes,
            splits=arrange(tables["train"], tables.get("validation"), tables.get("test")),
            signature=signature([*classes.classes, *((part, *each.facts()) for part, each in files.items())]),
        )

    def _columns(self, files: ParquetFiles) -> Columns:
        row_id = self.row_id or ("path" if "path" in files.schema.names else None)
        return Columns(self.column or self.payload, self.label, row_id, self.payload)

    def _coding(self, train: ParquetFiles, columns: Columns) -> Coding:
        labels, where = train.column(self.label), label_column(train, columns)
        if self.label_name is None:
            return coding(labels, where, self.classes)
        if self.label_name not in train.schema.names:
            raise DataError(f"{train.places[0]}: {unknown('column', self.label_name, train.schema.names)}")
        return named_coding(labels, train.column(self.label_name), where)
