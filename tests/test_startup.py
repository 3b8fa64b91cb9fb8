"""What a command imports before it shows something: nothing that takes seconds and that it does not need."""

import subprocess
import sys

import click
import pytest

from labelbench_ray.commands.cli import COMMANDS, app
from labelbench_ray.plugins.catalog import KINDS

SLOW = ("sklearn", "scipy", "torch", "ray", "mlflow", "pandas", "pyarrow", "matplotlib")
"""Packages that take at least a quarter of a second to import."""


def imported_by(*words: str, among: tuple[str, ...] = SLOW) -> list[str]:
    """The packages that a command has imported when it ends."""
    program = f"""
import sys
from labelbench_ray.commands.cli import app
status = app({list(words)}, standalone_mode=False)
print("imported:", *({set(among)} & set(sys.modules)))
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return sorted(ended.stdout.splitlines()[-1].removeprefix("imported:").split())


def test_the_list_of_commands_imports_nothing_slow_and_no_command():
    assert imported_by("--help", among=(*SLOW, "numpy", "pydantic", "rich.table")) == []


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_imports_nothing_slow(name: str):
    assert imported_by(name, "--help") == []


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_shows_the_first_line_of_a_command_s_help(name: str):
    with click.Context(app) as context:
        command = app.get_command(context, name)
    assert command is not None
    assert command.name == name
    assert command.help is not None
    assert command.help.splitlines()[0] == COMMANDS[name].summary


def test_a_command_that_does_not_exist_is_refused():
    with click.Context(app) as context:
        assert app.get_command(context, "plann") is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_list_of_plug_ins_imports_no_package_that_takes_seconds(kind: str):
    assert imported_by("list", kind, among=tuple({*SLOW} - {"pyarrow"})) == []
