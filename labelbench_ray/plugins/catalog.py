"""The catalog of plug-ins: what each of them is, as values, for `labelbench list`, tables and pages.

A plug-in is described by its class alone: docstring, settings, and the attributes that its kind shows in a table
(`Plugin.table_row`). Nothing is made, and no data or weights are needed.
"""

import ast
import importlib
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from itertools import pairwise
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic.fields import FieldInfo

from labelbench_ray.errors import ConfigError, unknown
from labelbench_ray.plugins import Frozen, Part, Plugin, load, names

KINDS: Final[Mapping[str, tuple[str, str]]] = {
    "strategies": ("labelbench_ray.strategies", "Strategy"),
    "trainers": ("labelbench_ray.trainers", "Trainer"),
    "proxies": ("labelbench_ray.proxies", "Proxy"),
    "heads": ("labelbench_ray.proxies.heads", "Head"),
    "encoders": ("labelbench_ray.encoders", "Encoder"),
    "datasets": ("labelbench_ray.datasets", "Dataset"),
    "corrupters": ("labelbench_ray.corrupters", "Corrupter"),
    "oracles": ("labelbench_ray.oracles", "Oracle"),
    "augmentations": ("labelbench_ray.augmentations", "Augmentation"),
    "tasks": ("labelbench_ray.tasks", "Task"),
}
"""Each kind of plug-in: its package, and the class that its plug-ins refine."""
LIMITS: Final[Mapping[type[Any], tuple[str, str]]] = {
    Ge: ("ge", "at least {}"),
    Gt: ("gt", "greater than {}"),
    Le: ("le", "at most {}"),
    Lt: ("lt", "less than {}"),
    MinLen: ("min_length", "length at least {}"),
    MaxLen: ("max_length", "length at most {}"),
}
"""A setting's limits as pydantic holds them: the attribute with the number, and its words."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting of a plug-in."""

    name: str
    type: str
    """As one writes it in Python: `float | None`, `"scalar" | "exact"`."""
    limits: str
    """In words, such as "at least 0, less than 1"; "" if there are none."""
    default: str | None
    """As one writes it in Python; None for a setting that must be given."""
    description: str
    """In Markdown; "" if there is none."""


@dataclass(frozen=True, slots=True)
class PluginDescription:
    """A plug-in, described by its class."""

    name: str
    """How a trial names it: the name of its file, or the module path of a user's own."""
    module: str
    class_name: str
    summary: str
    """The first line of its docstring."""
    docstring: str
    settings: tuple[Setting, ...]
    row: Mapping[str, str]
    """Its row in the table of its kind, by column and in Markdown: for a strategy wants, time, kind, from, ..."""


def catalog(kind: str) -> tuple[PluginDescription, ...]:
    """The plug-ins of a kind (`KINDS`) that ship here, by name; those that need a missing package are left out.

    Raises:
        ConfigError: there is no such kind.
    """
    package, _ = _kind(kind)
    found = []
    for name in names(package):
        try:
            found.append(describe(kind, name))
        except ConfigError:  # it needs a package that is not installed
            continue
    return tuple(found)


def describe(kind: str, name: str) -> PluginDescription:
    """One plug-in of a kind: a name of ours, or the full module path of a user's own; `ConfigError` as from `load`."""
    package, base = _kind(kind)
    return described(name, load(getattr(importlib.import_module(package), base), package, name))


def described(name: str, plugin: type[Plugin]) -> PluginDescription:
    """A plug-in's class under this name."""
    docstring = inspect.cleandoc(plugin.__doc__ or "")
    summary, settings = docstring.partition("\n")[0], settings_of(plugin)
    return PluginDescription(name, plugin.__module__, plugin.__name__, summary, docstring, settings, plugin.table_row())


def settings_of(model: type[Frozen]) -> tuple[Setting, ...]:
    """The fields of a plug-in's class, or of another value that people write: a trial, a part."""
    return tuple(_setting(model, field, info) for field, info in model.model_fields.items())


def _kind(kind: str) -> tuple[str, str]:
    if kind not in KINDS:
        raise ConfigError(unknown("kind of plug-in", kind, KINDS))
    return KINDS[kind]


def _setting(model: type[Frozen], name: str, info: FieldInfo) -> Setting:
    default = None if info.is_required() else _code(info.get_default(call_default_factory=True))
    texts = (_attribute_docstrings(each).get(name) for each in model.__mro__ if issubclass(each, Frozen))
    description = info.description or next(filter(None, texts), "")
    return Setting(name, _type(info.annotation), ", ".join(_limits(info)), default, description)


@cache
def _attribute_docstrings(model: type[Frozen]) -> Mapping[str, str]:
    """The text below each annotated attribute of a class, as it stands in its file; {} if that cannot be read."""
    try:
        tree = ast.parse(inspect.getsource(inspect.getmodule(model) or model))
    except (OSError, TypeError, SyntaxError):
        return {}
    bodies = [node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == model.__name__]
    return {
        first.target.id: inspect.cleandoc(second.value.value)
        for body in bodies
        for first, second in pairwise(body)
        if isinstance(first, ast.AnnAssign) and isinstance(first.target, ast.Name)
        if isinstance(second, ast.Expr) and isinstance(second.value, ast.Constant)
        if isinstance(second.value.value, str)
    }


def _limits(info: FieldInfo) -> Iterator[str]:
    for limit in [*info.metadata, *_inner_metadata(info.annotation)]:
        if type(limit) in LIMITS:
            attribute, words = LIMITS[type(limit)]
            yield words.format(getattr(limit, attribute))


def _inner_metadata(annotation: Any) -> Iterator[Any]:  # noqa: ANN401
    """What pydantic notes at the members of a union, as in `PositiveInt | None`."""
    if get_origin(annotation) in (Union, UnionType):
        for each in get_args(annotation):
            if get_origin(each) is Annotated:
                for noted in get_args(each)[1:]:
                    yield from noted.metadata if isinstance(noted, FieldInfo) else [noted]


def _type(annotation: Any) -> str:  # noqa: ANN401  any type that a setting may have
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(inner[0])
    if origin is Literal:
        return " | ".join(_code(value) for value in inner)
    if origin in (Union, UnionType):
        return " | ".join(_type(each) for each in inner)
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return " | ".join(map(_code, annotation))
    if annotation in (None, NoneType):
        return "None"
    if annotation is Ellipsis:
        return "..."
    name = getattr(origin or annotation, "__name__", str(annotation))
    return f"{name}[{', '.join(_type(each) for each in inner)}]" if inner else name


def _code(value: Any) -> str:  # noqa: ANN401
    return f'"{value}"' if isinstance(value, str | Part) else str(value)
