"""Files of embeddings that were made elsewhere: `.npy` and `.npz`."""

from typing import Any, Final

import pyarrow as pa

from labelbench_ray.datasets._findings import suffix_of
from labelbench_ray.datasets.files.places import Place
from labelbench_ray.datasets.parquet_columns.row_files import RowFiles
from labelbench_ray.datasets.recognition.rules import Rule, Stated
from labelbench_ray.datasets.row_files.roles import holds_lists
from labelbench_ray.datasets.row_files.split_files import visible_files
from labelbench_ray.plugins import Part

SUFFIXES: Final = (".npy", ".npz")


def _find(place: Place, path: str, stated: Stated) -> Part | None:
    names = visible_files(place)[0] if place.is_folder() else [place.name]
    if not any(suffix_of(name) in SUFFIXES for name in names):
        return None
    return vectors_part(path, stated)


def vectors_part(path: str, stated: Stated) -> Part:
    """`embeddings` with what people state about it."""
    settings: dict[str, Any] = {name: value for name in ("label", "row_id") if (value := getattr(stated, name))}
    return Part.of("embeddings", path=path, **settings, **({"classes": [*stated.classes]} if stated.classes else {}))


def holds_vectors(files: RowFiles) -> bool:
    """Whether a column holds lists of floats."""
    return any(holds_lists(field.type) and pa.types.is_floating(field.type.value_type) for field in files.schema)


VECTOR_FILES: Final = Rule(
    "embeddings that were made elsewhere",
    "embeddings (.npy .npz)",
    frozenset({"label", "row_id", "classes"}),
    "which has no column to embed",
    _find,
)
