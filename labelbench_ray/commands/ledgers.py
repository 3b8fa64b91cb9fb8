"""The commands that read ledgers: `labelbench status`, `report` and `sync`."""

from pathlib import Path
from typing import Final

import click

from labelbench_ray.commands.options import PLACE, SectionedCommand, baseline_option, option, price_options
from labelbench_ray.commands.output import console
from labelbench_ray.console.progress import meter
from labelbench_ray.costs import Prices
from labelbench_ray.ledger.experiments import experiment_folders
from labelbench_ray.tracking.mlflow_address import require_mlflow, sqlite_uri

COMPARISON: Final = "comparison.html"
"""The page on several experiments, in the folder of the first one's folder."""
runs_argument = click.argument("folder", metavar="RUNS_DIR", type=PLACE)


@click.command("status")
@runs_argument
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, an experiment each, for programs.")
def status_command(folder: Path, as_json: bool) -> int:
    """Show what is done, running or failed and why, from the ledger alone; works while a sweep runs."""
    for each in experiment_folders(folder):
        with meter(console, "reading the ledger"):
            from labelbench_ray.commands import status

            read = status.read(each)
        if as_json:
            click.echo(read.model_dump_json())
        else:
            if (table := status.table(read)).row_count:
                console.print(table)
            console.print(status.summary(read), soft_wrap=True, highlight=False, markup=False)
            for line in status.cautions(read):
                console.print(line, style="yellow", soft_wrap=True, highlight=False, markup=False)
    return 0


@click.command(cls=SectionedCommand)
@click.argument("places", metavar="RUNS_DIR...", type=PLACE, nargs=-1, required=True)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Default: report.html in the experiment's folder; for several RUNS_DIR: comparison.html beside the first.",
)
@option("store", type=PLACE, default="store", help="Where embeddings lie, for what they took.")
@baseline_option
@price_options
def report(places: tuple[Path, ...], out: Path | None, store: Path, baseline: str | None, prices: Prices) -> int:
    """Write the page of an experiment's folder (or of each experiment below RUNS_DIR) and print its table.

    Several RUNS_DIR are compared on one page, as one experiment: trials of the same recipe are ranked together,
    whichever experiment ran them.
    """
    folders = list(dict.fromkeys(folder for each in places for folder in experiment_folders(each)))
    if out and len(folders) > 1 and len(places) == 1:
        raise click.UsageError(
            f"--out names one file, {places[0]} holds {len(folders)} experiments; name one of: "
            + ", ".join(map(str, folders))
        )
    with meter(console, "reading the ledger"):
        from labelbench_ray.api.report import write_report
    if len(places) > 1:
        write_report(folders, out or folders[0].parent / COMPARISON, console, prices, store, baseline)
        return 0
    for each in folders:
        write_report(each, out or each / "report.html", console, prices, store, baseline)
    return 0


@click.command()
@runs_argument
@option(
    "tracking_uri",
    help="MLflow's; default: sqlite in mlflow.db beside the experiments' folders (for a RUNS_DIR by URI: ./mlflow.db).",
)
def sync(folder: Path, tracking_uri: str | None) -> int:
    """Make MLflow equal to the ledgers: of an experiment's folder, or of each experiment below RUNS_DIR.

    Writes what is missing after an outage, or all of it to a server that is new; a second time changes nothing. Trials
    of earlier grids are written as well: their ledgers are kept. A run that differs from its ledger is
    deleted in MLflow (which can restore it) and written anew. Do not use it while the experiment runs: the run keeps
    MLflow up to date.

    Exit status: 0 when MLflow equals the ledgers, 1 when it is down, or a ledger is damaged.
    """
    from labelbench_ray.ledger.experiments import read_grid
    from labelbench_ray.storage.remote import beside
    from labelbench_ray.tracking.directories import tracked_directories

    require_mlflow("sync")
    folders = experiment_folders(folder)
    uri = tracking_uri or sqlite_uri(beside(folders[0].parent) / "mlflow.db")
    runs = sum(len(tracked_directories(each, read_grid(each))) for each in folders)
    with meter(console, "opening MLflow, runs", runs):
        from labelbench_ray.tracking import sync as job
    return job.sync(folders, uri, console)
