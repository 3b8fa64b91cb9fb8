"""One local Ray for all tests that need it."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import ray
from rich.console import Console

from labelbench_ray import plan
from labelbench_ray.cluster.session import WORKER_ENVIRONMENT, connected
from labelbench_ray.config import Trial
from labelbench_ray.environment import Environment
from labelbench_ray.experiment import Experiment
from labelbench_ray.run import run


@pytest.fixture(scope="session")
def cluster() -> Iterator[None]:
    """Three logical CPUs, so that a trial and two scorers fit, whatever the machine has."""
    ray.init(
        address="local",
        num_cpus=3,
        include_dashboard=False,
        log_to_driver=False,
        runtime_env={"env_vars": WORKER_ENVIRONMENT},
    )
    with connected(None):
        yield
    ray.shutdown()


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment(
        runs=tmp_path / "runs",
        store=tmp_path / "store",
        data_root=tmp_path / "data",
        tracking_uri=f"sqlite:///{tmp_path / 'runs' / 'mlflow.db'}",
        address=None,
        encoder_actors=1,  # a second one would cost more to start than it embeds here
    )


@dataclass(frozen=True)
class Ran:
    """What a run returned and printed."""

    status: int
    printed: str


@pytest.fixture
def run_trials(cluster: None, environment: Environment) -> Callable[..., Ran]:
    """Run a grid as `labelbench run` does, with some of the environment changed."""

    def run_them(trials: list[Trial], **changed: object) -> Ran:
        console = Console(file=io.StringIO(), width=200)
        here = replace(environment, **changed)
        status = run(plan.plan(Experiment("tests.grid", tuple(trials)), here), here, console)
        return Ran(status, console.file.getvalue())

    return run_them
