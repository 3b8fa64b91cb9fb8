"""`labelbench list`: the plug-ins of a kind with their settings."""

import importlib
from typing import Final

import click
from rich.table import Table
from rich.text import Text

from labelbench_ray import plugins
from labelbench_ray.commands.output import console
from labelbench_ray.errors import ConfigError

PLUGIN_PACKAGES: Final = {
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


@click.command("list")
@click.argument("kind", type=click.Choice(list(PLUGIN_PACKAGES)))
def list_command(kind: str) -> int:
    """List the plug-ins of a kind with their settings; yours are named by full module path."""
    package, name_of_base = PLUGIN_PACKAGES[kind]
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
