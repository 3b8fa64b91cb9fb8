"""Embeddings that were made elsewhere: `.npy`, `.npz` or a parquet column of lists, each row with an id and a label."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import Field

from labelbench_ray.datasets import UNLABELED, Dataset, Findings, Modality, Source, signature
from labelbench_ray.datasets._findings import ignored
from labelbench_ray.datasets._held_out import split_off
from labelbench_ray.datasets._splits import check_labeled, without_unlabeled
from labelbench_ray.datasets.files.layout import beside
from labelbench_ray.datasets.files.places import Place, locate, missing
from labelbench_ray.datasets.parquet_columns.labels import LabelEncoding, label_encoding
from labelbench_ray.datasets.vectors.arrays import NpyVectors, Vectors
from labelbench_ray.datasets.vectors.parts import SUFFIXES, WANTED, VectorPart, open_part, part_names
from labelbench_ray.datasets.vectors.table import VectorTable, files_found
from labelbench_ray.errors import DataError

SAMPLED: Final = 1024
"""Rows that a plan reads of an array that will be converted."""
SMALLEST_NORMAL: Final = 2.0**-14
"""6.1e-5: float16 has 11 bits of each number from here on, and fewer of smaller ones."""


class Embeddings(Dataset):
    """`<path>/embeddings.npy`, or `<path>/train.npy` with `validation.npy` and `test.npy`; encoder `precomputed`.

    An array (N, D) of float16, float32 or float64 in `.npy` or `.npz`, or a parquet column of lists. Labels and ids
    stand in `labels.npy` and `ids.npy` beside the only array, in `<name>.labels.npy` and `<name>.ids.npy` beside one of
    several, in arrays of the `.npz` file, or in columns. Without ids, rows are named by their numbers. Without a test
    file, rows are split off; a row of train may have no label (-1, null), and nothing is split off then.
    """

    path: str = Field(min_length=1)
    """Below the data root, on a disk: a folder, or a file."""
    column: str | None = None
    """The parquet column, or the array in a `.npz` file; None: `embedding(s)`, or the only one that fits."""
    label: str | None = None
    """The column or array of labels, int or text; None: `label` or `labels`, if it is there."""
    row_id: str | None = None
    """The column or array of unique ids; None: `row_id`, `id` or `ids`, if it is there."""
    classes: tuple[str, ...] | None = None
    """Class names in order; None: the distinct labels of `train`, sorted."""
    train: str | None = None
    """A file below `path`; None: what is called `train`, or the only file of embeddings."""
    validation: str | None = None
    """None: what is called `validation`, `valid` or `val`, if it is there."""
    test: str | None = None
    """None: what is called `test`, if it is there."""

    def modality(self) -> Modality:
        return Modality.EMBEDDING

    def load(self, root: Path) -> Source:
        top, named = self._place(root)
        names = part_names(top, named)
        parts = {
            part: open_part(top, name, self.column, self.label, self.row_id, len(names) == 1)
            for part, name in names.items()
        }
        self._check_widths(parts)
        encoding = self._encoding(parts["train"], top)
        tables = {part: _table(each, encoding, top) for part, each in parts.items()}
        kept, unlabeled = without_unlabeled(tables)
        used = {part: tables[part] for part in kept}
        for part in used.keys() - {"train"}:
            check_labeled(used[part], f"rows of {parts[part].origin}")
        splits, found = split_off(used, {part: parts[part].origin for part in used})
        return Source(
            classes=encoding.classes,
            splits=splits,
            signature=signature([*encoding.classes, *(_facts(each, tables[part]) for part, each in parts.items())]),
            findings=Findings(
                origins=found,
                ignored=ignored(beside(top, [name for each in parts.values() for name in each.names])),
                notes=(*(_note(part, each) for part, each in parts.items()), *unlabeled),
            ),
        )

    def _place(self, root: Path) -> tuple[Place, dict[str, str | None]]:
        """The folder, and the files that are named in it."""
        top = locate(root, self.path)
        if not top.local:
            raise DataError(
                f"{top}: embeddings are read where they lie, on a disk; copy them to one that every node mounts"
            )
        if not top.exists():
            raise missing(top, WANTED)
        if top.is_folder():
            return top, {"train": self.train, "validation": self.validation, "test": self.test}
        if not top.name.endswith(SUFFIXES):
            raise DataError(f"{top}: not a file of embeddings; give one that ends in {', '.join(SUFFIXES)}")
        if self.train not in (None, top.name):
            raise DataError(f"{top}: `path` is a file, and train={self.train!r} names another; give their folder")
        return top.folder, {"train": top.name, "validation": self.validation, "test": self.test}

    def _check_widths(self, parts: Mapping[str, VectorPart]) -> None:
        widths = {part: each.vectors.shape[1] for part, each in parts.items()}
        if len(set(widths.values())) > 1:
            stated = ", ".join(f"{parts[part].origin} {width}" for part, width in widths.items())
            raise DataError(f"{self}: embeddings of {stated} dimensions; all splits need as many: use one encoder")

    def _encoding(self, train: VectorPart, top: Place) -> LabelEncoding:
        if train.labels is not None:
            return label_encoding(train.labels, train.labels_where, self.classes)
        if self.classes is None:
            raise DataError(
                f"{top / train.names[0]}: no labels beside it; put one label a row into labels.npy or name the column "
                'as `label`; for a pool without labels, give the classes, as in classes=["cat", "dog"]'
            )
        return LabelEncoding(self.classes, self.classes)


def _table(part: VectorPart, encoding: LabelEncoding, top: Place) -> VectorTable:
    if part.labels is None:
        labels_N = np.full(part.vectors.shape[0], UNLABELED)
    else:
        labels_N = encoding.encode(part.labels, part.labels_where)
    found = files_found(top.path, (*part.vectors.paths, *part.beside))
    return VectorTable(part.vectors, labels_N, part.ids, top.path, part.beside, found)


def _facts(part: VectorPart, table: VectorTable) -> tuple[object, ...]:
    found = zip(table.found.names_F.to_pylist(), table.found.sizes_F.tolist(), strict=True)
    return (*found, part.vectors.shape, part.vectors.dtype)


def _note(part: str, each: VectorPart) -> str:
    """How the rows of a part are held, and what names them."""
    rows, dimensions = each.vectors.shape
    why = each.vectors.why_converted
    held = "read where it lies, no second copy"
    if why:
        held = f"{why}: converted to float16 once, {2 * rows * dimensions / 1e6:,.1f} MB in the store"
    ids = f"ids from {each.ids_where.rsplit('/', 1)[-1]}" if each.ids is not None else "row numbers as ids"
    return f"{part}: {each.vectors.dtype} ({rows:,}, {dimensions:,}); {held}; {ids}{_small(each.vectors)}"


def _small(vectors: Vectors) -> str:
    """A warning that float16 keeps few digits of an array's first rows, or none; "" where it keeps them."""
    if not isinstance(vectors, NpyVectors) or vectors.header.dtype.itemsize == 2:
        return ""
    largest = float(np.nanmax(np.abs(vectors.mapped()[:SAMPLED]), initial=0))
    if not 0 < largest < SMALLEST_NORMAL:
        return ""
    return f"; the largest magnitude in the first rows is {largest:.1e}: float16 loses digits below 6e-5, scale them"
