"""Which labels to buy, and what that saves.

The command line takes an experiment, and where and how to run it; never a setting that changes the numbers.

Exit status: 0 when everything asked for is done, 1 when a trial failed (the others ran and are kept), 2 when the
request is wrong.
"""

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from labelbench_ray import (
    augmentations,
    corrupters,
    datasets,
    encoders,
    experiment,
    heads,
    plan,
    plugins,
    proxies,
    strategies,
    trainers,
)
from labelbench_ray.costs import ASSUMED, Prices
from labelbench_ray.environment import Environment
from labelbench_ray.errors import ConfigError, UserError
from labelbench_ray.plugins import Plugin

ROOMS: dict[str, tuple[type[Plugin], str]] = {
    "strategies": (strategies.Strategy, strategies.PACKAGE),
    "trainers": (trainers.Trainer, trainers.PACKAGE),
    "proxies": (proxies.Proxy, proxies.PACKAGE),
    "heads": (heads.Head, heads.PACKAGE),
    "encoders": (encoders.Encoder, encoders.PACKAGE),
    "datasets": (datasets.Dataset, datasets.PACKAGE),
    "corrupters": (corrupters.Corrupter, corrupters.PACKAGE),
    "augmentations": (augmentations.Augmentation, augmentations.PACKAGE),
}
FOLDER = click.Path(file_okay=False, path_type=Path)


def _option(name: str, **settings: Any) -> Callable[[Callable[..., int]], Callable[..., int]]:  # noqa: ANN401
    variables = [f"LABELBENCH_{name.upper()}", *(["RAY_ADDRESS"] if name == "address" else [])]
    return click.option(f"--{name.replace('_', '-')}", envvar=variables, show_envvar=True, **settings)


ENVIRONMENT = (
    _option("runs", type=FOLDER, default="runs", help="Where ledgers and reports lie."),
    _option("store", type=FOLDER, default="store", help="Where embeddings lie."),
    _option("data_root", type=FOLDER, default="data", help="Where data sets lie."),
    _option("tracking_uri", help="MLflow's; default: sqlite in RUNS/mlflow.db."),
    _option("address", help="A Ray cluster; default: a local one while the command runs."),
    _option(
        "cpus_per_trial", type=click.FloatRange(0, min_open=True), default=1.0, help="CPUs reserved for each trial."
    ),
    _option("gpus_per_trial", type=click.FloatRange(0), default=0.0, help="GPUs reserved; fractions share one."),
    _option(
        "fit_workers",
        type=click.IntRange(1),
        default=1,
        help="Workers that share each fit of a full model, on Ray Train, beside the trial's own process; each reserves "
        "--cpus-per-trial and, with --gpus-per-trial, one GPU. Numbers stay the same up to the rounding of sums, but "
        "for mixup, cutmix, dropout and batch statistics, which each worker draws for its share of a batch.",
    ),
    _option("encoder_actors", type=click.IntRange(1), help="Embedding actors; default: one a GPU, else one a core."),
    _option("scorers", type=click.IntRange(0), default=0, help="Scorer actors of each trial whose pool is large."),
    _option("scorer_rows", type=click.IntRange(1), default=2_000_000, help="Rows from which on a pool is large."),
    _option(
        "max_reject_fraction", type=click.FloatRange(0, 1), default=0.01, help="Share of rows that may be undecodable."
    ),
)
PRICES = (
    _option("price_per_label", type=click.FloatRange(0), default=ASSUMED.label, help="What a label costs."),
    _option("price_per_cpu_hour", type=click.FloatRange(0), default=ASSUMED.cpu_hour, help="An hour of a CPU core."),
    _option("price_per_gpu_hour", type=click.FloatRange(0), default=ASSUMED.gpu_hour, help="An hour of a GPU."),
    _option("currency", default=ASSUMED.currency, help="What prices are in."),
)

console = Console(width=None if sys.stdout.isatty() else 120)


