"""One local Ray for all tests that need it, and what they share so that the suite stays short.

Starting is what costs: a Ray of its own 5 s of CPU, a command in a process of its own 8 s, a worker of a sweep 5 s, an
embedding actor 4 s; a tiny trial costs 0.1 s. So a new test of Ray, from the cheapest on:

- examines a run that another test of its module made: write a module's fixture that calls `run_grid` once, with all
  that the module's tests look at in one sweep, trials that fail included (tests/ray/test_sweep.py);
- or calls `run_trials`, which runs a grid in this process on the session's `cluster`: one embedding, if the store has
  none (`digits_store` has), and one worker, which runs all trials one after the other, since `environment` reserves all
  three CPUs for each. Where trials must overlap, give `cpus_per_trial=1.0`;
- or, where the process is what is tested (signals, terminals, jobs), starts a command of its own, once for all its
  laws (tests/ray/test_interrupt.py), with one trial at a time.

Two processes run these tests, a file each, so no file should take minutes; `make test-ray RAY_PROCESSES=1` uses one.
What needs many kills, many nodes or long waits belongs into the fault suite (tests/faults), with one short
representative here.
"""

import io
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("RAY_worker_niceness", "0")  # or workers would starve beside the tests of another process

import pytest
import ray
from rich.console import Console

from labelbench_ray.api.run_plan import run_plan
from labelbench_ray.cluster.session import connected
from labelbench_ray.config import Trial
from labelbench_ray.environment import ONE_THREAD, Environment
from labelbench_ray.planning import plan
from labelbench_ray.planning.experiment import Experiment
from tests.full_trials import DIGITS, Ran, make_store

CPUS = 3
"""Logical ones, so that a trial and two scorers fit, whatever the machine has."""


@pytest.fixture(scope="session")
def cluster() -> Iterator[None]:
    """A local Ray for as long as the tests take."""
    with pytest.MonkeyPatch.context() as patch:  # as `session.connected` starts one
        for name, value in ONE_THREAD.items():
            patch.setenv(name, value)
        ray.init(address="local", num_cpus=CPUS, include_dashboard=False, log_to_driver=False)
    with connected(None):
        yield
    ray.shutdown()


@pytest.fixture(scope="session")
def digits_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embeddings of `DIGITS`, made in this process: embedding on Ray has tests of its own. Leave it as it is."""
    store = tmp_path_factory.mktemp("digits") / "store"
    make_store(DIGITS, store, store.parent)
    return store


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """Folders of the test's own, and one trial at a time."""
    return environment_in(tmp_path)


@pytest.fixture
def run_trials(cluster: None, environment: Environment) -> Callable[..., Ran]:
    """Run a grid as `labelbench run` does, with some of the environment changed."""

    def run_them(trials: list[Trial], **changed: object) -> Ran:
        return run_grid(trials, replace(environment, **changed))

    return run_them


def environment_in(folder: Path) -> Environment:
    """Everything below `folder`; one trial at a time, since a second worker costs more than a tiny trial saves."""
    return Environment(
        runs=folder / "runs",
        store=folder / "store",
        data_root=folder / "data",
        tracking_uri=f"sqlite:///{folder / 'runs' / 'mlflow.db'}",
        address=None,
        cpus_per_trial=float(CPUS),
        encoder_actors=1,  # a second one would cost more to start than it embeds here
    )


def run_grid(trials: list[Trial], environment: Environment) -> Ran:
    """Run a grid as `labelbench run` does; for fixtures of modules, which need the fixture `cluster` too."""
    console = Console(file=io.StringIO(), width=200)
    status = run_plan(plan.plan(Experiment("tests.grid", tuple(trials)), environment), environment, console)
    return Ran(status, console.file.getvalue())
