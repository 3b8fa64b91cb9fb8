"""The command `labelbench export`."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from labelbench_ray.commands.options import PLACE, SectionedCommand, baseline_option, option
from labelbench_ray.commands.output import console, state
from labelbench_ray.console.progress import meter

if TYPE_CHECKING:
    from labelbench_ray.api.export import Format

WHAT: Final[dict["Format", str]] = {
    "csv": "Tables for spreadsheets: rounds, trials, savings, comparisons, labels.",
    "parquet": "The same tables with their types.",
    "json": "Report and tables for programs.",
    "latex": "The table of strategies for a paper (booktabs).",
    "svg": "The figure for a paper, with text as text.",
    "pdf": "The same figure.",
}
"""Each format, and what it is for."""


def format_options(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command a flag for each format."""
    flags = (click.option(f"--{name}", is_flag=True, help=what) for name, what in reversed(WHAT.items()))
    return functools.reduce(lambda decorated, flag: flag(decorated), flags, command)


@click.command(cls=SectionedCommand)
@click.argument("folders", metavar="RUNS_DIR...", type=PLACE, nargs=-1, required=True)
@format_options
@click.option("--out", type=PLACE, required=True, help="The folder for the files. Files of the same name are replaced.")
@option("store", type=PLACE, default="store", help="Where embeddings lie, for row ids and class names.")
@baseline_option
def export(folders: tuple[Path, ...], out: Path, store: Path, baseline: str | None, **formats: bool) -> int:
    """Write what experiments recorded as tables, LaTeX and figures, for spreadsheets, papers and programs.

    Files are OUT/<experiment>.<table>.csv, OUT/<experiment>.tex and so on.

    RUNS_DIR is an experiment's folder, or holds some one level below; several are possible, and so are several formats.
    """
    wanted = [name for name in WHAT if formats[name]]
    if not wanted:
        raise click.UsageError(f"no format; give at least one of: {', '.join(f'--{name}' for name in WHAT)}")
    with meter(console, "exporting"):
        from labelbench_ray.api import export as job

        written = job.export([str(folder) for folder in folders], str(out), wanted, baseline, str(store))
    state(f"wrote {path}" for path in written)
    return 0
