"""Parquet files: a folder with a split named for training, or one file."""

from typing import Any, Final

import pyarrow as pa

from labelbench_ray.datasets.files.layout import parquet_files
from labelbench_ray.datasets.files.places import Place
from labelbench_ray.datasets.parquet_columns.parquet_files import open_split
from labelbench_ray.datasets.recognition.rules import Rule, Stated
from labelbench_ray.errors import ConfigError, DataError, unknown
from labelbench_ray.plugins import Part

LABEL: Final = "label"


def _find(place: Place, path: str, stated: Stated) -> Part | None:
    if place.is_folder():
        train = parquet_files(place, "train")
        return Part.of("parquet", path=path, **_columns(place, train, stated)) if train else None
    if not place.name.lower().endswith(".parquet"):
        return None
    folder = path.rpartition("/")[0] or "."
    return Part.of("parquet", path=folder, train=place.name, **_columns(place.folder, place.name, stated))


def _columns(top: Place, train: str, stated: Stated) -> dict[str, Any]:
    """The settings of `parquet` that state what is in the columns.

    Raises:
        ConfigError: a column is stated that is not there.
        DataError: the payload or the label is in no column of the usual name.
    """
    schema = open_split(top, train, "train.parquet").schema
    for option, name in (("text", stated.text), ("image", stated.image), ("label", stated.label)):
        if name and name not in schema.names:
            raise ConfigError(f"--{option}: {unknown(f'column in {top / train}', name, schema.names)}")
    settings = _payload(top / train, schema, stated)
    if stated.label or LABEL in schema.names:
        settings |= {"label": stated.label} if stated.label not in (None, LABEL) else {}
    else:
        raise DataError(
            f"{top / train}: no column {LABEL!r}; name the column of labels with --label (have: "
            f"{', '.join(schema.names)}), or let people label the rows (docs/annotation.md)"
        )
    settings |= {"row_id": stated.row_id} if stated.row_id else {}
    return settings | ({"classes": list(stated.classes)} if stated.classes else {})


def _payload(file: Place, schema: Any, stated: Stated) -> dict[str, Any]:  # noqa: ANN401  pyarrow has no types
    if stated.text and stated.image:
        raise ConfigError("--text and --image: rows are either texts or images; give one of the two")
    for payload, name in (("text", stated.text), ("image", stated.image)):
        if name:
            return {"payload": payload, "column": name} if name != payload else {"payload": payload}
    found = [payload for payload in ("image", "text") if payload in schema.names]
    if len(found) == 1:
        return {"payload": found[0]}
    texts = [field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)]
    raise DataError(
        f"{file}: {'columns image and text' if found else 'no column image or text'}; name the one to embed with "
        f"--text or --image (have: {', '.join(schema.names)}{f'; texts: {chr(44).join(texts)}' if texts else ''})"
    )


PARQUET: Final = Rule(
    "parquet",
    "train.parquet, train-*.parquet or a file of the suffix .parquet",
    frozenset({"label", "text", "image", "row_id", "classes"}),
    "",
    _find,
)
