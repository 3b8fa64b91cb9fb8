"""Tables that ship with scikit-learn, so that nothing is downloaded: real rows of numbers, few of them."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from labelbench_ray.datasets import SPLIT_SEED, Dataset, Modality, Records, Rows, Source, Split, signature
from labelbench_ray.datasets.table_columns import payloads

Name = Literal["breast_cancer", "wine", "iris"]
LOADERS: Final = {"breast_cancer": "load_breast_cancer", "wine": "load_wine", "iris": "load_iris"}


class ScikitLearn(Dataset):
    """A table split 70 / 10 / 20 into pool, validation and test, stratified by class."""

    table: Name = "breast_cancer"
    """569, 178 or 150 rows."""

    def modality(self) -> Modality:
        return Modality.TABLE

    def load(self, root: Path) -> Source:
        from sklearn.model_selection import train_test_split

        classes, labels_N = loaded(self.table)[:2]
        pool, rest = train_test_split(
            np.arange(len(labels_N)), train_size=0.7, random_state=SPLIT_SEED, stratify=labels_N
        )
        validation, test = train_test_split(rest, train_size=1 / 3, random_state=SPLIT_SEED, stratify=labels_N[rest])
        table = BundledTable(self.table)
        rows = {"pool": pool, "validation": validation, "test": test}
        return Source(
            classes,
            {name: Split(table, np.sort(part)) for name, part in rows.items()},
            signature(["scikit-learn", self.table, len(labels_N)]),
        )


@dataclass(frozen=True, slots=True)
class BundledTable:
    """All rows, as columns of numbers (a `table_columns.ColumnTable`)."""

    name: Name

    def __len__(self) -> int:
        return len(loaded(self.name)[1])

    def read(self, rows: Rows) -> Records:
        ids = [f"{self.name}/{int(row):04d}" for row in rows]
        return Records(ids, payloads(self.column_values(rows)), self.labels(rows))

    def labels(self, rows: Rows) -> NDArray[np.int64]:
        """(B,) labels of these rows."""
        return loaded(self.name)[1][np.asarray(rows, dtype=np.int64)]

    def column_values(self, rows: Rows) -> Any:  # noqa: ANN401  pyarrow has no types
        _, _, values_ND, names = loaded(self.name)
        chosen_BD = values_ND[np.asarray(rows, dtype=np.int64)]
        return pa.table({name: chosen_BD[:, place] for place, name in enumerate(names)})


@cache
def loaded(table: Name) -> tuple[tuple[str, ...], NDArray[np.int64], NDArray[np.float64], tuple[str, ...]]:
    """Class names, labels (N,), values (N, D) and the names of columns."""
    from sklearn import datasets

    found = getattr(datasets, LOADERS[table])()
    names = tuple(str(name) for name in found.feature_names)
    return tuple(map(str, found.target_names)), found.target.astype(np.int64), found.data.astype(np.float64), names
