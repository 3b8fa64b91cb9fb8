"""The commands that take an experiment: `labelbench plan`, `embed`, `run` and `finetune`.

Torch takes two seconds to import, Ray and MLflow more, so only the commands that use them do, inside their functions.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from labelbench_ray.api.preparation import import_shown, planned
from labelbench_ray.cluster.address import check_address
from labelbench_ray.commands.options import (
    AskedExperiment,
    SectionedCommand,
    SectionedOption,
    baseline_option,
    environment_options,
    experiment_argument,
    price_options,
)
from labelbench_ray.commands.output import console, state
from labelbench_ray.console.events import logged
from labelbench_ray.console.progress import meter
from labelbench_ray.costs import Prices
from labelbench_ray.environment import WHAT, Environment
from labelbench_ray.planning.names import parsed_tags

if TYPE_CHECKING:
    from labelbench_ray.planning.experiment import Experiment

DATA_ROOT: Final = "LABELBENCH_DATA_ROOT"


@click.command("plan", cls=SectionedCommand)
@experiment_argument
@click.option(
    "--strict",
    cls=SectionedOption,
    section=WHAT,
    is_flag=True,
    help="Exit status 2 where data or weights are to be provided; without it, 0.",
)
@environment_options
def plan_command(asked: AskedExperiment, strict: bool, environment: Environment) -> int:
    """Check an experiment: what would run, what is done, what is missing. Starts nothing."""
    plan = planned(_loaded(asked, environment), environment, console)
    from labelbench_ray.api import plan_words
    from labelbench_ray.commands.plan_table import plan_table
    from labelbench_ray.planning.plan import planned_early_stopping
    from labelbench_ray.trial.scoring import check_scoring

    check_scoring(environment)
    rule = planned_early_stopping(plan, environment)
    state(missing := plan_words.describe_missing(plan))
    console.print(plan_table(plan.trials))
    state(plan_words.describe(plan))
    state([plan_words.describe_memory(plan, environment), *plan_words.describe_time(plan, environment)])
    state(plan_words.describe_scoring(plan, environment))
    if plan.experiment.search is not None:
        from labelbench_ray.api.search import describe_best, describe_search

        state([*describe_search(plan), *describe_best(plan)])
    state([f"early stopping: a trial ends when {rule}"] if rule else [])
    return 2 if strict and missing else 0


@click.command(cls=SectionedCommand)
@experiment_argument
@environment_options
def embed(asked: AskedExperiment, environment: Environment) -> int:
    """Embed the pools that an experiment needs; does nothing where that is done."""
    check_address(environment.address)
    plan = planned(_loaded(asked, environment), environment, console)
    from labelbench_ray.api import plan_words
    from labelbench_ray.planning.units import embedding_units

    state(plan_words.describe_data(plan))
    import_shown("api.run_plan", environment, console, units := embedding_units(plan.stores))
    from labelbench_ray.api.executors import executor_of, started
    from labelbench_ray.api.stores import make_stores, provide

    provide(plan, environment)
    executor = executor_of(environment)
    with logged(plan.experiment.name, environment, console), started(executor, environment, console, units):
        make_stores(plan, executor, environment, console)
    return 0


@click.command(cls=SectionedCommand)
@experiment_argument
@environment_options
@baseline_option
@price_options
def run(asked: AskedExperiment, environment: Environment, baseline: str | None, prices: Prices) -> int:
    """Embed what is missing, run what is not done, and write the report."""
    check_address(environment.address)
    loaded = _loaded(asked, environment)
    from labelbench_ray.api.run import run_experiment

    _, status = run_experiment(loaded, environment, console, prices, baseline)
    return status


@click.command(cls=SectionedCommand)
@experiment_argument
@environment_options
@price_options
def finetune(asked: AskedExperiment, environment: Environment, prices: Prices) -> int:
    """Train the full model on what the trials have bought, at the budgets that the experiment asks for."""
    check_address(environment.address)
    plan = planned(_loaded(asked, environment), environment, console)
    from labelbench_ray.api import plan_words
    from labelbench_ray.planning.units import finetune_units

    state(plan_words.describe_data(plan))
    import_shown("commands.finetune", environment, console, finetune_units(plan))
    from labelbench_ray.commands import finetune

    with logged(plan.experiment.name, environment, console):
        return finetune.finetune(plan, environment, console, prices)


def _loaded(asked: AskedExperiment, environment: Environment) -> "Experiment":
    with meter(console, f"checking {asked.place}"), _data_root_in_a_variable(environment.data_root):
        from labelbench_ray.planning import experiment

        return experiment.load(asked.place, asked.tiny, asked.name).labeled(asked.owner, parsed_tags(asked.tags))


@contextmanager
def _data_root_in_a_variable(data_root: Path) -> Iterator[None]:
    """While inside, LABELBENCH_DATA_ROOT is what `--data-root` states: experiments may ask which data are there."""
    before = os.environ.get(DATA_ROOT)
    os.environ[DATA_ROOT] = str(data_root)
    try:
        yield
    finally:
        if before is None:
            del os.environ[DATA_ROOT]
        else:
            os.environ[DATA_ROOT] = before
