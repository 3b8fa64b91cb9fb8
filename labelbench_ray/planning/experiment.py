"""Experiments are Python: public functions of no required argument, annotated `-> list[Trial]` or `-> Search`."""

import importlib.util
import inspect
import sys
import typing
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

from pydantic import ValidationError

from labelbench_ray.config import Trial, tiny
from labelbench_ray.errors import ConfigError, UserError, unknown
from labelbench_ray.planning.names import check_name, checked_tags, full_name
from labelbench_ray.planning.search import Search
from labelbench_ray.plugins import importable
from labelbench_ray.plugins.explanations import explain
from labelbench_ray.user_code import place, raised


@dataclass(frozen=True, slots=True)
class Experiment:
    """A grid of trials and its name, which is also its folder's below `runs`."""

    name: str
    trials: tuple[Trial, ...]
    folder: Path | None = None
    """Of the file that defines it; None for one that was not read from a file."""
    search: Search | None = None
    """What suggests further trials, from the results of these; None for a grid."""
    owner: str | None = None
    """The name begins with it."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Those that the command gives; an empty value takes a recorded tag away."""

    @classmethod
    def of(cls, name: str, defined: "Search | list[Trial]", folder: Path | None = None) -> "Experiment":
        """A grid, or a search, which begins with its base."""
        if isinstance(defined, Search):
            return cls(name, (defined.base,), folder, defined)
        return cls(name, tuple(defined), folder)

    def labeled(self, owner: str | None, tags: Mapping[str, str]) -> "Experiment":
        """The experiment with an owner, under a name that begins with it, and with tags.

        Raises:
            ConfigError: an owner or a tag that cannot be recorded.
        """
        return replace(self, name=full_name(owner, self.name), owner=owner, tags=checked_tags(tags))


def load(text: str, shrink: bool = False, called: str | None = None) -> Experiment:
    """The experiment that `file.py:function`, or `file.py` if it defines just one, names.

    `shrink` makes it tiny, under another name: a smoke test must not displace the study's status and report. `called`
    is its name; None: `file.function`.

    Raises:
        ConfigError: no such file or function, it raises, or what it returns is not a list of trials.
    """
    if called is not None:
        check_name(called)
    file, colon, wanted = text.rpartition(":")
    if not colon or Path(text).is_file() or Path(wanted).suffix.lower() == ".py":  # the colon is one of the path
        file, wanted = text, ""
    path = Path(file)
    if path.suffix.lower() != ".py" or not path.is_file():
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
            else f"{file} defines no experiment: a public function annotated `-> list[Trial]` or `-> Search`"
        )
    with _mistakes_explained(f"{file}:{name}"):
        defined = functions[name]()
    if not isinstance(defined, Search) and not _is_grid(defined):
        raise ConfigError(
            f"{file}:{name} must return a list of at least one Trial, or a Search; it returned {_what(defined)}"
        )
    full, folder = called or f"{path.stem}.{name}", path.parent.resolve()
    if not shrink:
        return Experiment.of(full, defined, folder)
    return Experiment.of(f"{full}.tiny", defined.tiny() if isinstance(defined, Search) else tiny(defined), folder)


def _is_grid(defined: object) -> bool:
    return isinstance(defined, list) and bool(defined) and all(isinstance(trial, Trial) for trial in defined)


def _module(path: Path) -> ModuleType:
    importable(str(path.parent.resolve()))
    importable(str(Path.cwd()))
    loader = SourceFileLoader(f"labelbench_experiment_{path.stem}", str(path.absolute()))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    with _mistakes_explained(str(path)):
        loader.exec_module(module)
    return module


@contextmanager
def _mistakes_explained(what: str) -> Iterator[None]:
    """Turn an error of the user's code into a `ConfigError` that names the place in it."""
    try:
        yield
    except (SyntaxError, OSError) as error:
        raise ConfigError(f"{what}: {type(error).__name__}: {error}") from error
    except ImportError as error:
        raise ConfigError(f"{what}: {type(error).__name__}: {error}; {_import_hint(error)}") from error
    except ValidationError as error:
        raise ConfigError(f"{place(error) or what}{error.title}: {explain(error)}") from error
    except UserError as error:
        raise ConfigError(f"{place(error) or what}{error}") from error
    except (Exception, SystemExit) as error:
        raise ConfigError(f"{what}: {raised(error)}") from error


def _import_hint(error: ImportError) -> str:
    if "relative import" in str(error):
        return "import files beside the experiment by their plain name: `from settings import ...`"
    if not isinstance(error, ModuleNotFoundError):  # the module is there, the name is not
        return "correct the name, or install the version that has it"
    return "install it, or put the file beside the experiment or in the folder where the command is started"


def _what(returned: object) -> str:
    if not isinstance(returned, list):
        return f"a {type(returned).__name__}" + ("; write `list(...)` around it" if _many(returned) else "")
    wrong = next((trial for trial in returned if not isinstance(trial, Trial)), None)
    return "an empty list" if not returned else f"a list with a {type(wrong).__name__} in it"


def _many(returned: object) -> bool:
    return isinstance(returned, (tuple, set)) or inspect.isgenerator(returned)


def _experiments(module: ModuleType) -> dict[str, Callable[[], list[Trial] | Search]]:
    return {
        name: function
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if not name.startswith("_")
        and function.__module__ == module.__name__
        and _is_annotated(function)
        and all(
            parameter.default is not parameter.empty for parameter in inspect.signature(function).parameters.values()
        )
    }


def _is_annotated(function: Callable[..., object]) -> bool:
    try:
        returned = typing.get_type_hints(function).get("return")
    except Exception:  # annotations of a helper that only a type checker resolves
        return False
    return returned is Search or (typing.get_origin(returned) is list and typing.get_args(returned) == (Trial,))
