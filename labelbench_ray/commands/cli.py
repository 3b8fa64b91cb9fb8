"""Which labels to buy, and what that saves.

The command line takes an experiment, and where and how to run it; never a setting that changes the numbers.

Exit status: 0 when everything asked for is done, 1 when a trial failed (the others ran and are kept) or the cluster was
lost, 2 when the request is wrong, 130 after Ctrl-C and 143 after SIGTERM.
"""

import importlib
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.table import Table
from rich.text import Text

from labelbench_ray import plugins
from labelbench_ray.cluster.address import check_address
from labelbench_ray.commands.options import PLACE, environment_options, experiment_argument, option, price_options
from labelbench_ray.console import interruption
from labelbench_ray.console.escaping import SafeConsole
from labelbench_ray.console.events import logged
from labelbench_ray.console.exit_status import exit_status
from labelbench_ray.console.progress import meter
from labelbench_ray.costs import Prices
from labelbench_ray.environment import Environment
from labelbench_ray.errors import ConfigError
from labelbench_ray.ledger.experiments import experiment_folders
from labelbench_ray.tracking.mlflow_address import SQLITE, sqlite_uri, ui_command

if TYPE_CHECKING:
    from labelbench_ray.planning.plan import Plan
    from labelbench_ray.planning.units import Units

PLUGIN_PACKAGES = {
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
runs_argument = click.argument("folder", metavar="RUNS_DIR", type=PLACE)
console = SafeConsole(width=None if sys.stdout.isatty() else 120)


@click.group(
    help=__doc__,
    context_settings={"show_default": True, "help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="labelbench-ray")
def app() -> None:
    """The group; its help is the module's docstring."""


@app.command("plan")
@experiment_argument
@environment_options
def plan_command(name: str, tiny: bool, environment: Environment) -> int:
    """Check an experiment: what would run, what is done, what is missing. Starts nothing."""
    planned = _planned(name, tiny, environment)
    from labelbench_ray.api import plan_words
    from labelbench_ray.planning import plan

    rule = plan.planned_early_stopping(planned, environment)
    trials = Table("trial", "strategy", "seed", "rounds done", "note", box=None, pad_edge=False)
    for each in planned.trials:
        trial = each.parts.trial
        trials.add_row(
            each.parts.fingerprint,
            Text(str(trial.strategy)),
            str(trial.seed),
            f"{each.rounds_done} of {trial.rounds}",
            Text(each.progress.reason),
        )
    console.print(trials)
    stopping = [f"early stopping: a trial ends when {rule}"] if rule else []
    _state([*plan_words.describe(planned), plan_words.describe_memory(planned, environment), *stopping])
    return 0


@app.command()
@experiment_argument
@environment_options
def embed(name: str, tiny: bool, environment: Environment) -> int:
    """Embed the pools that an experiment needs; does nothing where that is done."""
    check_address(environment.address)
    planned = _planned(name, tiny, environment)
    from labelbench_ray.api import plan_words
    from labelbench_ray.planning.units import embedding_units

    _state(plan_words.describe_data(planned))
    _import("api.run_plan", environment, units := embedding_units(planned.stores))
    from labelbench_ray.api.executors import executor_of, started
    from labelbench_ray.api.run_plan import make_stores, provide

    provide(planned, environment)
    executor = executor_of(environment)
    with logged(planned.experiment.name, environment, console), started(executor, environment, console, units):
        make_stores(planned, executor, environment, console)
    return 0


@app.command()
@experiment_argument
@environment_options
@price_options
def run(name: str, tiny: bool, environment: Environment, prices: Prices) -> int:
    """Embed what is missing, run what is not done, and write the report."""
    check_address(environment.address)
    planned = _planned(name, tiny, environment)
    from labelbench_ray.api import plan_words
    from labelbench_ray.planning.units import run_units

    _state(plan_words.describe_data(planned))
    _import("api.run_plan", environment, run_units(planned))
    from labelbench_ray.api.run_plan import run_plan

    with logged(planned.experiment.name, environment, console):
        status = run_plan(planned, environment, console, prices)
    if environment.tracking_uri.startswith(SQLITE):
        console.print(f"MLflow: {ui_command(environment.tracking_uri)}", soft_wrap=True, highlight=False, markup=False)
    return status


@app.command()
@experiment_argument
@environment_options
@price_options
def finetune(name: str, tiny: bool, environment: Environment, prices: Prices) -> int:
    """Train the full model on what the trials have bought, at the budgets that the experiment asks for."""
    check_address(environment.address)
    planned = _planned(name, tiny, environment)
    from labelbench_ray.api import plan_words
    from labelbench_ray.planning.units import finetune_units

    _state(plan_words.describe_data(planned))
    _import("commands.finetune", environment, finetune_units(planned))
    from labelbench_ray.commands import finetune

    with logged(planned.experiment.name, environment, console):
        return finetune.finetune(planned, environment, console, prices)


@app.command("status")
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


@app.command()
@runs_argument
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Default: report.html in the experiment's folder."
)
@option("store", type=PLACE, default="store", help="Where embeddings lie, for what they took.")
@price_options
def report(folder: Path, out: Path | None, store: Path, prices: Prices) -> int:
    """Write the page of an experiment's folder (or of each experiment below RUNS_DIR) and print its table."""
    folders = experiment_folders(folder)
    if out and len(folders) > 1:
        raise click.UsageError(
            f"--out names one file, {folder} holds {len(folders)} experiments; name one of: "
            + ", ".join(map(str, folders))
        )
    with meter(console, "reading the ledger"):
        from labelbench_ray.api.report import write_report
    for each in folders:
        write_report(each, out or each / "report.html", console, prices, store)
    return 0


@app.command()
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
    from labelbench_ray.storage.remote import beside

    folders = experiment_folders(folder)
    uri = tracking_uri or sqlite_uri(beside(folders[0].parent) / "mlflow.db")
    with meter(console, "opening MLflow"):
        from labelbench_ray.tracking import sync as job
    return job.sync(folders, uri, console)


@app.command("list")
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


def _planned(name: str, tiny: bool, environment: Environment) -> "Plan":
    words = f"checking {name}"
    with meter(console, words) as shown:
        from labelbench_ray.planning import experiment

        loaded = experiment.load(name, tiny)
        shown.show(0, len(loaded.trials), words)
        # Torch takes a second to import, Ray and MLflow more, so only the commands that use them do.
        from labelbench_ray.planning import plan

        return plan.plan(loaded, environment, partial(shown.show, words=words))


def _import(module: str, environment: Environment, units: "Units") -> None:
    """Import what a command runs, which takes seconds, while people see what is to come."""
    from labelbench_ray.api.executors import executor_of, starting

    with meter(console, starting(environment, units) if units.total else "reading", units.total, units.done):
        importlib.import_module(f"labelbench_ray.{module}")
        if units.total:
            executor_of(environment)


def _state(lines: Iterable[str]) -> None:
    """Print lines as they are, each uncut."""
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def main() -> None:
    """Run a command; a mistake of the user's becomes one line and exit status 2, a signal one line and 128 + it."""
    with interruption.handling_signals() as interrupted:
        status = exit_status(lambda: app(standalone_mode=False), interrupted)
    sys.exit(status)
