"""Ray's executor and the local one write the same ledgers, called as people call them: `run` from Python."""

from pathlib import Path
from typing import Any

import pytest

from labelbench_ray import run
from labelbench_ray.ledger.trials import read_history
from labelbench_ray.planning import experiment
from tests.full_trials import untimed
from tests.ray.conftest import CPUS

pytestmark = pytest.mark.ray
QUICKSTART = Path(__file__).parent.parent.parent / "experiments" / "quickstart.py"


def test_ledgers_equal_those_that_one_process_without_ray_writes(cluster: None, tmp_path: Path) -> None:
    """That the local ones equal those of `labelbench run`: tests/api/test_run.py."""
    found = experiment.load(str(QUICKSTART), shrink=True)
    first = [trial for trial in found.trials if trial.seed == 0]
    shared: dict[str, Any] = {
        "data_root": tmp_path / "data",
        "tracking_uri": f"sqlite:///{tmp_path / 'mlflow.db'}",
        "cpus_per_trial": CPUS,
        "progress": False,
    }
    remote = run(first, name="ray", runs=tmp_path / "runs", store=tmp_path / "store", encoder_actors=1, **shared)
    here = run(first, name="ray", runs=tmp_path / "here", store=tmp_path / "other", executor="local", **shared)
    assert [each.trial for each in remote.trials] == [each.trial for each in here.trials] == first
    for trial, ours in zip(remote.trials, here.trials, strict=True):
        rays = read_history(remote.folder / trial.fingerprint)
        without_ray = read_history(here.folder / ours.fingerprint)
        assert len(without_ray.records) == trial.trial.rounds == trial.rounds_done
        assert untimed(without_ray.records) == untimed(rays.records)
        assert without_ray.header == rays.header
