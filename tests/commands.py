"""Command lines in pages and manifests, as people would copy them."""

import re
import shlex
from pathlib import Path

import click

START = re.compile(r"^(labelbench|ray) [a-z]")


def commands_in(path: Path) -> list[list[str]]:
    """The words of each line that starts a command of ours or of Ray's, continued lines joined, comments' marks off."""
    lines = [re.sub(r"^\s*(#\s*)?(- )?", "", line) for line in path.read_text().splitlines()]
    text = "\n".join(lines).replace("\\\n", " ")
    return [shlex.split(line, comments=True) for line in text.splitlines() if START.match(line)]


def entrypoints_in(path: Path) -> list[list[str]]:
    """Those of our command, by itself or submitted as a job."""
    found = [words[words.index("--") + 1 :] if "--" in words else words for words in commands_in(path)]
    return [words for words in found if words[:1] == ["labelbench"]]


def check_options(group: click.Group, words: list[str]) -> None:
    """Let click parse the words after the program's name; raises `click.UsageError` at what the command has not."""
    command: click.Command = group
    context = click.Context(group)
    rest = words[1:]
    while isinstance(command, click.Group):
        name = rest.pop(0)
        found = command.get_command(context, name)
        if found is None:
            raise click.UsageError(f"no command called {name!r}")
        command, context = found, click.Context(found, parent=context, info_name=name)
    given, _, _ = command.make_parser(context).parse_args(rest)
    for parameter in command.params:
        value = given.get(parameter.name or "")
        if isinstance(value, str) and not isinstance(parameter.type, click.Path):
            parameter.type_cast_value(context, value)
        if isinstance(parameter, click.Argument) and parameter.required and not isinstance(value, str | tuple):
            raise click.UsageError(f"{shlex.join(words)}: {parameter.name} is missing")
    names = {parameter.name for parameter in command.params}
    if {"place", "dataset"} <= names and not any(isinstance(given.get(name), str) for name in ("place", "dataset")):
        raise click.UsageError(f"{shlex.join(words)}: neither an experiment nor --dataset")
