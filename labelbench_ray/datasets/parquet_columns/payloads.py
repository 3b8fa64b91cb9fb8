"""The payloads of a parquet column: bytes, texts, or the images that it names."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from labelbench_ray.datasets import Modality, Payload
from labelbench_ray.datasets.files.places import Place, resolve


def read_payloads(column: Any, modality: Modality, places_B: Sequence[Place]) -> list[Payload]:  # noqa: ANN401
    """The payloads; null is zero bytes, which every encoder's `decode` rejects with a reason, as are wrong texts."""
    nested, names = pa.types.is_struct(column.type), None
    if nested:
        # The form in which the Hugging Face hub keeps images: a struct of bytes and path.
        names = _field(column, "path") if column.type.get_field_index("path") >= 0 else None
        column = _field(column, "bytes")
    elif modality.traits.is_file and not (pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)):
        names, column = column, pa.nulls(len(column), pa.binary())
    if not modality.traits.is_file:
        return [_text(value) for value in column.cast(pa.large_binary()).to_pylist()]
    values: list[bytes | None] = column.to_pylist()
    paths = [None] * len(values) if names is None else names.to_pylist()
    return [
        _named(place, path) if value is None and path else value or b""
        for value, path, place in zip(values, paths, places_B, strict=True)
    ]


def _field(column: Any, name: str) -> Any:  # noqa: ANN401
    return pa.chunked_array([chunk.field(name) for chunk in column.chunks], column.type.field(name).type)


def _named(file: Place, path: str) -> bytes:
    """The image that a row without bytes names; zero bytes if it is missing."""
    image = resolve(file, path)
    return image.read() if image.exists() else b""


def _text(value: bytes | None) -> Payload:
    """A text; bytes that are not UTF-8 are returned as they are."""
    try:
        return b"" if value is None else value.decode()
    except UnicodeDecodeError:
        return value or b""
