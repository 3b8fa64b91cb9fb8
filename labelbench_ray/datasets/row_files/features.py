"""What Hugging Face `datasets` states about columns in a schema's metadata: names of classes, images, sounds."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow.parquet as pq

from labelbench_ray.datasets._findings import suffix_of
from labelbench_ray.datasets.files.places import Place
from labelbench_ray.datasets.parquet_columns.parquet_files import reading
from labelbench_ray.datasets.row_files.arrow_streams import arrow_metadata
from labelbench_ray.errors import DataError

KEY = b"huggingface"
LISTS = ("List", "LargeList", "Sequence")


@dataclass(frozen=True, slots=True)
class Features:
    """The columns whose meaning the metadata state."""

    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Columns of one class a row, with the names of the classes in order."""
    class_lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Columns of lists of classes."""
    payloads: Mapping[str, str] = field(default_factory=dict)
    """Columns of images and sounds: their modality."""


NONE = Features()
MODALITIES = {"Image": "image", "Audio": "audio"}


def stated_features(place: Place) -> Features:
    """What the schema of a parquet or Arrow file states; nothing for other files.

    Raises:
        DataError: the metadata are not what `datasets` writes.
    """
    suffix = suffix_of(place.name)
    if suffix == ".parquet":
        with reading(place), pq.ParquetFile(place.path, filesystem=place.filesystem) as file:
            metadata = file.schema_arrow.metadata or {}
    elif suffix == ".arrow":
        metadata = arrow_metadata(place)
    else:
        return NONE
    return NONE if KEY not in metadata else features(metadata[KEY], str(place))


def features(text: bytes, where: str) -> Features:
    """The features in the metadata's JSON, `{"info": {"features": {...}}}`."""
    try:
        content = json.loads(text)
        stated = content["info"]["features"] if "info" in content else content["features"]
        return Features(
            {name: found for name, each in stated.items() if (found := _names(each)) is not None},
            {name: found for name, each in stated.items() if (found := _listed_names(each)) is not None},
            {name: MODALITIES[each["_type"]] for name, each in stated.items() if _kind(each) in MODALITIES},
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(
            f"{where}: the schema's metadata 'huggingface' are not what `datasets` writes ({error!r}); write the file "
            "again, or without these metadata"
        ) from error


def _kind(feature: Any) -> str | None:  # noqa: ANN401
    return feature.get("_type") if isinstance(feature, dict) else None


def _names(feature: Any) -> tuple[str, ...] | None:  # noqa: ANN401
    if _kind(feature) != "ClassLabel":
        return None
    names = feature["names"]
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise ValueError(f"names of classes: {names!r}")
    if len(set(names)) < len(names):
        raise ValueError(f"names of classes: {next(name for name in names if names.count(name) > 1)!r} twice")
    return tuple(names)


def _listed_names(feature: Any) -> tuple[str, ...] | None:  # noqa: ANN401
    """The classes of a list: `[feature]`, or `{"_type": "List", "feature": ...}` (older: Sequence)."""
    if isinstance(feature, list) and len(feature) == 1:
        return _names(feature[0])
    return _names(feature.get("feature")) if _kind(feature) in LISTS else None
