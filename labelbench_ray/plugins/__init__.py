"""Plug-ins: a file's name is the plug-in's name, and the module path is the registry.

A plug-in is a frozen pydantic model, its fields are its settings. `Part` names one with settings. Nothing is
registered by importing, so a name means the same in the driver and in every Ray worker.
"""

import importlib
import importlib.util
import inspect
import pkgutil
import sys
import typing
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, ClassVar, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from labelbench_ray.errors import ConfigError, UserError, install_hint, unknown
from labelbench_ray.plugins.defined_classes import in_brackets
from labelbench_ray.plugins.explanations import UNKNOWN_KEY, explain
from labelbench_ray.plugins.quotes import quoted
from labelbench_ray.user_code import raised


class Frozen(BaseModel):
    """Base of every configuration value: unknown keys fail with the nearest name, values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    renamed_settings: ClassVar[Mapping[str, str]] = {}
    """Settings that were renamed: old name to new. An old one is refused with the new one."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, given: Any) -> Any:  # noqa: ANN401
        known = cls.model_fields
        for key in given if isinstance(given, dict) else ():
            if key not in known:
                text = _renamed(cls, str(key)) or unknown(f"setting of {cls.__name__}", str(key), known)
                raise PydanticCustomError(UNKNOWN_KEY, "{text}", {"text": text, "key": key})
        return given


def _renamed(model: type[Frozen], key: str) -> str | None:
    """The error for a setting that has another name now."""
    new = model.renamed_settings.get(key)
    return new and f"the setting {key!r} of {model.__name__} is now called {new!r}; rename it"


class Settings(Frozen):
    """Base of what people write: `True` and `False` are not numbers there, although Python takes them for 1 and 0."""

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_truths_for_numbers(cls, given: Any, info: ValidationInfo) -> Any:  # noqa: ANN401
        values = given if isinstance(given, list | tuple) else [given]
        if any(isinstance(value, bool) for value in values):
            kinds = kinds_of(cls.model_fields[info.field_name or ""].annotation)
            if kinds & {int, float} and bool not in kinds:
                raise PydanticCustomError("number_expected", "a number is needed, True and False are none")
        return given


def kinds_of(annotation: Any) -> set[Any]:  # noqa: ANN401
    """The classes that an annotation names: itself, or those of a union's members and of a tuple's items."""
    if origin := typing.get_origin(annotation):
        inner = typing.get_args(annotation)[:1] if origin is typing.Annotated else typing.get_args(annotation)
        return {kind for each in inner for kind in kinds_of(each)}
    return {annotation}


class Plugin(Settings):
    """Base of every plug-in. Raise `version` when a change of the code changes its numbers."""

    model_config = ConfigDict(defer_build=True)  # validators are built when one is made: a list makes none
    version: ClassVar[int] = 1
    neutral_settings: ClassVar[Mapping[str, JsonValue]] = {}
    """Settings that are newer than recorded runs, each with the value under which numbers are what they were before.

    At that value the recipe leaves the setting out, so that fingerprints stay.
    """

    renamed_methods: ClassVar[Mapping[str, str]] = {}
    """Methods that were renamed: old name to new. A class that defines an old one alone is refused."""

    packages: ClassVar[tuple[str, ...]] = ()
    """Modules that this plug-in imports only once it is used. Without one of them it is refused when it is named."""

    baseline: ClassVar[bool] = False
    """The report measures other plug-ins of its kind against this one; not inherited."""

    @classmethod
    def is_baseline(cls) -> bool:
        """Whether this very class is a baseline."""
        return bool(vars(cls).get("baseline", False))

    @classmethod
    def table_row(cls) -> dict[str, str]:
        """What readers should know beside the docstring: column of its kind's table -> text in Markdown."""
        return {}

    def inner_plugins(self) -> "dict[str, Plugin]":
        """The plug-ins that settings of type `Part` name, by setting, as `parts_of` names them. A class that has such
        settings overrides it.
        """
        return {}


class Part(Frozen):
    """A plug-in by name (a file of ours, or the full module path of yours) with its settings."""

    name: str = Field(min_length=1)
    settings: dict[str, JsonValue] = {}

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, given: Any) -> Any:  # noqa: ANN401
        if isinstance(given, Plugin) or (inspect.isclass(given) and issubclass(given, Plugin)):
            text = (
                "a plug-in is named, so that every process can import it: put its class into a file of a package, and "
                "give the module path, such as 'my_package.impurity'"
            )
            raise PydanticCustomError("name_expected", "{text}", {"text": text})
        return {"name": given} if isinstance(given, str) else given

    @field_validator("settings", mode="before")
    @classmethod
    def _as_json(cls, given: Any) -> Any:  # noqa: ANN401
        return {key: _json(value) for key, value in given.items()} if isinstance(given, dict) else given

    @classmethod
    def of(cls, name: str, **settings: "JsonValue | Part | Sequence[JsonValue | Part]") -> Self:
        """Shorthand: `Part.of("supervised", epochs=30)`, `Part.of("partition", strategy=Part.of("margin"))`."""
        return cls.model_validate({"name": name, "settings": settings})

    def __str__(self) -> str:
        settings = ", ".join(f"{key}={_shown(value)}" for key, value in sorted(self.settings.items()))
        return f"{self.name}({settings})" if settings else self.name


def _json(setting: Any) -> Any:  # noqa: ANN401
    if isinstance(setting, Part):
        return setting.model_dump()
    return [_json(each) for each in setting] if isinstance(setting, list | tuple) else setting


def _shown(setting: JsonValue) -> str:
    if isinstance(setting, list) and any(map(_is_part, setting)):
        return f"[{', '.join(map(_shown, setting))}]"
    if isinstance(setting, str):
        return quoted(setting)
    return str(Part.model_validate(setting) if _is_part(setting) else setting)


