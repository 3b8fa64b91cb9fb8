"""The options of the command line: where data lies, what hardware there is, what things cost."""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from labelbench_ray.costs import ASSUMED, Prices
from labelbench_ray.environment import ROW_SECONDS, Environment
from labelbench_ray.errors import ConfigError
from labelbench_ray.storage.remote import beside, place
from labelbench_ray.tracking.mlflow_address import sqlite_uri


class PlaceType(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions only
    """A folder by path or URI."""

    name = "FOLDER|URI"

    def convert(self, value: str | Path, param: click.Parameter | None, context: click.Context | None) -> Path:
        """The place; what it cannot be is the option's mistake."""
        try:
            return place(str(value))
        except ConfigError as error:
            self.fail(str(error), param, context)


PLACE = PlaceType()


def option(name: str, **settings: Any) -> Callable[[Callable[..., int]], Callable[..., int]]:  # noqa: ANN401
    variables = [f"LABELBENCH_{name.upper()}", *(["RAY_ADDRESS"] if name == "address" else [])]
    return click.option(f"--{name.replace('_', '-')}", envvar=variables, show_envvar=True, **settings)


ENVIRONMENT = (
    option("runs", type=PLACE, default="runs", help="Where ledgers and reports lie; also s3://, gs://, az://."),
    option("store", type=PLACE, default="store", help="Where embeddings lie; also s3://, gs://, az://."),
    option("data_root", type=PLACE, default="data", help="Where data sets lie; also s3://, gs://."),
    option("tracking_uri", help="MLflow's; default: sqlite in RUNS/mlflow.db (for a RUNS by URI: ./mlflow.db)."),
    option("address", help="A Ray cluster; default: a local one while the command runs."),
    option(
        "cpus_per_trial", type=click.FloatRange(0, min_open=True), default=1.0, help="CPUs reserved for each trial."
    ),
    option("gpus_per_trial", type=click.FloatRange(0), default=0.0, help="GPUs reserved; fractions share one."),
    option(
        "memory_per_trial",
        type=click.FloatRange(0, min_open=True),
        help="GiB of its own that a trial's process may hold (Python included, embeddings not): reserved for it, and a "
        "trial that takes more is ended; default: what `labelbench plan` estimates is reserved, nothing is ended.",
    ),
    option(
        "round_minutes",
        type=click.FloatRange(0, min_open=True),
        help="A trial (or fine-tune) that finishes no round for so long is ended; default: none is.",
    ),
    option(
        "early_stopping",
        is_flag=True,
        help="For `run`: end a trial whose validation accuracy after half of its rounds is below the median of those "
        "that came so far before it (Tune's ASHA). Saves computing and biases the report, which says so; which trials "
        "end depends on the order in which rounds finish. Without it, `run` goes on with those that were ended.",
    ),
    option(
        "fit_workers",
        type=click.IntRange(1),
        default=1,
        help="Workers that share each fit of a full model, on Ray Train, beside the trial's own process; each reserves "
        "--cpus-per-trial and, with --gpus-per-trial, one GPU. Numbers stay the same up to the rounding of sums, but "
        "for mixup, cutmix, dropout and batch statistics, which each worker draws for its share of a batch.",
    ),
    option("encoder_actors", type=click.IntRange(1), help="Embedding actors; default: one a GPU, else one a core."),
    option("scorers", type=click.IntRange(0), default=0, help="Scorer actors of each trial whose pool is large."),
    option("scorer_rows", type=click.IntRange(1), default=2_000_000, help="Rows from which on a pool is large."),
    option(
        "max_reject_fraction", type=click.FloatRange(0, 1), default=0.01, help="Share of rows that may be undecodable."
    ),
    option(
        "row_seconds",
        type=click.FloatRange(1),
        default=ROW_SECONDS,
        help="A row whose decoding takes longer is rejected, as one that ends its process is.",
    ),
    option(
        "events",
        type=click.Path(dir_okay=False, allow_dash=True),
        help="File that gets a JSON line for every event of a trial, - for standard error; default: "
        "RUNS/EXPERIMENT/events.jsonl, and standard error where RUNS is a URI.",
    ),
    option("verbose", is_flag=True, help="Print every event of a trial, one short line each."),
)
PRICES = (
    option("price_per_label", type=click.FloatRange(0), default=ASSUMED.label, help="What a label costs."),
    option("price_per_cpu_hour", type=click.FloatRange(0), default=ASSUMED.cpu_hour, help="An hour of a CPU core."),
    option("price_per_gpu_hour", type=click.FloatRange(0), default=ASSUMED.gpu_hour, help="An hour of a GPU."),
    option("currency", default=ASSUMED.currency, help="What prices are in."),
)


def environment_options(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command the options of an `Environment`, each also read from LABELBENCH_<NAME>."""

    @functools.wraps(command)
    def with_environment(**options: Any) -> int:  # noqa: ANN401
        names = Environment.__dataclass_fields__
        given = {name: options.pop(name) for name in list(options) if name in names}
        given["tracking_uri"] = given["tracking_uri"] or sqlite_uri(beside(given["runs"]) / "mlflow.db")
        if given["address"] in (None, "local"):
            given["address"] = None
            # Read when Ray is imported, later: a Ray of our own then listens on loopback, as on a Windows machine, and
            # not on every network that this one is on.
            os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        return command(environment=Environment(**given), **options)

    return functools.reduce(lambda decorated, given: given(decorated), reversed(ENVIRONMENT), with_environment)


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

    return functools.reduce(lambda decorated, given: given(decorated), reversed(PRICES), with_prices)


def experiment_argument(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command an experiment and `--tiny`."""
    shrink = click.option(
        "--tiny",
        is_flag=True,
        help="Shrink to two short rounds on a few hundred rows: a smoke test, in RUNS/<stem>.<function>.tiny.",
    )
    return click.argument("name", metavar="EXPERIMENT")(shrink(command))
