"""What comes before a command's work: the plan, and the imports that take seconds, with progress shown.

Torch takes two seconds to import, Ray and MLflow more, so functions here import what they use inside.
"""

import importlib
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from rich.console import Console

from labelbench_ray.console.progress import meter
from labelbench_ray.environment import Environment

if TYPE_CHECKING:
    from labelbench_ray.planning.experiment import Experiment
    from labelbench_ray.planning.plan import Plan
    from labelbench_ray.planning.units import Units


def planned(experiment: "Experiment", environment: Environment, console: Console) -> "Plan":
    """The plan of an experiment; raises as `planning.plan`."""
    words, trials = f"checking {experiment.name}", len(experiment.trials)
    with meter(console, words, trials) as shown:
        from labelbench_ray.planning import plan

        progress = partial(shown.show, words=words)
        if experiment.search is None:
            return plan.plan(experiment, environment, progress)
        from labelbench_ray.api.search import search_plan

        return search_plan(experiment, environment, progress)


def import_shown(module: str, environment: Environment, console: Console, units: "Units") -> None:
    """Import a module of ours and what its work needs, while people see what is to come."""
    from labelbench_ray.api.executors import executor_of, starting

    with meter(console, starting(environment, units) if units.total else "reading", units.total, units.done):
        importlib.import_module(f"labelbench_ray.{module}")
        if units.total:
            executor_of(environment)


def print_lines(console: Console, lines: Iterable[str]) -> None:
    """Print lines as they are, each uncut."""
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False, markup=False)
