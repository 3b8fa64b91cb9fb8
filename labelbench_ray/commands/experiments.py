"""The commands that take an experiment: `labelbench plan`, `embed`, `run` and `finetune`.

Torch takes two seconds to import, Ray and MLflow more, so only the commands that use them do, inside their functions.
"""

import importlib
from functools import partial
from typing import TYPE_CHECKING

import click
from rich.table import Table
from rich.text import Text

from labelbench_ray.cluster.address import check_address
from labelbench_ray.commands.options import environment_options, experiment_argument, price_options
from labelbench_ray.commands.output import console, state
from labelbench_ray.console.events import logged
from labelbench_ray.console.progress import meter
from labelbench_ray.costs import Prices
from labelbench_ray.environment import Environment
from labelbench_ray.tracking.mlflow_address import SQLITE, is_installed, ui_command

if TYPE_CHECKING:
    from labelbench_ray.planning.plan import Plan
    from labelbench_ray.planning.units import Units


@click.command("plan")
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
    state([*plan_words.describe(planned), plan_words.describe_memory(planned, environment), *stopping])
    return 0


@click.command()
@experiment_argument
@environment_options
def embed(name: str, tiny: bool, environment: Environment) -> int:
    """Embed the pools that an experiment needs; does nothing where that is done."""
    check_address(environment.address)
    planned = _planned(name, tiny, environment)
    from labelbench_ray.api import plan_words
    from labelbench_ray.planning.units import embedding_units

    state(plan_words.describe_data(planned))
    _import("api.run_plan", environment, units := embedding_units(planned.stores))
    from labelbench_ray.api.executors import executor_of, started
    from labelbench_ray.api.run_plan import make_stores, provide

    provide(planned, environment)
    executor = executor_of(environment)
    with logged(planned.experiment.name, environment, console), started(executor, environment, console, units):
        make_stores(planned, executor, environment, console)
    return 0


@click.command()
@experiment_argument
@environment_options
@price_options
def run(name: str, tiny: bool, environment: Environment, prices: Prices) -> int:
    """Embed what is missing, run what is not done, and write the report."""
    check_address(environment.address)
    planned = _planned(name, tiny, environment)
    from labelbench_ray.api import plan_words
    from labelbench_ray.planning.units import run_units

    state(plan_words.describe_data(planned))
    _import("api.run_plan", environment, run_units(planned))
    from labelbench_ray.api.run_plan import run_plan

    with logged(planned.experiment.name, environment, console):
        status = run_plan(planned, environment, console, prices)
    if environment.tracking_uri.startswith(SQLITE) and is_installed():
        console.print(f"MLflow: {ui_command(environment.tracking_uri)}", soft_wrap=True, highlight=False, markup=False)
    return status


@click.command()
@experiment_argument
@environment_options
@price_options
def finetune(name: str, tiny: bool, environment: Environment, prices: Prices) -> int:
    """Train the full model on what the trials have bought, at the budgets that the experiment asks for."""
    check_address(environment.address)
    planned = _planned(name, tiny, environment)
    from labelbench_ray.api import plan_words
    from labelbench_ray.planning.units import finetune_units

    state(plan_words.describe_data(planned))
    _import("commands.finetune", environment, finetune_units(planned))
    from labelbench_ray.commands import finetune

    with logged(planned.experiment.name, environment, console):
        return finetune.finetune(planned, environment, console, prices)


def _planned(name: str, tiny: bool, environment: Environment) -> "Plan":
    words = f"checking {name}"
    with meter(console, words) as shown:
        from labelbench_ray.planning import experiment

        loaded = experiment.load(name, tiny)
        shown.show(0, len(loaded.trials), words)
        from labelbench_ray.planning import plan

        return plan.plan(loaded, environment, partial(shown.show, words=words))


def _import(module: str, environment: Environment, units: "Units") -> None:
    """Import what a command runs, which takes seconds, while people see what is to come."""
    from labelbench_ray.api.executors import executor_of, starting

    with meter(console, starting(environment, units) if units.total else "reading", units.total, units.done):
        importlib.import_module(f"labelbench_ray.{module}")
        if units.total:
            executor_of(environment)
