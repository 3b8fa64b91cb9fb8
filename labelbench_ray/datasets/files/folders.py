"""Folders of images or sounds: one folder a class, its files are the rows. Listed once, when the data set is opened."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from unicodedata import normalize

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import fs

from labelbench_ray.datasets import Files, Records, Rows
from labelbench_ray.datasets._findings import HIDDEN, NO_FILE, Kinds, hidden_kind, is_hidden, kind_of, suffix_of
from labelbench_ray.datasets.files.file_kinds import IMAGES, FileKind
from labelbench_ray.datasets.files.layout import named_as_splits, split_of
from labelbench_ray.datasets.files.own_folders import OWN, own_folders
from labelbench_ray.datasets.files.places import Place, missing
from labelbench_ray.errors import DataError, unknown

NO_ROWS = "without rows in every split, so not a class"


@dataclass(frozen=True, slots=True, eq=False)
class FolderTable:
    """The files below one split's folder, class by class.

    Names are kept in an arrow array and labels as the rows at which the classes end: 1.3 million files are some 30 MB
    in two buffers, which Ray shares between tasks without copying, not 1.3 million Python objects.
    """

    folder: Place
    names_N: Any
    """Paths below `folder`, `<class>/<file>`; a pyarrow string array."""
    ends_K: NDArray[np.int64]
    """The number of files up to the end of each class."""
    content: str
    """A hash of all names and sizes."""
    sizes_N: NDArray[np.int64]
    modified_N: NDArray[np.int64]
    """Nanoseconds since 1970."""

    def __len__(self) -> int:
        return len(self.names_N)

    def read(self, rows: Rows) -> Records:
        rows_B = np.asarray(rows, dtype=np.int64)
        names = self.names_N.take(pa.array(rows_B)).to_pylist()
        payloads = [(self.folder / name).read() for name in names]
        return Records(self.row_ids(rows_B).to_pylist(), payloads, self.labels(rows_B))

    def labels(self, rows: Rows) -> NDArray[np.int64]:
        """(B,) labels of these rows."""
        return np.searchsorted(self.ends_K, np.asarray(rows, dtype=np.int64), side="right").astype(np.int64)

    def locations(self, rows: Rows) -> list[str]:
        """The path of each of these rows' file."""
        names = self.names_N.take(pa.array(np.asarray(rows, dtype=np.int64))).to_pylist()
        return [str(self.folder / name) for name in names]

    @property
    def origin(self) -> str:
        """Where its rows come from, in words."""
        return f"{len(self):,} files of {self.folder.name}/"

    @property
    def place_in_ids(self) -> str:
        """What every row id begins with: the name of the folder."""
        return f"{self.folder.name}/"

    def row_ids(self, rows: Rows) -> Any:  # noqa: ANN401  pyarrow has no types
        return self._ids(self.names_N.take(pa.array(np.asarray(rows, dtype=np.int64))))

    def found_files(self) -> Files:
        return Files(self._ids(self.names_N), self.sizes_N, self.modified_N)

    def file_numbers(self, rows: Rows) -> NDArray[np.int64]:
        return np.asarray(rows, dtype=np.int64)

    def labels_hash(self) -> str:
        return self.content  # the class is in the name

    def _ids(self, names: Any) -> Any:  # noqa: ANN401
        text = pa.large_string()
        return pc.binary_join_element_wise(pa.scalar(self.place_in_ids, text), names, pa.scalar("", text))


@dataclass(frozen=True, slots=True, eq=False)
class ClassFolder:
    """The files below one class's folder, in order."""

    name: str
    """As it is written on disk."""
    names_N: Any
    """Paths below the split's folder; a pyarrow string array."""
    sizes_N: NDArray[np.int64]
    """Bytes."""
    modified_N: NDArray[np.int64]
    """Nanoseconds since 1970."""


@dataclass(frozen=True, slots=True, eq=False)
class SplitFolder:
    """One split's folder as it was listed."""

    folder: Place
    classes: Mapping[str, ClassFolder]
    """By name in the normal form of Unicode: a Mac's copy of a folder writes its name in another form."""
    ignored: Kinds
    kind: FileKind = IMAGES


def list_folder(folder: Place, wanted: str, kind: FileKind = IMAGES) -> SplitFolder:
    """List every class folder of a split.

    Raises:
        NotProvidedError: the folder is not there.
        DataError: it holds no folders, or two of the same name.
    """
    if not folder.exists():
        raise missing(folder, wanted)
    if not folder.is_folder():
        raise DataError(f"{folder}: a file; {kind.folder} has one folder for each class")
    kinds: Kinds = Counter()
    classes: dict[str, ClassFolder] = {}
    for info in folder.listing():
        name = info.base_name
        if info.type != fs.FileType.Directory:
            kinds[(HIDDEN, hidden) if (hidden := hidden_kind(name)) else (kind.misplaced, kind_of(name))] += 1
        elif is_hidden(name):
            kinds[HIDDEN, f"{name}/"] += len(_file_paths(folder / name))
        elif (other := classes.get(normalize("NFC", name))) is not None:
            raise DataError(
                f"{folder}: the folders {other.name!a} and {name!a} have the same name, in two forms of Unicode; move "
                "the files of one into the other"
            )
        else:
            inside: Kinds = Counter()
            listed = list_files(folder, folder / name, inside, kind)
            if len(listed.names_N) or not (own := _own_files(folder / name)):
                classes[normalize("NFC", name)] = listed
                kinds.update(inside)
            else:
                kinds[OWN, f"{name}/"] += own
    if not classes:
        raise DataError(
            f"{folder}: no class folders; {kind.folder} has one folder for each class, with its {kind.plural}"
        )
    filled = [each.name for each in classes.values() if len(each.names_N)]
    by_split = {split_of(name): name for name in sorted(named_as_splits(filled), reverse=True)}
    if len(by_split) > 1:
        these = " and ".join(f"{by_split[part]}/" for part in ("train", "validation", "test") if part in by_split)
        raise DataError(
            f"{folder}: {these} lie in it, which are splits and not classes; set `path` to it, and `train`, "
            "`validation` and `test` to the folders where they are called otherwise"
        )
    return SplitFolder(folder, classes, kinds, kind)