def _is_part(setting: JsonValue) -> bool:
    return isinstance(setting, dict) and "name" in setting and setting.keys() <= Part.model_fields.keys()


def parts_of(plugin: "Plugin") -> dict[str, Part]:
    """The parts among a plug-in's settings, by setting; those of a tuple by setting and place, as in "arms.0"."""
    found: dict[str, Part] = {}
    for field, value in plugin:
        if isinstance(value, Part):
            found[field] = value
        elif isinstance(value, tuple):
            found |= {f"{field}.{place}": each for place, each in enumerate(value) if isinstance(each, Part)}
    return found


Kind = TypeVar("Kind", bound=Plugin)


def names(package: str) -> list[str]:
    """The plug-ins that ship in a package, sorted: its public modules; packages in it are something else."""
    return list(_names(package))


@cache
def _names(package: str) -> tuple[str, ...]:
    """Looked up once: building ten thousand trials asks a hundred thousand times."""
    modules = pkgutil.iter_modules(importlib.import_module(package).__path__)
    return tuple(sorted(module.name for module in modules if not module.ispkg and not module.name.startswith("_")))


def load(base: type[Kind], package: str, name: str) -> type[Kind]:
    """The one subclass of `base` that is defined in the module `name` of `package`, or at the full path `name`.

    Raises:
        ConfigError: there is no such module, or it does not define exactly one such class.
    """
    kind = base.__name__.lower()
    if "." not in name and name not in names(package):
        raise ConfigError(f"{unknown(kind, name, names(package))}; yours has a module path, as in my_package.{name}")
    path = name if "." in name else f"{package}.{name}"
    if not all(step.isidentifier() for step in path.split(".")):
        raise ConfigError(f"{path!r} is not a module path for a {kind}: write names joined by single dots")
    try:
        module = importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name is not None and (path == error.name or path.startswith(error.name + ".")):
            raise ConfigError(
                f"no module {path!r} for a {kind}: give the full path of a file that can be imported, "
                f"or one of: {', '.join(names(package))}"
            ) from error
        raise ConfigError(
            f"the {kind} {name!r} needs the package {error.name!r}: {install_hint(error.name or '')}"
        ) from error
    except (Exception, SystemExit) as error:
        raise ConfigError(f"the {kind} {name!r} cannot be imported: {raised(error)}") from error
    refining = [
        member
        for member in vars(module).values()  # `getmembers` would be a seventh of what planning 10,000 trials takes
        if inspect.isclass(member) and member.__module__ == module.__name__ and issubclass(member, base)
    ]
    for member in refining:
        _refuse_old_methods(member)
    found = [member for member in refining if not inspect.isabstract(member)]
    if len(found) != 1:
        raise ConfigError(
            f"{path} defines {len(found)} classes that refine {base.__name__}{in_brackets(module, base)}; "
            "a plug-in's file defines one"
        )
    _refuse_without_packages(kind, name, found[0])
    return found[0]


def _refuse_without_packages(kind: str, name: str, plugin: type[Plugin]) -> None:
    for package in plugin.packages:
        if importlib.util.find_spec(package) is None:
            raise ConfigError(f"the {kind} {name!r} needs the package {package!r}: {install_hint(package)}")


def _refuse_old_methods(plugin: type[Plugin]) -> None:
    for each in inspect.getmro(plugin):
        for old, new in plugin.renamed_methods.items():
            if old in vars(each) and new not in vars(each):
                raise ConfigError(
                    f"{each.__module__}.{each.__qualname__} defines {old!r}, which is now called {new!r}; "
                    "rename the method"
                )


def build(base: type[Kind], package: str, part: Part) -> Kind:
    """Build the plug-in that a part names.

    Raises:
        ConfigError: unknown name, unknown setting, or a setting of the wrong type or out of range.
    """
    plugin = load(base, package, part.name)
    try:
        return plugin(**part.settings)
    except ValidationError as error:
        raise ConfigError(f"{base.__name__.lower()} {part.name!r}: {explain(error)}") from error
    except UserError:
        raise
    except Exception as error:
        raise ConfigError(f"{base.__name__.lower()} {part.name!r} cannot be made: {raised(error)}") from error


def with_resolved_settings(part: Part, plugin: Plugin) -> Part:
    """The part with its settings as the plug-in resolved them: a file's content instead of its path.

    A setting that is given at a value which its field leaves out (`exclude_if`) is as one that is not given.
    """
    taken = plugin.model_dump(mode="json")
    return Part(name=part.name, settings={name: taken[name] for name in part.settings if name in taken})


def recipe(name: str, plugin: Plugin) -> dict[str, JsonValue]:
    """What identifies a plug-in in a fingerprint: its name, declared version and all settings, defaults included.

    Where a setting names another plug-in, that one's recipe stands for it.
    """
    parts, inner = parts_of(plugin), plugin.inner_plugins()
    assert inner.keys() == parts.keys(), f"{type(plugin).__name__}.inner_plugins must make {sorted(parts)}"
    settings = plugin.model_dump(mode="json")
    for where, made in inner.items():
        field, _, place = where.partition(".")
        if place:
            settings[field][int(place)] = recipe(parts[where].name, made)
        else:
            settings[field] = recipe(parts[where].name, made)
    named = {field: value for field, value in settings.items() if (field, value) not in plugin.neutral_settings.items()}
    return {"name": name, "version": plugin.version, "settings": named}


def importable(path: str) -> None:
    """Let plug-ins named by module path be found in `path`, here and in the workers that inherit `sys.path`."""
    if path not in sys.path:
        sys.path.append(path)
