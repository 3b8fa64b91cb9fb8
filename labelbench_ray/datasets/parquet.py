"""Any parquet files of images or text, here or in a bucket (`s3://`, `gs://`)."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field, JsonValue, model_validator

from labelbench_ray.datasets import Findings, Source, Split, Table, signature
from labelbench_ray.datasets._findings import ignored, stated
from labelbench_ray.datasets._splits import arrange, evaluated, origins, without_unlabeled
from labelbench_ray.datasets.files.layout import TEST, VALIDATION, beside, one_of, parquet_files
from labelbench_ray.datasets.files.places import Place, locate
from labelbench_ray.datasets.parquet_columns.columns import (
    Columns,
    LabelLists,
    OneLabel,
    RealAnswers,
    RowLabels,
    list_entries,
)
from labelbench_ray.datasets.parquet_columns.fact_columns import column_facts, fact_numbers, with_facts
from labelbench_ray.datasets.parquet_columns.group_column import with_column_groups
from labelbench_ray.datasets.parquet_columns.image_paths import inside, named_images
from labelbench_ray.datasets.parquet_columns.keys import key_column
from labelbench_ray.datasets.parquet_columns.labels import (
    LabelEncoding,
    has_values,
    label_encoding,
    named_label_encoding,
)
from labelbench_ray.datasets.parquet_columns.parquet_files import (
    ParquetFiles,
    check_column,
    check_columns,
    label_column,
    make_table,
    open_split,
)
from labelbench_ray.datasets.parquet_columns.row_settings import RowSettings


class Parquet(RowSettings):
    """`<path>/<split>.parquet`, each split a file or a folder of files with one row an example.

    Shards as the Hugging Face hub names them are found as well: `<path>/<split>-*.parquet`, also in `<path>/data/`.
    Without a validation file the test set is halved; without either, train is cut 80/10/10. A row of train may have no
    label (null, -1 that is not a class, or no label column): its classes are then given, and nothing is cut from train.
    """

    neutral_settings: ClassVar[Mapping[str, JsonValue]] = {
        "label_list": None,
        "label_value": None,
        "unknown_list": None,
    }
    path: str = Field(min_length=1)
    """Below the data root, or a URI."""
    column: str | None = None
    """The column of encoded images or of text; None: called as the payload is, `image` or `text`."""
    label: str = "label"
    label_name: str | None = None
    """The column of class names, for int labels."""
    row_id: str | None = None
    """The column of unique ids; None: `path` if it is one, else the file's name and the row's number in it."""
    train: str = "train.parquet"
    """A file, a folder of files, or a pattern such as `data/train-*.parquet`; as the next two."""
    validation: str | None = None
    """None: what is called `validation`, `valid` or `val`, if it is there."""
    test: str | None = None
    """None: what is called `test`, if it is there."""

    @model_validator(mode="after")
    def _check_lists(self) -> Self:
        if self.label_value and (self.label_list or self.label_name or self.classes):
            raise ValueError(
                f"label_value={self.label_value!r} is a column of numbers, which have no classes; leave out "
                "label_list, label_name and classes"
            )
        if self.label_list and self.label_name:
            raise ValueError("label_name names the classes of one int label a row; use `classes` with `label_list`")
        return self

    def load(self, root: Path) -> Source:
        top = locate(root, self.path)
        wanted = f"{self.train} (and, where they exist, validation.parquet and test.parquet)"
        names = self._names(top)
        files = {part: open_split(top, name, wanted) for part, name in names.items()}
        keys = {part: key_column(each, self.row_id) for part, each in files.items()}
        columns = {
            part: Columns(
                self.column or self.payload,
                self.label_list or self.label_value or self._label(files[part]),
                key,
                self.payload,
                self.unknown_list,
            )
            for part, (key, _) in keys.items()
        }
        for part, each in files.items():
            check_columns(each, columns[part])
        classes, row_labels = self._row_labels(files, columns)
        images = {part: named_images(each, columns[part]) for part, each in files.items()}
        tables: dict[str, Table] = {
            part: make_table(each, columns[part], row_labels, images[part].states) for part, each in files.items()
        }
        used, unlabeled = without_unlabeled(tables)
        splits = arrange(used["train"], used.get("validation"), used.get("test"))
        splits |= {name: evaluated(name, tables[name]) for name in self.splits}
        if self.facts:
            splits = with_facts(splits, column_facts(files["train"], self.facts, fact_numbers))
        found = ((part, *each.facts(), *images[part].facts) for part, each in files.items())
        return Source(
            classes=classes,
            splits=with_column_groups(splits, files, tables, self.group),
            signature=signature([*classes, *found]),
            findings=Findings(
                origins=_origins({part: files[part].origin for part in used}, splits)
                | {name: files[name].origin for name in self.splits},
                ignored=ignored(
                    *(each.ignored for each in files.values()),
                    beside(top, [*names.values(), *inside(top, images.values())]),
                ),
                notes=(*stated({part: (note, images[part].note) for part, (_, note) in keys.items()}), *unlabeled),
            ),
        )

    def _names(self, top: Place) -> dict[str, str]:
        """The files of the splits that are there or asked for: a file, a folder, or a pattern."""
        found = partial(parquet_files, top)
        train = self.train
        if train == Parquet.model_fields["train"].default:  # else it is what the user named
            train = found("train") or train
        names = {
            "train": train,
            "validation": self.validation or one_of(VALIDATION, found, top),
            "test": self.test or one_of(TEST, found, top),
        }
        return {part: name for part, name in names.items() if name is not None} | self.splits

    def _label(self, files: ParquetFiles) -> str | None:
        """The label column; None where there is none, and given classes state that rows may have no label."""
        unnamed = self.label == Parquet.model_fields["label"].default and self.label_name is None
        absent = self.label not in files.schema.names
        return None if absent and unnamed and self.classes is not None else self.label

    def _row_labels(
        self, files: Mapping[str, ParquetFiles], columns: Mapping[str, Columns]
    ) -> tuple[tuple[str, ...], RowLabels]:
        """The names of the classes, and how labels are read."""
        if self.label_value:
            return (self.label_value,), RealAnswers()
        encoding = self._label_encoding(files, columns)
        return encoding.classes, LabelLists(encoding) if self.label_list else OneLabel(encoding)

    def _label_encoding(self, files: Mapping[str, ParquetFiles], columns: Mapping[str, Columns]) -> LabelEncoding:
        """The classes by the labels of train, or by given names: as text or numbers, whichever labels are there."""
        train, where = files["train"], label_column(files["train"], columns["train"])
        if self.label_list:
            lists = [train.column(name) for name in columns["train"].labels]
            return label_encoding(list_entries(lists, where), where, self.classes)
        if self.label_name is not None:
            check_column(train, self.label_name)
            return named_label_encoding(train.column(self.label), train.column(self.label_name), where)
        if self.classes is None:
            return label_encoding(train.column(self.label), where, None)
        labeled = [part for part in files if columns[part].label and has_values(files[part].column(self.label))]
        if not labeled:
            return LabelEncoding(self.classes, self.classes)
        of = labeled[0]
        return label_encoding(files[of].column(self.label), label_column(files[of], columns[of]), self.classes)


def _origins(tables: Mapping[str, str], splits: Mapping[str, Split]) -> dict[str, str]:
    """Where the rows of each split come from."""
    return origins(tables) if len(splits["test"]) else {"pool": tables["train"]}
