"""The experiment file that makes the same trials as a request without a file: Python that people read and go on from.

Every call has a line for each argument and a comma after the last one, which formatters leave as it is.
"""

import shlex
from dataclasses import fields
from pathlib import Path
from textwrap import indent
from typing import Final

from pydantic import JsonValue

from labelbench_ray.environment import Environment
from labelbench_ray.errors import ConfigError
from labelbench_ray.planning.names import python_name
from labelbench_ray.planning.quick import CLEAN, QuickExperiment
from labelbench_ray.plugins import Part
from labelbench_ray.storage.atomic import publish
from labelbench_ray.storage.folders import make_folder

INDENT: Final = "    "
DEFAULT_ROOT: Final = next(field.metadata["default"] for field in fields(Environment) if field.name == "data_root")
TEXT: Final = '''"""Which strategy to use for {name}, and what it saves.

First made without a file. Change any part, and run it again: what is done is kept.
"""

# {command}

from labelbench_ray import {imports}


def {function}() -> list[Trial]:
    """{strategies} strategies x {seeds} seeds; a trial buys {budget} labels in each of {rounds} rounds."""
    base = Trial(
{fields}
    )
    # Any field of a trial can be an axis; the trials are all combinations.
    return grid(
        base,
{axes}
    )
'''


def save(quick: QuickExperiment, file: Path) -> str:
    """Write the experiment to a file; returns the command that runs it.

    Raises:
        ConfigError: the name is not that of a Python file, or another file is there.
    """
    if file.suffix != ".py" or not file.stem.isidentifier():
        raise ConfigError(f"--save {file}: an experiment is a Python module; give a name such as mine.py")
    command = run_command(quick, file)
    text = file_text(quick, command)
    if file.exists() and (not file.is_file() or file.read_bytes() != text.encode()):
        raise ConfigError(f"--save {file}: another file is there; give another name, or delete it")
    make_folder(file.absolute().parent)
    publish(file.absolute(), text.encode())
    return command


def run_command(quick: QuickExperiment, file: Path) -> str:
    """The command that runs the file, from this working directory."""
    words = ["labelbench", "run", str(file)]
    if str(quick.data_root) not in (DEFAULT_ROOT, str(Path(DEFAULT_ROOT).absolute())):
        words += ["--data-root", quick.shown_root]
    return shlex.join(words)


def file_text(quick: QuickExperiment, command: str) -> str:
    """The text of the file; `command`: how to run it."""
    base = quick.trials[0]
    parts = {name: getattr(base, name) for name in ("dataset", "encoder", "strategy", "proxy", "trainer", "corrupter")}
    if base.corrupter == CLEAN:
        del parts["corrupter"]
    values = parts | {"seed": base.seed, "rounds": base.rounds, "budget": base.budget}
    axes: dict[str, object] = {"strategy": quick.strategies, "seed": range(quick.seeds)}
    calls = any(part.settings for part in [*parts.values(), *quick.strategies])
    chosen = quick.chosen
    reasons = {**chosen, "strategy": chosen.get("strategies", ""), "seed": chosen.get("seeds", "")}
    return TEXT.format(
        name=quick.name,
        command=" ".join(command.splitlines()),
        imports="Part, Trial, grid" if calls else "Trial, grid",
        function=python_name(quick.name),
        strategies=len(quick.strategies),
        seeds=quick.seeds,
        budget=base.budget,
        rounds=base.rounds,
        fields=_arguments(values, {name: reasons.get(name, "") for name in values if name not in axes}),
        axes=_arguments(axes, reasons),
    )


def _arguments(values: dict[str, object], reasons: dict[str, str]) -> str:
    """Arguments of a call by name, with the reason of each value that was chosen."""
    why = {name: f"  # chosen {reason}" for name, reason in reasons.items() if reason}
    return indent("\n".join(f"{name}={_code(value)},{why.get(name, '')}" for name, value in values.items()), INDENT * 2)


def _code(value: object) -> str:
    """The Python of a part, of one of its settings, or of an axis."""
    if isinstance(value, Part):
        if not value.settings:
            return _text(value.name)
        inside = [_text(value.name), *(f"{key}={_setting(each)}" for key, each in value.settings.items())]
        return f"Part.of({_lines(inside)})"
    if isinstance(value, list):
        return f"[{_lines([_setting(each) for each in value])}]" if value else "[]"
    if isinstance(value, range):
        return f"range({value.stop})"
    return _text(value) if isinstance(value, str) else repr(value)


def _lines(items: list[str]) -> str:
    return "\n" + indent("".join(f"{item},\n" for item in items), INDENT)


def _setting(value: JsonValue | Part) -> str:
    """The Python of a setting, where a part's name alone would be text."""
    if isinstance(value, dict) and "name" in value and value.keys() <= Part.model_fields.keys():
        part = Part.model_validate(value)
        return _code(part) if part.settings else f"Part.of({_text(part.name)})"
    return _code(value)


def _text(text: str) -> str:
    """A literal in double quotes, or in single ones where it has more double ones, as formatters write it."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    escaped = "".join(
        letter if letter in "'\"" else repr(letter)[1:-1] if letter != "\\" else "\\\\" for letter in text
    )
    return f"{quote}{escaped.replace(quote, chr(92) + quote)}{quote}"