def _file_paths(folder: Place) -> list[str]:
    """The files below a folder, by their relative paths."""
    found = folder.listing(recursive=True)
    return [info.path[len(folder.path) :].lstrip("/") for info in found if info.type == fs.FileType.File]


def _own_files(folder: Place) -> int:
    """The number of files in a folder of embeddings or results of ours; 0 for any other folder."""
    paths = _file_paths(folder)
    return len(paths) if own_folders(folder.folder, (f"{folder.name}/{path}" for path in paths)) else 0


def list_files(top: Place, folder: Place, kinds: Kinds, kind: FileKind = IMAGES) -> ClassFolder:
    """List the files of a kind in one folder, at any depth, by their paths below `top`.

    Class by class, which bounds what is in memory at once and asks a bucket for pages of one prefix only.
    """
    names, sizes, modified = [], [], []
    suffixes = kind.suffixes()
    for info in folder.listing(recursive=True):
        below = info.path[len(top.path) :].lstrip("/")
        if info.type == fs.FileType.Directory:
            continue
        if hidden := hidden_kind(below):
            kinds[HIDDEN, hidden] += 1
        elif info.type != fs.FileType.File:
            kinds[NO_FILE, kind_of(info.base_name)] += 1
        elif suffix_of(info.base_name) not in suffixes:
            kinds[kind.refusal, kind_of(info.base_name)] += 1
        else:
            names.append(below)
            sizes.append(info.size)
            modified.append(info.mtime_ns or 0)
    facts = (np.array(each, dtype=np.int64) for each in (sizes, modified))
    return ClassFolder(folder.name, pa.array(names, pa.large_string()), *facts)


def class_names(train: SplitFolder, others: Iterable[SplitFolder]) -> tuple[tuple[str, ...], Kinds]:
    """The names of the classes, sorted as they are written in `train`; and the folders that hold no rows anywhere."""
    splits = (train, *others)
    filled = {key for split in splits for key, each in split.classes.items() if len(each.names_N)}
    empty = {key for split in splits for key in split.classes} - filled
    classes = tuple(each.name for key, each in train.classes.items() if key in filled)
    return classes, Counter({(NO_ROWS, f"{key}/"): 0 for key in empty})


def folder_table(split: SplitFolder, classes: Sequence[str]) -> FolderTable:
    """The rows of one split's folder.

    Raises:
        DataError: it holds rows of a folder that is not a class, or no row at all.
    """
    keys = [normalize("NFC", name) for name in classes]
    for key, each in split.classes.items():
        if key not in keys and len(each.names_N):
            raise DataError(f"{split.folder / each.name}: {unknown('class', each.name, classes)}")
    found = [split.classes.get(key) for key in keys]
    digest, names, counts = hashlib.sha256(), [pa.array([], pa.large_string())], []
    for one in found:
        counts.append(len(one.names_N) if one else 0)
        if one:
            pairs = zip(one.names_N.to_pylist(), one.sizes_N.tolist(), strict=True)
            digest.update("".join(f"{path}\0{size}\0" for path, size in pairs).encode())
            names.append(one.names_N)
    if not sum(counts):
        kind = split.kind
        ignored = ", ".join(sorted({what for why, what in split.ignored if why == kind.refusal}))
        raise DataError(
            f"{split.folder}: no {kind.plural} in its class folders (looked for {' '.join(sorted(kind.suffixes()))}"
            f"{f'; found {ignored}' if ignored else ''})"
        )
    sizes, modified = (
        np.concatenate([getattr(one, part) for one in found if one]) for part in ("sizes_N", "modified_N")
    )
    return FolderTable(split.folder, pa.concat_arrays(names), np.cumsum(counts), digest.hexdigest(), sizes, modified)


def open_folder(folder: Place, classes: Sequence[str], wanted: str) -> tuple[FolderTable, Kinds]:
    """List the images of every one of these classes; and what is not a row.

    Raises:
        NotProvidedError: the folder is not there.
        DataError: it holds a folder that is not a class, or no image.
    """
    split = list_folder(folder, wanted)
    for each in split.classes.values():
        if normalize("NFC", each.name) not in {normalize("NFC", name) for name in classes}:
            raise DataError(f"{folder / each.name}: {unknown('class', each.name, classes)}")
    return folder_table(split, classes), split.ignored
