"""`run`: embed, run and report a grid of trials, from a script or a notebook. `labelbench run` does the same.

Functions here import what they use inside: torch takes two seconds to import, Ray and MLflow more.
"""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Unpack

from rich.console import Console

from labelbench_ray.api.environments import Executors, RunOptions, checked, environment_of
from labelbench_ray.api.preparation import import_shown, planned, print_lines
from labelbench_ray.api.webhook import check_webhook, message, post
from labelbench_ray.cluster.address import check_address
from labelbench_ray.config import Trial
from labelbench_ray.console.escaping import SafeConsole
from labelbench_ray.console.events import logged
from labelbench_ray.console.interruption import how_to_go_on
from labelbench_ray.costs import ASSUMED, Prices
from labelbench_ray.environment import Environment
from labelbench_ray.errors import ConfigError
from labelbench_ray.plugins import importable
from labelbench_ray.storage.folders import folder_place
from labelbench_ray.tracking.mlflow_address import is_installed, show_command

if TYPE_CHECKING:
    from labelbench_ray.api.outcome import RunOutcome
    from labelbench_ray.planning.experiment import Experiment
    from labelbench_ray.planning.plan import Plan
    from labelbench_ray.planning.search import Search

NO_TAGS: Final = MappingProxyType[str, str]({})
LOG_WIDTH: Final = 120
"""Of lines that no terminal shows."""


def run(
    trials: "Iterable[Trial] | Search",
    *,
    name: str,
    runs: str | Path = "runs",
    store: str | Path = "store",
    data_root: str | Path = "data",
    executor: Executors = "ray",
    tracking_uri: str | None = None,
    address: str | None = None,
    progress: bool = True,
    owner: str | None = None,
    tags: Mapping[str, str] = NO_TAGS,
    prices: Prices = ASSUMED,
    **options: Unpack[RunOptions],
) -> "RunOutcome":
    """Embed what is missing, run the trials that are not done, and write the report.

    Called again, with the same trials or more of them, it goes on where it ended: after an error, after an interrupt,
    and on another machine that sees the same folders. The command line's variables LABELBENCH_... are not read.

    Args:
        trials: as from `grid`; or a `Search`, which suggests them.
        name: of the experiment, and of its folder in `runs`; a run of `study.py:margins` is called "study.margins".
        runs: where ledgers and reports lie: a path, relative to the working directory or absolute, or a URI.
        store: where embeddings lie; all experiments share it.
        data_root: where data sets lie.
        executor: "ray": in Ray's workers, many trials at once. "local": in this process, one after the other.
        tracking_uri: MLflow's; None: a sqlite file, `mlflow.db` in `runs`.
        address: of a Ray cluster; None: that of RAY_ADDRESS (as in a submitted job), or else a Ray for this call alone.
        progress: print what is being done and the table of results; if not, only trials that failed are printed.
        owner: whose experiment it is; its name begins with it (`alice--study`), so that people can share `runs`.
        tags: recorded beside the experiment, in MLflow and in the report, such as `{"team": "vision"}`.
        prices: of labels and hours, for the report.
        **options: other options of the command line by name, such as `gpus_per_trial=0.5`; see `RunOptions`.

    Returns:
        The state of each trial. A trial that fails does not end the others, and raises nothing: see `failed`.

    Raises:
        UserError: what is asked for cannot be; nothing has run. Or the cluster, the store or the ledger is unusable.
        KeyboardInterrupt: it was interrupted; every finished round is recorded.
    """
    from labelbench_ray.api.outcome import RunOutcome

    experiment = _experiment(name, trials).labeled(owner, tags)
    address = address or (os.environ.get("RAY_ADDRESS") if executor == "ray" else None)
    given = checked({"executor": executor, **options})
    environment = _environment(runs, tracking_uri, address, given, store=store, data_root=data_root)
    importable(str(Path.cwd()))
    console = _console(quiet=not progress)
    try:
        plan, _ = run_experiment(experiment, environment, console, prices)
    except KeyboardInterrupt:
        print_lines(console, [f"interrupted; {how_to_go_on()}"])
        raise
    outcome = RunOutcome.of(plan)
    if outcome.failed and not progress:
        print_lines(_console(), str(outcome).splitlines())
    return outcome


def run_experiment(
    experiment: "Experiment", environment: Environment, console: Console, prices: Prices, baseline: str | None = None
) -> tuple["Plan", int]:
    """Plan and run an experiment; returns its plan from before, and the exit status of `labelbench run`."""
    check_address(environment.address)
    check_webhook(environment.webhook)
    plan = planned(experiment, environment, console)
    from labelbench_ray.api import plan_words
    from labelbench_ray.planning.units import run_units
    from labelbench_ray.trial.scoring import check_scoring

    check_scoring(environment)
    print_lines(console, plan_words.describe_data(plan))
    import_shown("api.run_plan", environment, console, run_units(plan))
    from labelbench_ray.api.run_plan import run_plan

    with logged(experiment.name, environment, console):
        if experiment.search is None:
            status = run_plan(plan, environment, console, prices, baseline)
        else:
            plan, status = _run_search(plan, environment, console, prices, baseline)
    if environment.webhook is not None:
        from labelbench_ray.api.outcome import RunOutcome

        problem = post(environment.webhook, message(RunOutcome.of(plan), status))
        print_lines(console, [problem] if problem else [])
    if is_installed():
        print_lines(console, [f"MLflow: {show_command(environment.runs, environment.tracking_uri)}"])
    return plan, status


def _run_search(
    plan: "Plan", environment: Environment, console: Console, prices: Prices, baseline: str | None
) -> tuple["Plan", int]:
    """Run a search to its end, and print the best point."""
    from labelbench_ray.api.run_plan import run_plans
    from labelbench_ray.api.search import describe_best, describe_search, further_plans

    print_lines(console, describe_search(plan))

    def further(first: "Plan") -> Iterator["Plan"]:
        return further_plans(first, environment, lambda built, total: None)

    plan, status = run_plans(plan, environment, console, prices, baseline, further)
    print_lines(console, describe_best(plan))
    return plan, status


def _experiment(name: str, trials: "Iterable[Trial] | Search") -> "Experiment":
    from labelbench_ray.planning.experiment import Experiment
    from labelbench_ray.planning.names import check_name
    from labelbench_ray.planning.search import Search

    check_name(name)
    if isinstance(trials, Search):
        return Experiment.of(name, trials)
    every: list[Any] = [trials] if isinstance(trials, Trial) else list(trials)
    if not every:
        raise ConfigError("trials: there are none; give at least one, as in grid(base, seed=range(3))")
    if wrong := [each for each in every if not isinstance(each, Trial)]:
        raise ConfigError(f"trials: {wrong[0]!r} is not a Trial; give a list of trials, as from grid")
    return Experiment(name, tuple(every))


def _environment(
    runs: str | Path, tracking_uri: str | None, address: str | None, given: dict[str, Any], **places: str | Path
) -> Environment:
    others = given | {name: folder_place(str(place)) for name, place in places.items()}
    return environment_of(folder_place(str(runs)), tracking_uri, address, others)


def _console(quiet: bool = False) -> SafeConsole:
    plain = not sys.stdout.isatty()
    console = SafeConsole(quiet=quiet)
    return SafeConsole(quiet=quiet, width=LOG_WIDTH) if plain and not console.is_jupyter else console
