"""Which column holds what where the user names none: by the metadata, by the usual names, by the only fitting type."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from labelbench_ray.datasets.row_files.features import Features
from labelbench_ray.errors import DataError, unknown

USUAL: Final[Mapping[str, tuple[str, ...]]] = {
    "text": ("text", "sentence"),
    "image": ("image", "img", "path", "file_name"),
    "audio": ("audio", "sound", "path", "file_name"),
}
"""What columns of payloads are usually called, by modality."""
LABEL: Final = ("label", "labels", "class", "target")
ROW_ID: Final = ("row_id", "id", "path", "file_name")
"""Columns of ids, by how sure it is that their values are distinct."""


@dataclass(frozen=True, slots=True)
class Named:
    """The columns that a user names; None: not named."""

    column: str | None = None
    label: str | None = None
    label_list: str | None = None
    label_value: str | None = None
    others: tuple[str, ...] = ()
    """Columns that hold neither payloads nor labels: groups, facts."""


@dataclass(frozen=True, slots=True)
class Roles:
    """Which column holds the payloads and which the labels, and how that is known."""

    payload: str
    label: str | None
    """None: no column, and no row has a label."""
    notes: tuple[str, ...]


def find_roles(where: str, schema: Any, modality: str, stated: Features, named: Named) -> Roles:  # noqa: ANN401
    """The roles of the columns of a file.

    Raises:
        DataError: a named column is not there, or no column or several could be meant; names those that there are.
    """
    names = schema.names
    for name in (named.column, named.label, named.label_list, named.label_value):
        if name is not None and name not in names:
            raise DataError(f"{where}: {unknown('column', name, names)}")
    payload, why_payload = _payload(where, schema, modality, stated, named)
    label, why_label = find_label(where, schema, payload, stated, named)
    return Roles(payload, label, tuple(filter(None, (why_payload, why_label))))


def _payload(where: str, schema: Any, modality: str, stated: Features, named: Named) -> tuple[str, str]:  # noqa: ANN401
    if named.column is not None:
        return named.column, ""
    features = [name for name, kind in stated.payloads.items() if kind == modality and name in schema.names]
    usual = [name for name in USUAL.get(modality, (modality,)) if name in schema.names]
    if len(features) == 1:
        return features[0], f"{modality} payloads: column {features[0]!r} (by the metadata)"
    if usual and not features:
        return usual[0], f"{modality} payloads: column {usual[0]!r} (by its name)"
    hidden = {named.label, named.label_list, named.label_value, *named.others}
    hidden |= {*stated.classes, *stated.class_lists, *LABEL, *ROW_ID}
    fits = holds_text if modality == "text" else holds_bytes
    candidates = features or [each.name for each in schema if each.name not in hidden and fits(each.type)]
    if len(candidates) == 1:
        return candidates[0], f"{modality} payloads: column {candidates[0]!r} (the only one that can hold them)"
    what = f"{len(candidates)} columns ({', '.join(candidates)})" if candidates else "no column"
    raise DataError(
        f"{where}: {what} could hold the {modality} payloads (columns: {', '.join(schema.names)}); name one, as in "
        f'column="{likely(candidates or schema.names, USUAL.get(modality, ()))}"'
    )


def find_label(
    where: str,
    schema: Any,  # noqa: ANN401  pyarrow has no types
    payload: str,
    stated: Features,
    named: Named,
) -> tuple[str | None, str]:
    """The column of labels of a file, or None if it has none; and a note that states how that is known.

    Raises:
        DataError: several columns could be meant, or one holds lists; names them.
    """
    chosen = named.label_list or named.label_value or named.label
    if chosen is not None:
        return chosen, ""
    usual = [name for name in LABEL if name in schema.names and name != payload]
    classes = [name for name in stated.classes if name in schema.names]
    if len(classes) == 1 or (set(classes) & {"label"}):
        name = "label" if "label" in classes else classes[0]
        return name, f"labels: column {name!r} (classes by the metadata)"
    if classes:
        raise DataError(
            f'{where}: {len(classes)} columns of classes ({", ".join(classes)}); name one, as in label="{classes[0]}"'
        )
    lists = [name for name in stated.class_lists if name in schema.names]
    lists += [name for name in usual if holds_lists(schema.field(name).type) and name not in lists]
    if lists and not [name for name in usual if name not in lists]:
        raise DataError(
            f"{where}: column {lists[0]!r} holds lists of classes, several labels a row; name it, as in "
            f'label_list="{lists[0]}"'
        )
    usual = [name for name in usual if name not in lists]
    return (usual[0], f"labels: column {usual[0]!r} (by its name)") if usual else (None, "no column of labels")


def likely(names: Sequence[str], usual: Sequence[str]) -> str:
    """The column that is most likely meant, for a suggestion: one of the usual names in any case, or else the first."""
    return next((name for word in usual for name in names if name.strip().lower() == word), names[0])


def holds_text(kind: Any) -> bool:  # noqa: ANN401
    """Whether a column holds texts."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def holds_bytes(kind: Any) -> bool:  # noqa: ANN401
    """Whether a column holds bytes, or structs of bytes and path."""
    if pa.types.is_struct(kind):
        return bool(kind.get_field_index("bytes") >= 0)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def holds_lists(kind: Any) -> bool:  # noqa: ANN401
    """Whether a column holds lists."""
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def of_type(schema: Any, fits: Callable[[Any], bool]) -> Sequence[str]:  # noqa: ANN401
    """The columns of a type."""
    return [each.name for each in schema if fits(each.type)]
