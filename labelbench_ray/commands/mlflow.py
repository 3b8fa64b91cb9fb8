"""`labelbench mlflow`: MLflow's pages of an experiment, opened where strategies are compared."""

import os
import sys
import webbrowser
from contextlib import ExitStack, suppress
from pathlib import Path

import click

from labelbench_ray.commands.options import PLACE, option
from labelbench_ray.commands.output import console, state
from labelbench_ray.console.progress import meter
from labelbench_ray.errors import ConfigError
from labelbench_ray.ledger.experiments import experiment_folders
from labelbench_ray.tracking.mlflow_address import SQLITE, require_mlflow, sqlite_file, sqlite_uri


@click.command("mlflow")
@click.argument("folder", metavar="RUNS_DIR", type=PLACE)
@option(
    "tracking_uri",
    help="MLflow's; default: sqlite in mlflow.db beside the experiments' folders (for a RUNS_DIR by URI: ./mlflow.db).",
)
@click.option("--port", type=click.IntRange(1, 65535), help="Default: one that is free.")
@click.option("--open/--no-open", "opens", default=True, help="Open the page in a browser, where there is a display.")
def mlflow_command(folder: Path, tracking_uri: str | None, port: int | None, opens: bool) -> int:
    """Show the runs in MLflow: serve them on this machine alone, and open the page that compares strategies.

    Prints the address of each experiment's page; Ctrl-C ends the server. With the address of a server that runs
    already (--tracking-uri http://...), its pages are opened and nothing is started.
    """
    from labelbench_ray.storage.remote import beside

    require_mlflow("mlflow")
    folders = experiment_folders(folder)
    uri = tracking_uri or sqlite_uri(beside(folders[0].parent) / "mlflow.db")
    if uri.startswith(SQLITE) and (file := sqlite_file(uri)) and not file.is_file():
        raise ConfigError(f"there is no MLflow database at {file}; `labelbench sync {folder}` writes it")
    with meter(console, "opening MLflow"):
        from labelbench_ray.tracking.experiments import experiment_ids
        from labelbench_ray.tracking.server import serving

        ids, lacking = experiment_ids(uri, folders)
    state(lacking)
    if uri.startswith(("http://", "https://")):
        _show(uri.rstrip("/"), ids, opens)
        return 0
    # Ctrl-C is how people end it: the server and its workers are ended, and nothing went wrong.
    with suppress(KeyboardInterrupt), ExitStack() as stack:
        with meter(console, "starting MLflow's server"):
            server = stack.enter_context(serving(uri, port))
        _show(server.address, ids, opens)
        state(["Ctrl-C ends the server"])
        server.process.wait()
        raise ConfigError("MLflow's server ended; start it again")
    return 0


def _show(address: str, ids: dict[str, str], opens: bool) -> None:
    """Print the page of each experiment, and open the first."""
    from labelbench_ray.tracking.chart_view import link

    links = {name: link(address, experiment_id) for name, experiment_id in ids.items()}
    state(f"{name}: {page}" for name, page in links.items())
    has_display = sys.platform in ("darwin", "win32") or {"DISPLAY", "WAYLAND_DISPLAY"} & {*os.environ}
    if opens and has_display:
        webbrowser.open(next(iter(links.values())))