def environment_options(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command the options of an `Environment`, each also read from LABELBENCH_<NAME>."""

    @functools.wraps(command)
    def with_environment(**options: Any) -> int:  # noqa: ANN401
        names = Environment.__dataclass_fields__
        given = {name: options.pop(name) for name in list(options) if name in names}
        given["tracking_uri"] = given["tracking_uri"] or f"sqlite:///{given['runs'].resolve() / 'mlflow.db'}"
        paths = {name: given[name].resolve() for name in ("runs", "store", "data_root")}
        return command(environment=Environment(**given | paths), **options)

    return functools.reduce(lambda decorated, option: option(decorated), reversed(ENVIRONMENT), with_environment)


def price_options(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command the prices that the report reckons with; nothing that is recorded depends on them."""

    @functools.wraps(command)
    def with_prices(**options: Any) -> int:  # noqa: ANN401
        prices = Prices(
            label=options.pop("price_per_label"),
            cpu_hour=options.pop("price_per_cpu_hour"),
            gpu_hour=options.pop("price_per_gpu_hour"),
            currency=options.pop("currency"),
        )
        return command(prices=prices, **options)

    return functools.reduce(lambda decorated, option: option(decorated), reversed(PRICES), with_prices)


def experiment_argument(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command an experiment and `--tiny`."""
    shrink = click.option(
        "--tiny", is_flag=True, help="Shrink to two short rounds on a few hundred rows: a smoke test."
    )
    return click.argument("name", metavar="EXPERIMENT")(shrink(command))


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
    planned = plan.plan(experiment.load(name, tiny), environment)
    trials = Table("trial", "strategy", "seed", "rounds done", "note", box=None, pad_edge=False)
    for each in planned.trials:
        trial = each.parts.trial
        trials.add_row(
            each.parts.fingerprint,
            str(trial.strategy),
            str(trial.seed),
            f"{each.rounds_done} of {trial.rounds}",
            Text(each.note),
        )
    console.print(trials)
    for line in plan.describe(planned):
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    return 0


@app.command()
@experiment_argument
@environment_options
def embed(name: str, tiny: bool, environment: Environment) -> int:
    """Embed the pools that an experiment needs; does nothing where that is done."""
    # Ray, torch and MLflow take seconds to import, so only the commands that use them do.
    from labelbench_ray.cluster.session import connected
    from labelbench_ray.run import make_stores, provide

    planned = plan.plan(experiment.load(name, tiny), environment)
    provide(planned, environment)
    with connected(environment.address):
        make_stores(planned, environment, console)
    return 0


@app.command()
@experiment_argument
@environment_options
@price_options
def run(name: str, tiny: bool, environment: Environment, prices: Prices) -> int:
    """Embed what is missing, run what is not done, and write the report."""
    from labelbench_ray import run as job

    planned = plan.plan(experiment.load(name, tiny), environment)
    status = job.run(planned, environment, console, prices)
    if environment.tracking_uri.startswith("sqlite:"):
        console.print(
            f"MLflow: {sys.executable} -m mlflow ui --backend-store-uri {environment.tracking_uri}",
            soft_wrap=True,
            highlight=False,
        )
    return status


@app.command()
@experiment_argument
@environment_options
@price_options
def finetune(name: str, tiny: bool, environment: Environment, prices: Prices) -> int:
    """Train the full model on what the trials have bought, at the budgets that the experiment asks for."""
    from labelbench_ray import run_finetune

    planned = plan.plan(experiment.load(name, tiny), environment)
    return run_finetune.finetune(planned, environment, console, prices)


@app.command()
@click.argument("folder", metavar="RUNS_DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Default: report.html in the experiment's folder."
)
@_option("store", type=FOLDER, default="store", help="Where embeddings lie, for what they took.")
@price_options
def report(folder: Path, out: Path | None, store: Path, prices: Prices) -> int:
    """Write the page of an experiment's folder (or of each experiment below RUNS_DIR) and print its table."""
    from labelbench_ray.run import write_report

    folders = (
        [folder]
        if (folder / "experiment.json").exists()
        else sorted(path.parent for path in folder.glob("*/experiment.json"))
    )
    if not folders:
        raise click.UsageError(f"{folder} holds no experiment: no experiment.json in it or one level below")
    if out and len(folders) > 1:
        raise click.UsageError(
            f"--out names one file, {folder} holds {len(folders)} experiments; name one of: "
            + ", ".join(map(str, folders))
        )
    for each in folders:
        write_report(each, out or each / "report.html", console, prices, store)
    return 0


@app.command("list")
@click.argument("kind", type=click.Choice(list(ROOMS)))
def list_command(kind: str) -> int:
    """List the plug-ins of a kind with their settings; yours are named by full module path."""
    base, package = ROOMS[kind]
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


def main() -> None:
    """Run a command; the user's mistakes become one line and exit status 2."""
    try:
        status = app(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit("interrupted; what is recorded is kept, and the same command goes on from there")
    except (UserError, ValidationError) as error:
        sys.exit(_refused(error))
    except OSError as error:
        sys.exit(f"{type(error).__name__}: {error}; what is recorded is kept, and the same command goes on from there")
    sys.exit(status)


def _refused(error: UserError | ValidationError) -> int:
    text = f"{error.title}: {plugins.explain(error)}" if isinstance(error, ValidationError) else str(error)
    Console(stderr=True, width=None if sys.stderr.isatty() else 120).print(
        f"error: {text}", style="red", markup=False, soft_wrap=True, highlight=False
    )
    return 2
