"""Files of rows: CSV, JSON lines, parquet and Arrow, with payloads in a column or in files that a column names."""

import math
from typing import Any, Final

import numpy as np
import pyarrow as pa

from labelbench_ray.datasets import Modality
from labelbench_ray.datasets._findings import suffix_of
from labelbench_ray.datasets.files.file_kinds import IMAGES, SOUNDS
from labelbench_ray.datasets.files.places import Place
from labelbench_ray.datasets.parquet_columns.row_files import RowFiles
from labelbench_ray.datasets.recognition.rules import Rule, Stated
from labelbench_ray.datasets.recognition.vector_files import holds_vectors, vectors_part
from labelbench_ray.datasets.row_files.features import Features
from labelbench_ray.datasets.row_files.found import find_at
from labelbench_ray.datasets.row_files.hub import config_of
from labelbench_ray.datasets.row_files.roles import LABEL, ROW_ID, holds_bytes, holds_lists, holds_text
from labelbench_ray.datasets.row_files.split_files import SUFFIXES, holds_rows, visible_files
from labelbench_ray.datasets.table_columns.roles import Stated as Columns
from labelbench_ray.datasets.table_columns.roles import find_roles
from labelbench_ray.errors import ConfigError, DataError, unknown
from labelbench_ray.plugins import Part

LOOKED_AT: Final = 20
"""Rows whose values are looked at."""
BYTES_LOOKED_AT: Final = 2**20
"""At the start of a file."""
FEWEST_MEASURES: Final = 20
"""Labels from which texts can be recognized as numbers to predict."""
MOST_NUMBERS: Final = 0.9
"""Of the labels; the reader of numbers reports the others, each with its row."""


def _find(place: Place, path: str, stated: Stated) -> Part | None:
    if not place.is_folder():
        return _part(place, path, stated) if suffix_of(place.name) in SUFFIXES else None
    names = visible_files(place)[0]
    if not any(holds_rows(name) for name in names):
        return None
    part = _part(place, path, stated)
    files = IMAGES.suffixes() | SOUNDS.suffixes()
    beside_files = any(suffix_of(name) in files for name in names)
    # A CSV beside folders of images or sounds that names none of them holds something else.
    return None if beside_files and part.settings["payload"] == "text" and stated.text is None else part


def names_files(place: Place) -> bool:
    """Whether a file of rows in a folder names images or sounds that lie there, as far as its first bytes show it.

    The bytes are looked at and not the rows, so that a list of files with a mistake in it is still refused as one.
    `.json` is not asked: it holds facts of the one file that it lies beside, or settings.
    """
    visible = visible_files(place)[0]
    kinds = IMAGES.suffixes() | SOUNDS.suffixes()
    files = [name.rpartition("/")[2].encode() for name in visible if suffix_of(name) in kinds][:LOOKED_AT]
    rows = [each for name, each in visible.items() if holds_rows(name) and suffix_of(name) != ".json"]
    return any(_names_one(each, files) for each in rows)


def _names_one(place: Place, files: list[bytes]) -> bool:
    if suffix_of(place.name) in (".parquet", ".arrow"):
        return _columns_name_files(place)  # bytes may be compressed
    first = _first_bytes(place)
    return any(file in first for file in files)


def _columns_name_files(place: Place) -> bool:
    try:
        files = find_at(place, None, {}).files["train"]
        return any(_kind_of_paths(files, name) for name in _text_columns(files))
    except DataError:
        return False


def _first_bytes(place: Place) -> bytes:
    with place.filesystem.open_input_stream(place.path) as opened:
        found: bytes = opened.read(BYTES_LOOKED_AT)
    return found


def _part(place: Place, path: str, stated: Stated) -> Part:
    """`tables` with the payload and the task that the files of train have.

    Raises:
        ConfigError: a column is stated that is not there.
        DataError: as from `find_at`, or no column holds labels or payloads.
    """
    found = find_at(place, config_of(path), {})
    train, names = found.files["train"], found.files["train"].schema.names
    for option, name in (("text", stated.text), ("image", stated.image), ("label", stated.label)):
        if name and name not in names:
            raise ConfigError(f"--{option}: {unknown(f'column in {train.places[0]}', name, names)}")
    if holds_vectors(train) and not (stated.text or stated.image) and _modality(train, found.features, stated) is None:
        return vectors_part(path, stated)
    if not (stated.text or stated.image) and _holds_columns(train, found.features, stated):
        return _tabular(train, found.features, path, stated)
    settings: dict[str, Any] = {"path": path, **_payload(train, found.features, stated)}
    settings |= _labels(train, found.features, stated)
    settings |= {"row_id": stated.row_id} if stated.row_id else {}
    return Part.of("tables", **settings | ({"classes": list(stated.classes)} if stated.classes else {}))


def _holds_columns(files: RowFiles, features: Features, stated: Stated) -> bool:
    """Whether rows are numbers and categories: a column holds numbers, and none holds a text, an image or a sound."""
    kind = _modality(files, features, stated)
    if kind not in (None, "text") or {"text", "sentence"} & {*files.schema.names}:
        return False
    if any(holds_lists(field.type) for field in files.schema):
        return False
    reserved = {*LABEL, *ROW_ID, stated.label, stated.row_id}
    columns = {name: files.column(name) for name in files.schema.names if name not in reserved}
    if not columns:
        return False
    try:
        roles = find_roles(str(files.places[0]), columns, Columns())
    except DataError:
        return False
    return bool(roles.numeric) and not any(holds_text(columns[name].type) for name in roles.left_out)


