"""The commands that take an experiment: `labelbench plan`, `embed`, `run` and `finetune`.

Torch takes two seconds to import, Ray and MLflow more, so only the commands that use them do, inside their functions.
"""

import click

from labelbench_ray.api.preparation import import_shown, planned
from labelbench_ray.cluster.address import check_address
from labelbench_ray.commands.asked import from_file, loaded
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
from labelbench_ray.commands.quick_options import QuickWords, experiment_or_data
from labelbench_ray.console.events import logged
from labelbench_ray.costs import Prices
from labelbench_ray.environment import WHAT, Environment


@click.command("plan", cls=SectionedCommand)
@experiment_or_data
@click.option(
    "--strict",
    cls=SectionedOption,
    section=WHAT,
    is_flag=True,
    help="Exit status 2 where data or weights are to be provided; without it, 0.",
)
@environment_options
def plan_command(asked: AskedExperiment, words: QuickWords, strict: bool, environment: Environment) -> int:
    """Check an experiment: what would run, what is done, what is missing. Starts nothing."""
    experiment, environment = loaded(asked, words, environment)
    plan = planned(experiment, environment, console)
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
@experiment_or_data
@environment_options
def embed(asked: AskedExperiment, words: QuickWords, environment: Environment) -> int:
    """Embed the pools that an experiment needs; does nothing where that is done."""
    check_address(environment.address)
    experiment, environment = loaded(asked, words, environment)
    plan = planned(experiment, environment, console)
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
@experiment_or_data
@environment_options
@baseline_option
@price_options
def run(
    asked: AskedExperiment, words: QuickWords, environment: Environment, baseline: str | None, prices: Prices
) -> int:
    """Embed what is missing, run what is not done, and write the report."""
    check_address(environment.address)
    experiment, environment = loaded(asked, words, environment)
    from labelbench_ray.api.run import run_experiment

    _, status = run_experiment(experiment, environment, console, prices, baseline)
    state(words.next_steps(experiment.name))
    return status


@click.command(cls=SectionedCommand)
@experiment_argument
@environment_options
@price_options
def finetune(asked: AskedExperiment, environment: Environment, prices: Prices) -> int:
    """Train the full model on what the trials have bought, at the budgets that the experiment asks for."""
    check_address(environment.address)
    plan = planned(from_file(asked, environment), environment, console)
    from labelbench_ray.api import plan_words
    from labelbench_ray.planning.units import finetune_units

    state(plan_words.describe_data(plan))
    import_shown("commands.finetune", environment, console, finetune_units(plan))
    from labelbench_ray.commands import finetune

    with logged(plan.experiment.name, environment, console):
        return finetune.finetune(plan, environment, console, prices)
