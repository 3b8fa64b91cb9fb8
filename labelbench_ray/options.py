"""The options of the command line: where data lies, what hardware there is, what things cost."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from labelbench_ray.costs import ASSUMED, Prices
from labelbench_ray.environment import Environment

FOLDER = click.Path(file_okay=False, path_type=Path)


def option(name: str, **settings: Any) -> Callable[[Callable[..., int]], Callable[..., int]]:  # noqa: ANN401
    variables = [f"LABELBENCH_{name.upper()}", *(["RAY_ADDRESS"] if name == "address" else [])]
    return click.option(f"--{name.replace('_', '-')}", envvar=variables, show_envvar=True, **settings)


ENVIRONMENT = (
    option("runs", type=FOLDER, default="runs", help="Where ledgers and reports lie."),
    option("store", type=FOLDER, default="store", help="Where embeddings lie."),
    option("data_root", type=FOLDER, default="data", help="Where data sets lie."),
    option("tracking_uri", help="MLflow's; default: sqlite in RUNS/mlflow.db."),
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
        given["tracking_uri"] = given["tracking_uri"] or f"sqlite:///{given['runs'].resolve() / 'mlflow.db'}"
        paths = {name: given[name].resolve() for name in ("runs", "store", "data_root")}
        return command(environment=Environment(**given | paths), **options)

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
        "--tiny", is_flag=True, help="Shrink to two short rounds on a few hundred rows: a smoke test."
    )
    return click.argument("name", metavar="EXPERIMENT")(shrink(command))
