"""Experiments are Python: a public function of no required argument, annotated `-> list[Trial]`, in any file."""

import importlib.util
import inspect
import sys
import typing
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from labelbench_ray.config import Trial, tiny
from labelbench_ray.errors import ConfigError, unknown
from labelbench_ray.plugins import importable


@dataclass(frozen=True, slots=True)
class Experiment:
    """A name and its grid. The name is that of its folder below `runs`."""

    name: str
    trials: tuple[Trial, ...]


def load(text: str, shrink: bool = False) -> Experiment:
    """The experiment that `file.py:function`, or `file.py` if it defines just one, names.

    `shrink` makes it tiny, under a name of its own: a smoke test must not displace the study's status and report.

    Raises:
        ConfigError: no such file or function, or what it returns is no list of trials.
    """
    file, _, wanted = text.partition(":")
    path = Path(file)
    if path.suffix != ".py" or not path.is_file():
        raise ConfigError(f"no experiment file at {file!r}; give file.py:function, such as experiments/quickstart.py")
    functions = _experiments(_module(path))
    name = wanted or next(iter(functions), "")
    if name not in functions or (len(functions) > 1 and not wanted):
        choices = ", ".join(f"{file}:{function}" for function in functions)
        raise ConfigError(
            unknown(f"experiment in {file}", wanted, functions)
            if wanted
            else f"{file} defines {len(functions)} experiments; name one of: {choices}"
            if functions
            else f"{file} defines no experiment: a public function annotated `-> list[Trial]`"
        )
    trials = functions[name]()
    if not isinstance(trials, list) or not trials or not all(isinstance(trial, Trial) for trial in trials):
        raise ConfigError(f"{file}:{name} must return a list of at least one Trial")
    full = f"{path.stem}.{name}"
    return Experiment(f"{full}.tiny", tuple(tiny(trials))) if shrink else Experiment(full, tuple(trials))


def _module(path: Path) -> ModuleType:
    importable(str(path.parent.resolve()))
    importable(str(Path.cwd()))
    spec = importlib.util.spec_from_file_location(f"labelbench_experiment_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except (SyntaxError, ImportError) as error:
        raise ConfigError(f"{path}: {type(error).__name__}: {error}") from error
    return module


def _experiments(module: ModuleType) -> dict[str, Callable[[], list[Trial]]]:
    return {
        name: function
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if not name.startswith("_")
        and function.__module__ == module.__name__
        and _returned(function) == list[Trial]
        and all(
            parameter.default is not parameter.empty for parameter in inspect.signature(function).parameters.values()
        )
    }


def _returned(function: Callable[..., object]) -> object:
    try:
        return typing.get_type_hints(function).get("return")
    except NameError:  # annotations of a helper that only a type checker resolves
        return None
