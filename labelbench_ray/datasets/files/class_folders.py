"""Data sets whose rows are files in class folders, whatever the kind of files; here or in a bucket."""

from abc import ABC
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from labelbench_ray.datasets import Dataset, Findings, Source, Split, signature
from labelbench_ray.datasets._findings import ignored
from labelbench_ray.datasets._held_out import split_off
from labelbench_ray.datasets._splits import arrange, origins
from labelbench_ray.datasets.files.file_kinds import FileKind
from labelbench_ray.datasets.files.folders import FolderTable, class_names, folder_table, list_folder
from labelbench_ray.datasets.files.layout import TEST, VALIDATION, beside, one_of
from labelbench_ray.datasets.files.places import Place, locate

HERE: Final = "."


class ClassFolders(Dataset, ABC):
    """`<path>/<split>/<class>/<file>`; with `train="."`, `<path>/<class>/<file>`."""

    kind: ClassVar[FileKind]
    path: str = Field(min_length=1)
    """Below the data root, or a URI."""
    train: str = "train"
    """A folder in `path`; ".": `path` itself, whose folders are then the classes."""
    validation: str | None = None
    """None: the folder `validation`, `valid` or `val` if it is there."""
    test: str | None = None
    """None: the folder `test` if it is there."""
    classes: tuple[str, ...] | None = None
    """Class names in order; None: the folders of `train`, sorted."""
    held_out: Literal["hash"] | None = Field(default=None, exclude_if=lambda how: how is None)
    """How rows are split off where there is no test or validation folder: by a keyed hash of each row's id."""

    @model_validator(mode="after")
    def _check_splits(self) -> Self:
        if self.train == HERE and (self.validation or self.test):
            raise ValueError(
                'train=".": the folders of `path` are the classes, so no other split can lie in it; put the class '
                "folders of training into a folder `train`"
            )
        return self

    def load(self, root: Path) -> Source:
        top = locate(root, self.path)
        alone = self.train == HERE
        row = f"<class>/<{self.kind.one}>"
        wanted = row if alone else f"{self.train}/{row} (and, where they exist, validation/ and test/)"
        names = self._names(top)
        splits = {
            part: list_folder(top if name == HERE else top / name, wanted, self.kind) for part, name in names.items()
        }
        train, *others = splits.values()
        found, empty = class_names(train, others)
        classes = self.classes or found
        tables = {part: folder_table(split, classes) for part, split in splits.items()}
        arranged, where = self._arrange(tables)
        return Source(
            classes=classes,
            splits=arranged,
            signature=signature([*classes, *((part, table.content) for part, table in tables.items())]),
            findings=Findings(
                origins=where,
                ignored=ignored(
                    *(split.ignored for split in splits.values()),
                    empty,
                    *([] if alone else [beside(top, names.values())]),
                ),
            ),
        )

    def _arrange(self, tables: Mapping[str, FolderTable]) -> tuple[dict[str, Split], dict[str, str]]:
        """The splits, and where the rows of each come from."""
        named = {part: table.origin for part, table in tables.items()}
        if self.held_out == "hash":
            return split_off(tables, named, tables["train"].place_in_ids)
        return arrange(tables["train"], tables.get("validation"), tables.get("test")), origins(named)

    def _names(self, top: Place) -> dict[str, str]:
        """The folders of the splits that are there or asked for."""

        def there(name: str) -> str | None:
            return name if name != self.train and (top / name).is_folder() else None

        if self.train == HERE:
            return {"train": HERE}
        names = {
            "train": self.train,
            "validation": self.validation or one_of(VALIDATION, there, top),
            "test": self.test or one_of(TEST, there, top),
        }
        return {part: name for part, name in names.items() if name is not None}
