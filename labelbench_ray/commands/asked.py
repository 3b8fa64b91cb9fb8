"""The experiment that a command is asked for: a file's, or one without a file, from a place of data and options."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from labelbench_ray.api.preparation import planned
from labelbench_ray.commands.options import AskedExperiment
from labelbench_ray.commands.output import console, state
from labelbench_ray.commands.quick_options import QuickWords
from labelbench_ray.console.progress import meter
from labelbench_ray.environment import Environment
from labelbench_ray.errors import ConfigError
from labelbench_ray.planning.names import check_name, parsed_tags
from labelbench_ray.plugins import importable

if TYPE_CHECKING:
    from labelbench_ray.planning.experiment import Experiment

DATA_ROOT: Final = "LABELBENCH_DATA_ROOT"


def loaded(asked: AskedExperiment, words: QuickWords, environment: Environment) -> tuple["Experiment", Environment]:
    """The experiment, and the environment with the data root that it needs.

    Raises:
        ConfigError: both a file and an experiment without one are asked for, or neither.
    """
    given = words.given()
    if asked.place is not None and given:
        raise ConfigError(
            f"{given[0]}: the experiment file {asked.place} states its data, strategies and settings; change it there, "
            "or leave the file out and give --dataset"
        )
    if asked.place is not None:
        return from_file(asked, environment), environment
    if words.dataset is None:
        beside = f" with {given[0]}" if given else ""
        raise ConfigError(
            f"nothing to run{beside}: give an experiment, such as experiments/quickstart.py, or the data, as in "
            "--dataset photos/"
        )
    return _from_data(asked, words, environment)


def from_file(asked: AskedExperiment, environment: Environment) -> "Experiment":
    """The experiment that a file defines."""
    assert asked.place is not None
    with meter(console, f"checking {asked.place}"), _data_root_in_a_variable(environment.data_root):
        from labelbench_ray.planning import experiment

        return experiment.load(asked.place, asked.tiny, asked.name).labeled(asked.owner, parsed_tags(asked.tags))


def _from_data(asked: AskedExperiment, words: QuickWords, environment: Environment) -> tuple["Experiment", Environment]:
    if asked.name is not None:
        check_name(asked.name)
    importable(str(Path.cwd()))
    with meter(console, f"reading {words.dataset}"):
        from labelbench_ray.planning import quick

        found = quick.quick_experiment(words.request(), environment.data_root)
        experiment = found.experiment(asked.tiny, asked.name).labeled(asked.owner, parsed_tags(asked.tags))
    environment = replace(environment, data_root=found.data_root)
    state(str(found).splitlines())
    if words.save:
        from labelbench_ray.planning.quick_file import save

        planned(experiment, environment, console)  # no file is left of trials that are refused
        state([f"saved {words.save}, which makes the same trials: {save(found, words.save)}"])
    return experiment, environment


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
