"""The command `labelbench cache`."""

from datetime import datetime
from pathlib import Path

import click
from rich.table import Table

from labelbench_ray.commands.output import console, state
from labelbench_ray.storage import machine_cache
from labelbench_ray.storage.machine_cache import GB, CacheEntry
from labelbench_ray.storage.remote import cache_folder


@click.command("cache")
@click.option("--limit", type=click.FloatRange(0), help="Delete the least recently used until this many GB are left.")
@click.option("--clear", is_flag=True, help="Delete all that no process uses.")
def cache_command(limit: float | None, clear: bool) -> int:
    """Show what this machine keeps of remote stores, and delete what is not in use.

    The folder is that of LABELBENCH_CACHE, or in the user's cache folder. With LABELBENCH_CACHE_GB, runs keep below
    that limit. What is deleted is made again from the store when it is needed. Stores on a disk are not part of it.
    """
    if clear and limit is not None:
        raise click.UsageError("--clear and --limit exclude each other; give one")
    most = 0 if clear else limit
    deleted = [] if most is None else machine_cache.evict(most * GB)
    left = machine_cache.entries()
    if left:
        console.print(_table(left, cache_folder()))
    if most is not None:
        state([f"deleted {_many(deleted)}"])
    state([f"{cache_folder()}: {_many(left)}, {sum(entry.in_use for entry in left)} in use"])
    return 0


def _many(some: list[CacheEntry]) -> str:
    return f"{len(some)} entr{'y' if len(some) == 1 else 'ies'}, {machine_cache.total_size(some) / GB:.2f} GB"


def _table(some: list[CacheEntry], folder: Path) -> Table:
    made = Table("entry", "GB", "last used", "", box=None, pad_edge=False)
    for entry in some:
        used = datetime.fromtimestamp(entry.used).astimezone()
        made.add_row(
            str(entry.path.relative_to(folder)),
            f"{entry.size / GB:.2f}",
            f"{used:%Y-%m-%d %H:%M:%S}",
            "in use" if entry.in_use else "",
        )
    return made
