"""`labelbench list`: the plug-ins of a kind with their settings."""

import importlib

import click
from rich.table import Table
from rich.text import Text

from labelbench_ray import plugins
from labelbench_ray.commands.output import console
from labelbench_ray.errors import ConfigError
from labelbench_ray.plugins.catalog import KINDS


@click.command("list")
@click.argument("kind", type=click.Choice(list(KINDS)))
def list_command(kind: str) -> int:
    """List the plug-ins of a kind with their settings; yours are named by full module path."""
    package, name_of_base = KINDS[kind]
    base = getattr(importlib.import_module(package), name_of_base)
    table = Table("name", "settings", "what", box=None, pad_edge=False)
    for name in plugins.names(package):
        try:
            plugin = plugins.load(base, package, name)
        except ConfigError as error:  # it needs a package that is not installed
            table.add_row(name, "", Text(str(error)))
            continue
        settings = ", ".join(
            f"{field}{' (required)' if info.is_required() else f'={info.default}'}"
            for field, info in plugin.model_fields.items()
        )
        table.add_row(name, Text(settings), (plugin.__doc__ or "").strip().splitlines()[0])
    console.print(table)
    return 0
