"""Which files of a folder are the embeddings of which split, and where their labels and ids stand."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from labelbench_ray.datasets.files.layout import TEST, VALIDATION, one_of
from labelbench_ray.datasets.files.places import PATTERN, Place, missing
from labelbench_ray.datasets.parquet_columns.parquet_files import ParquetFiles, check_column, open_split
from labelbench_ray.datasets.vectors.arrays import Vectors, open_column, open_npy, open_npz
from labelbench_ray.datasets.vectors.headers import read_npy, read_npz
from labelbench_ray.datasets.vectors.table import check_count, plain_array, text_ids
from labelbench_ray.errors import DataError

SUFFIXES: Final = (".npy", ".npz", ".parquet")
WANTED: Final = "embeddings.npy, .npz or .parquet, or train.npy (and, where they exist, validation.npy and test.npy)"
LABELS: Final = ("label", "labels")
IDS: Final = ("row_id", "id", "ids")
"""Names of columns and of arrays in a `.npz` file; of files, the last one."""
BESIDE: Final = {"label": "labels", "row_id": "ids"}
"""Files beside a `.npy` file that hold what these settings name elsewhere."""


@dataclass(frozen=True, slots=True, eq=False)
class VectorPart:
    """The embeddings of a split with their labels and ids as the files hold them; None where there are none."""

    vectors: Vectors
    origin: str
    """Where the rows come from, in words."""
    names: tuple[str, ...]
    """What it reads, below the folder; patterns of parquet files."""
    labels: Any
    labels_where: str
    ids: Any
    ids_where: str
    beside: tuple[str, ...]
    """The paths of files of labels and ids."""


def part_names(top: Place, named: Mapping[str, str | None]) -> dict[str, str]:
    """The files of the splits that are there or named, below a folder: `train`, `validation` and `test`.

    Raises:
        NotProvidedError: there are no embeddings.
        DataError: several files may be the one that is meant.
    """

    def found(word: str) -> str | None:
        return one_of([f"{word}{suffix}" for suffix in SUFFIXES], lambda name: name if _there(top, name) else None, top)

    train = named["train"] or found("train") or _only(top)
    names: dict[str, str | None] = {
        "train": train,
        "validation": named["validation"] or one_of(VALIDATION, found, top),
        "test": named["test"] or one_of(TEST, found, top),
    }
    return {part: name for part, name in names.items() if name is not None}


def _there(top: Place, name: str) -> bool:
    shards = name.removesuffix(".parquet") + "-*.parquet"
    return (top / name).exists() or (name.endswith(".parquet") and bool(top.matching(shards)))


def _only(top: Place) -> str:
    """The one file of embeddings in a folder without `train`."""
    words = (*VALIDATION, *TEST)
    names: list[str] = [info.base_name for info in top.listing() if info.base_name.endswith(SUFFIXES)]
    stems = {name: name.rsplit(".", 1)[0] for name in names if not _is_beside(name)}
    fits = [name for name, stem in stems.items() if stem not in words and not name.startswith(".")]
    if not fits:
        raise missing(top / "embeddings.npy", WANTED)
    if len(fits) > 1:
        named = [name for name in fits if stems[name] == "embeddings"]
        if len(named) != 1:
            raise DataError(
                f"{top}: {', '.join(sorted(fits)[:4])} may each be the embeddings; name the one that is meant, as in "
                f'train="{sorted(fits)[0]}"'
            )
        return named[0]
    return fits[0]


def _is_beside(name: str) -> bool:
    return name in ("labels.npy", "ids.npy") or name.endswith((".labels.npy", ".ids.npy"))


def open_part(
    top: Place, name: str, column: str | None, label: str | None, row_id: str | None, is_only: bool
) -> VectorPart:
    """Open the embeddings of a split: headers and footers, labels and ids.

    Args:
        column: of the embeddings, as the next two a parquet column or an array of a `.npz` file; None: found by name.
        is_only: `labels.npy` and `ids.npy` are this part's, since there is no other.

    Raises:
        NotProvidedError: nothing is there.
        DataError: it is damaged, or not what it states.
    """
    if name.endswith(".npy"):
        path = _file(top, name)
        for what, given in (("column", column), ("label", label), ("row_id", row_id)):
            if given is not None:
                beside_it = "" if what == "column" else f" and put {BESIDE[what]} into {BESIDE[what]}.npy"
                raise DataError(f"{path}: has no columns, {what}={given!r} names one; leave {what} out{beside_it}")
        vectors: Vectors = open_npy(path)
        columns: Mapping[str, Any] = {}
        where, names = path, (name,)
    elif name.endswith(".npz"):
        path = _file(top, name)
        vectors, headers = open_npz(path, column)
        columns = dict.fromkeys(headers)
        where, names = path, (name,)
    elif name.endswith(".parquet"):
        shards = name if PATTERN.search(name) or (top / name).exists() else f"{name.removesuffix('.parquet')}-*.parquet"
        files = open_split(top, shards, WANTED)
        vectors = open_column(files, column)
        columns = dict.fromkeys(files.schema.names)
        where, names = str(files.places[0]), (shards,)
    else:
        raise DataError(f"{top / name}: not a file of embeddings; give one that ends in {', '.join(SUFFIXES)}")
    labels, labels_where = _beside(top, name, vectors, where, columns, LABELS, label, is_only)
    ids, ids_where = _beside(top, name, vectors, where, columns, IDS, row_id, is_only)
    rows, first = vectors.shape[0], os.path.basename(where)
    if labels is not None:
        labels = plain_array(labels, labels_where, "labels")
        check_count(len(labels), rows, labels_where, "labels", first)
    if ids is not None:
        ids = text_ids(ids, ids_where)
        check_count(len(ids), rows, ids_where, "ids", first)
    beside = tuple(each for each in (labels_where, ids_where) if each.endswith(".npy"))
    origin = first if len(vectors.paths) == 1 else f"{len(vectors.paths):,} files like {first}"
    used = (*names, *(os.path.relpath(each, top.path) for each in beside))
    return VectorPart(vectors, origin, used, labels, labels_where, ids, ids_where, beside)


def _beside(
    top: Place,
    name: str,
    vectors: Vectors,
    where: str,
    columns: Mapping[str, Any],
    words: Sequence[str],
    named: str | None,
    is_only: bool,
) -> tuple[Any, str]:
    """The labels or ids of a part, and where they stand; (None, "") if there are none."""
    have = [named] if named else [word for word in words if word in columns]
    if have and columns:
        if isinstance(files := getattr(vectors, "files", None), ParquetFiles):
            check_column(files, have[0])
            return files.column(have[0]), f"{where}, column {have[0]!r}"
        if have[0] not in columns:
            raise DataError(f"{where}: no array called {have[0]!r} (arrays: {', '.join(columns)})")
        return read_npz(where, have[0]), f"{where}, array {have[0]!r}"
    last = "labels" if words is LABELS else "ids"
    stem = name.rsplit(".", 1)[0]
    for file in (f"{stem}.{last}.npy", f"{last}.npy"):
        if (top / file).exists():
            if file == f"{last}.npy" and not is_only:
                raise DataError(
                    f"{top / file}: several files of embeddings lie beside it; name it for the one that it belongs to, "
                    f"{stem}.{last}.npy"
                )
            path = _file(top, file)
            return read_npy(path), path
    return None, ""


def _file(top: Place, name: str) -> str:
    place = top / name
    if not place.exists():
        raise missing(place, WANTED)
    return place.path
