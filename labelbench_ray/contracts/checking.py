"""Checking a plug-in: which kind it is, and the findings of all laws of that kind."""

import importlib
import importlib.util
import inspect
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from pydantic import ValidationError

from labelbench_ray import plugins
from labelbench_ray.contracts import settings as of_settings
from labelbench_ray.contracts.law import Finding, Law, Verdict, judge
from labelbench_ray.errors import ConfigError
from labelbench_ray.plugins import Part, Plugin, importable
from labelbench_ray.plugins.catalog import KINDS
from labelbench_ray.plugins.defined_classes import in_brackets
from labelbench_ray.plugins.explanations import explain
from labelbench_ray.tasks import ServesTasks
from labelbench_ray.user_code import raised

OF_A_FILE: Final = "labelbench_checked_"
"""How the module of a file begins: its own name may be that of another module."""
NO_SETTINGS: Final[Mapping[str, Any]] = {}
LAWS: Final[Mapping[str, tuple[str, ...]]] = {
    "Strategy": ("strategies", "strategies_alike"),
    "Trainer": ("trainers",),
    "Proxy": ("proxies",),
    "Encoder": ("encoders",),
    "Dataset": ("datasets",),
    "Augmentation": ("augmentations",),
    "Corrupter": ("corrupters",),
}
"""The modules of this package with the laws of a kind, beside those of every plug-in."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A plug-in and what became of each law."""

    plugin: Plugin
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether no law is broken."""
        return not self.broken

    @property
    def broken(self) -> tuple[Finding, ...]:
        """The laws that do not hold."""
        return tuple(each for each in self.findings if each.verdict is Verdict.FAIL)

    def __str__(self) -> str:
        return "\n".join([title(self.plugin), *map(str, self.findings), summary(self.findings)])


def check(
    plugin: str | Path | Part | Plugin, settings: Mapping[str, Any] = NO_SETTINGS, data_root: str | Path = "data"
) -> Checked:
    """Try every law of its kind on a plug-in.

    Args:
        plugin: a module path, a file, a `Part`, or a plug-in that is made.
        settings: where it is a module path or a file.
        data_root: where the data of a data set lie.

    Raises:
        ConfigError: it cannot be imported or made, or defines no plug-in or several.
    """
    made = made_plugin(plugin, settings)
    # An upper bound chooses in trials alone: of the laws, those of settings are about it.
    bound = isinstance(made, ServesTasks) and made.sees_labels
    laws = laws_of("" if bound else kind_of(type(made)), Path(data_root))
    return Checked(made, tuple(judge(law, made) for law in laws))


def made_plugin(plugin: str | Path | Part | Plugin, given: Mapping[str, Any]) -> Plugin:
    """The plug-in that is named, with these settings; raises as `check`."""
    return plugin if isinstance(plugin, Plugin) else _made(plugin, given)


def title(plugin: Plugin) -> str:
    """What is checked."""
    kind = kind_of(type(plugin)).lower()
    module = type(plugin).__module__.removeprefix(OF_A_FILE)
    return f"{module}: {plugin!r}, {'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def summary(found: Sequence[Finding]) -> str:
    """How many laws hold."""
    counts = Counter(each.verdict for each in found)
    others = f", {counts[Verdict.NOT_APPLICABLE]} not about it" if counts[Verdict.NOT_APPLICABLE] else ""
    return f"{counts[Verdict.PASS]} laws hold, {counts[Verdict.FAIL]} broken{others}"


def laws_of(kind: str, data_root: Path = Path("data")) -> Iterator[Law[Any]]:
    """The laws of plug-ins that refine this class, such as "Strategy"; those of data sets read below `data_root`."""
    yield from of_settings.LAWS
    for module in map(importlib.import_module, (f"{__package__}.{name}" for name in LAWS.get(kind, ()))):
        yield from module.laws(data_root) if kind == "Dataset" else module.LAWS


def _made(plugin: str | Path | Part, given: Mapping[str, Any]) -> Plugin:
    part = plugin if isinstance(plugin, Part) else Part(name=str(plugin), settings=dict(given))
    found = _class_in(_module(part.name), part.name)
    try:
        return found(**part.settings)
    except ValidationError as error:
        raise ConfigError(f"{part.name}: {explain(error)}") from error


def _module(name: str) -> ModuleType:
    importable(str(Path.cwd()))
    try:
        if name.endswith(".py"):
            return _module_of_file(Path(name))
        return importlib.import_module(name if "." in name else _ours(name))
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise ConfigError(
                f"no module {name!r}: give the path of a file, or the full path of a module that can be imported here, "
                "such as my_package.impurity"
            ) from error
        raise ConfigError(f"{name} cannot be imported: {error}; install what it needs") from error
    except ConfigError:
        raise
    except (Exception, SystemExit) as error:
        raise ConfigError(f"{name} cannot be imported: {raised(error)}") from error


def _module_of_file(path: Path) -> ModuleType:
    """The module of a file; under its name in its package, if it lies in one."""
    if not path.is_file():
        raise ConfigError(f"no file {str(path)!r}; give the path of a plug-in's file, or a module path")
    steps, folder = [path.stem], path.resolve().parent
    while (folder / "__init__.py").is_file():
        steps, folder = [folder.name, *steps], folder.parent
    importable(str(folder))
    if len(steps) > 1:
        return importlib.import_module(".".join(steps))
    spec = importlib.util.spec_from_file_location(f"{OF_A_FILE}{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _ours(name: str) -> str:
    """The module of a plug-in that ships here, by its name; the strategy where several kinds have it."""
    found = [package for package, _ in KINDS.values() if name in plugins.names(package)]
    if not found:
        raise ConfigError(
            f"no plug-in that ships here is called {name!r}; give yours by a full module path, such as "
            "my_package.impurity, or by its file"
        )
    return f"{found[0]}.{name}"


def _class_in(module: ModuleType, name: str) -> type[Plugin]:
    bases = tuple(_bases().values())
    found = [
        member
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, bases) and member.__module__ == module.__name__ and not inspect.isabstract(member)
    ]
    if len(found) != 1:
        stated = in_brackets(module, *bases)
        raise ConfigError(f"{name} defines {len(found)} plug-ins{stated}; a plug-in's file defines one")
    return found[0]


def kind_of(plugin: type[Plugin]) -> str:
    """The class of its kind that it refines, by name: "Strategy"."""
    return next((name for name, base in _bases().items() if issubclass(plugin, base)), Plugin.__name__)


def _bases() -> dict[str, type[Plugin]]:
    return {base: getattr(importlib.import_module(package), base) for package, base in KINDS.values()}
