"""Rows in CSV, JSON lines, parquet and Arrow files: a file, a folder, or a data set of the Hugging Face Hub."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field, JsonValue, model_validator

from labelbench_ray.datasets import Findings, Source, signature
from labelbench_ray.datasets._findings import ignored, stated
from labelbench_ray.datasets._held_out import labeled_parts, split_off
from labelbench_ray.datasets._splits import evaluated
from labelbench_ray.datasets.parquet_columns.columns import Columns, LabelLists, OneLabel, RowLabels, list_entries
from labelbench_ray.datasets.parquet_columns.fact_columns import column_facts, with_facts
from labelbench_ray.datasets.parquet_columns.group_column import with_column_groups
from labelbench_ray.datasets.parquet_columns.labels import LabelEncoding, has_values, label_encoding
from labelbench_ray.datasets.parquet_columns.parquet_files import check_columns, label_column, make_table
from labelbench_ray.datasets.parquet_columns.row_files import RowFiles
from labelbench_ray.datasets.parquet_columns.row_settings import RowSettings, facts_of_labels
from labelbench_ray.datasets.row_files.answers import WrittenAnswers, written_facts
from labelbench_ray.datasets.row_files.found import FoundTables, find_tables, row_key
from labelbench_ray.datasets.row_files.named_files import named_files
from labelbench_ray.datasets.row_files.roles import LABEL, Named, Roles, find_label, find_roles, likely
from labelbench_ray.datasets.row_files.split_files import PARTS
from labelbench_ray.errors import DataError


class Tables(RowSettings):
    """Rows of `.csv`, `.tsv`, `.jsonl`, `.parquet` or `.arrow` files, found by what their names state.

    Every column of CSV and JSON lines is text: ids and labels stay as they are written. Names of classes and the roles
    of columns come from the metadata of Hugging Face `datasets` where there are any. Where there is no test split, 20 %
    of train are split off by a keyed hash of each row's id, and 10 % where there is no validation split.
    """

    neutral_settings: ClassVar[Mapping[str, JsonValue]] = {"unknown_list": None}
    path: str = Field(min_length=1)
    """A file or a folder below the data root, a URI, or `hf://owner/name` (`hf://owner/name@revision`)."""
    column: str | None = None
    """The column of payloads or of their paths; None: what the metadata, the usual names or the types state."""
    label: str | None = None
    """The column of labels, one a row; None: as for `column`."""
    row_id: str | None = None
    """The column of unique ids; None: `row_id`, `id` or `path` if there is one, else rows are numbered."""
    config: str | None = None
    """A configuration that the README states, or a folder below `path`."""
    train: str | None = None
    """A file, a folder or a pattern such as `en/train-*.csv`; None: what is called so. As the next two."""
    validation: str | None = None
    test: str | None = None

    @model_validator(mode="after")
    def _check_labels(self) -> Self:
        named = [name for name in ("label", "label_list", "label_value") if getattr(self, name) is not None]
        if len(named) > 1:
            raise ValueError(f"{' and '.join(named)} name columns of labels; leave all but one out")
        if self.label_value and self.classes:
            raise ValueError(f"label_value={self.label_value!r} is a column of numbers; leave out `classes`")
        return self

    def load(self, root: Path) -> Source:
        named = {part: name for part in PARTS if (name := getattr(self, part)) is not None}
        found = find_tables(root, self.path, self.config, named | self.splits)
        roles = self._roles(found)
        keys = {part: row_key(files, self.row_id) for part, files in found.files.items()}
        columns = {part: self._columns(found.files[part], roles, key) for part, (key, _) in keys.items()}
        for part, files in found.files.items():
            check_columns(files, columns[part])
        classes, row_labels = self._row_labels(found, columns)
        named_by = {part: named_files(found.top, files, columns[part]) for part, files in found.files.items()}
        tables = {
            part: make_table(files, columns[part], row_labels, named_by[part].states)
            for part, files in found.files.items()
        }
        used, unlabeled = labeled_parts(tables)
        splits, origins = split_off(
            used, {part: found.origin(part) for part in used}, "" if keys["train"][0] else found.only_file
        )
        splits |= {name: evaluated(name, tables[name]) for name in self.splits}
        origins |= {name: found.origin(name) for name in self.splits}
        if self.facts:
            splits = with_facts(splits, column_facts(found.files["train"], self.facts, written_facts))
        facts = ((part, *found.facts(part), *named_by[part].facts) for part in found.files)
        notes = stated({part: (note, named_by[part].note) for part, (_, note) in keys.items()})
        return Source(
            classes=classes,
            splits=with_column_groups(splits, found.files, tables, self.group),
            signature=signature([*found.revision, *classes, *facts]),
            findings=Findings(
                origins=origins,
                ignored=ignored(found.ignored_but([each for part in columns for each in found.named(part, columns)])),
                notes=(*found.notes, *roles.notes, *notes, *unlabeled),
            ),
        )

    def _roles(self, found: FoundTables) -> Roles:
        train = found.files["train"]
        others = tuple(filter(None, (self.unknown_list, self.group, *self.facts)))
        named = Named(self.column, self.label, self.label_list, self.label_value, others)
        roles = find_roles(str(train.places[0]), train.schema, self.payload, found.features, named)
        if trouble := facts_of_labels(self.facts, [roles.label]):
            raise DataError(f"{train.places[0]}: {trouble}")
        if roles.label is None and self.classes is None:
            likeliest = likely(train.schema.names[::-1], LABEL)
            raise DataError(
                f"{train.places[0]}: no column of labels (columns: {', '.join(train.schema.names)}); name it, as in "
                f'label="{likeliest}", or give classes=["cat", "dog"] if no row has a label '
                "yet"
            )
        return roles if roles.label is not None else self._labeled_elsewhere(found, roles, named)

    def _labeled_elsewhere(self, found: FoundTables, roles: Roles, named: Named) -> Roles:
        """The roles with the column of labels of a held-out split, where train has none: people are to give those."""
        for part, files in found.files.items():
            label, why = find_label(str(files.places[0]), files.schema, roles.payload, found.features, named)
            if label is not None:
                notes = (*roles.notes[:-1], f"{why}, in {part}; train has no column of labels")
                return Roles(roles.payload, label, notes)
        return roles

    def _columns(self, files: RowFiles, roles: Roles, key: str | None) -> Columns:
        named = self.label or self.label_list or self.label_value
        label = roles.label if named or roles.label in files.schema.names else None
        return Columns(roles.payload, label, key, self.payload, self.unknown_list)

    def _row_labels(self, found: FoundTables, columns: Mapping[str, Columns]) -> tuple[tuple[str, ...], RowLabels]:
        """The names of the classes, and how labels are read."""
        if self.label_value:
            return (self.label_value,), WrittenAnswers()
        encoding = self._encoding(found, columns)
        return encoding.classes, LabelLists(encoding) if self.label_list else OneLabel(encoding)

    def _encoding(self, found: FoundTables, columns: Mapping[str, Columns]) -> LabelEncoding:
        """The classes by the labels of train, or by given names: as text or numbers, whichever labels are there."""
        names: Mapping[str, tuple[str, ...]] = found.features.class_lists if self.label_list else found.features.classes
        classes = self.classes or names.get(columns["train"].label or "")
        labels = {part: found.files[part].column(each.label) for part, each in columns.items() if each.label}
        part = next((part for part, column in labels.items() if has_values(column)), "train")
        if classes is None:
            part = "train"  # the labels of held-out rows do not decide what the classes are
        elif part not in labels:
            return LabelEncoding(classes, classes)
        files, where = found.files[part], label_column(found.files[part], columns[part])
        if self.label_list:
            lists = [files.column(name) for name in columns[part].labels]
            return label_encoding(list_entries(lists, where), where, classes)
        return label_encoding(labels[part], where, classes)
