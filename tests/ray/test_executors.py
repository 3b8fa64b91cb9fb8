"""Ray's executor and the local one write the same ledgers."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from labelbench_ray.api.run_plan import run_plan
from labelbench_ray.environment import Environment
from labelbench_ray.ledger.trials import read_history
from labelbench_ray.planning import experiment, plan
from labelbench_ray.trial import parts
from tests.full_trials import untimed
from tests.ray.conftest import run_grid

pytestmark = pytest.mark.ray
QUICKSTART = Path(__file__).parent.parent.parent / "experiments" / "quickstart.py"


def test_ledgers_equal_those_that_one_process_without_ray_writes(
    cluster: None, environment: Environment, tmp_path: Path
) -> None:
    found = experiment.load(str(QUICKSTART), shrink=True)
    first = replace(found, trials=tuple(trial for trial in found.trials if trial.seed == 0))
    local = tmp_path / "local"
    uri = f"sqlite:///{tmp_path / 'local.db'}"
    here = Environment(local / "runs", local / "store", tmp_path / "data", uri, executor="local")
    assert run_grid(list(first.trials), environment).status == 0
    assert run_plan(plan.plan(first, here), here, Console(file=io.StringIO())) == 0
    for trial in first.trials:
        fingerprint = parts.build(trial).fingerprint
        without_ray = read_history(here.runs / first.name / fingerprint)
        rays = read_history(environment.runs / "tests.grid" / fingerprint)
        assert len(without_ray.records) == trial.rounds
        assert untimed(without_ray.records) == untimed(rays.records)
        assert without_ray.header == rays.header