def _tabular(files: RowFiles, features: Features, path: str, stated: Stated) -> Part:
    settings: dict[str, Any] = {"path": path, **_labels(files, features, stated)}
    settings |= {"row_id": stated.row_id} if stated.row_id else {}
    return Part.of("tabular", **settings | ({"classes": list(stated.classes)} if stated.classes else {}))


def _payload(files: RowFiles, features: Features, stated: Stated) -> dict[str, Any]:
    if stated.text and stated.image:
        raise ConfigError("--text and --image: rows are either texts or images; give one of the two")
    for payload, name in (("text", stated.text), ("image", stated.image)):
        if name:
            return {"payload": payload, "column": name} if name != payload else {"payload": payload}
    kind = _modality(files, features, stated)
    texts = [name for name in _text_columns(files) if name not in (*LABEL, stated.label)]
    if kind is None or (kind == "text" and len(texts) > 1 and not {"text", "sentence"} & {*texts}):
        raise DataError(
            f"{files.places[0]}: {'several columns of texts' if kind else 'no column of texts or images'}; name the "
            f"one to embed with --text or --image (have: {', '.join(files.schema.names)}"
            f"{f'; texts: {chr(44).join(texts)}' if texts else ''})"
        )
    if kind not in list(Modality):
        raise DataError(f"{files.places[0]}: {kind} payloads; those that are read: {', '.join(Modality)}")
    return {"payload": kind}


def _modality(files: RowFiles, features: Features, stated: Stated) -> str | None:
    """The kind of payload: by the metadata, by paths in a column, or by the types; None if no column holds one."""
    if len(kinds := {*features.payloads.values()}) == 1:
        return kinds.pop()
    texts = [name for name in _text_columns(files) if name not in (*LABEL, stated.label)]
    for name in texts:
        if kind := _kind_of_paths(files, name):
            return kind
    for field in files.schema:
        if holds_bytes(field.type):
            return "audio" if field.name in ("audio", "sound") else "image"
    return "text" if texts else None


def _text_columns(files: RowFiles) -> list[str]:
    ids = ("row_id", "id")
    return [field.name for field in files.schema if holds_text(field.type) and field.name not in ids]


def _kind_of_paths(files: RowFiles, column: str) -> str | None:
    """The modality of the files that a column names; None if it does not hold paths."""
    rows_B = np.arange(min(LOOKED_AT, len(files)))
    found = {suffix_of(value) for value in files.rows(rows_B, [column])[column].to_pylist() if value}
    if found and found <= IMAGES.suffixes():
        return "image"
    return "audio" if found and found <= SOUNDS.suffixes() else None


def _labels(files: RowFiles, features: Features, stated: Stated) -> dict[str, Any]:
    """The setting that names the column of labels, where the data set would not find it or the task is another."""
    schema = files.schema
    usual = [name for name in LABEL if name in schema.names]
    classes = [name for name in features.classes if name in schema.names]
    lists = [name for name in features.class_lists if name in schema.names]
    lists += [name for name in usual if holds_lists(schema.field(name).type) and name not in lists]
    name = stated.label or next(iter(classes or [each for each in usual if each not in lists] or lists), None)
    if name is None and stated.classes:
        return {}  # people give the labels
    if name is None:
        raise DataError(
            f"{files.places[0]}: no column 'label'; name the column of labels with --label (have: "
            f"{', '.join(schema.names)}), or let people label the rows (docs/annotation.md)"
        )
    if name in lists or holds_lists(schema.field(name).type):
        return {"label_list": name}
    if name not in features.classes and pa.types.is_floating(schema.field(name).type):
        values = [value for value in files.column(name).to_pylist() if value is not None]
        if not all(value.is_integer() for value in values):
            return {"label_value": name}
    if name not in features.classes and holds_text(schema.field(name).type) and _are_measures(files, name):
        return {"label_value": name}
    return {"label": name} if stated.label and name != "label" else {}


def _are_measures(files: RowFiles, column: str) -> bool:
    """Whether texts are numbers to predict: some are not whole, and most differ.

    Raises:
        DataError: they are whole numbers most of which differ, which could be either.
    """
    texts = [text.strip() for text in files.column(column).to_pylist() if text and text.strip()]
    if len(texts) < FEWEST_MEASURES or len({*texts}) <= len(texts) / 2:
        return False
    numbers = [value for text in texts if (value := _number(text)) is not None]
    if len(numbers) < MOST_NUMBERS * len(texts):
        return False
    if all(value.is_integer() for value in numbers):
        raise DataError(
            f"{files.places[0]}, column {column!r}: {len({*texts}):,} different whole numbers in {len(texts):,} rows "
            f"are names of classes or numbers to predict; state which: --dataset 'tables(path=..., payload=..., "
            f"label={column})' or label_value={column}"
        )
    return True


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


TABLES: Final = Rule(
    "files of rows",
    f"files of rows ({' '.join(SUFFIXES)})",
    frozenset({"label", "text", "image", "row_id", "classes"}),
    "",
    _find,
)
