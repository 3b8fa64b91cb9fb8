"""`experiments/multi_label.py`, tiny: embedded, run and reported, on made-up images; and a task of a user's own."""

import io
import re
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from rich.console import Console

from experiments import multi_label
from labelbench_ray.api.run_plan import run_plan
from labelbench_ray.config import Part, Trial, tiny, vary
from labelbench_ray.environment import Environment
from labelbench_ray.ledger.trials import History, read_history
from labelbench_ray.planning import plan
from labelbench_ray.planning.experiment import Experiment
from labelbench_ray.trial import parts

PAGE = Path(__file__).parents[2] / "docs" / "tasks.md"
ROWS = 160


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    return Environment(tmp_path / "runs", tmp_path / "store", tmp_path / "data", uri, executor="local")


def write_images(root: Path) -> None:
    """Ten kinds of images: the label's row of pixels is bright."""
    rng = np.random.default_rng(0)
    (root / "cifar10").mkdir(parents=True)
    for part in ("train", "test"):
        labels, images = [row % 10 for row in range(ROWS)], []
        for label in labels:
            pixels = rng.integers(0, 60, (32, 32, 3))
            pixels[3 * label : 3 * label + 3] += 190
            buffer = io.BytesIO()
            Image.fromarray(pixels.astype(np.uint8)).save(buffer, format="PNG")
            images.append(buffer.getvalue())
        paths = [f"{part}/{row}" for row in range(ROWS)]
        pq.write_table(pa.table({"image": images, "label": labels, "path": paths}), root / f"cifar10/{part}.parquet")


def ran(trials: list[Trial], environment: Environment) -> tuple[int, str]:
    console = Console(file=io.StringIO(), width=200)
    planned = plan.plan(Experiment("tests.study", tuple(trials)), environment)
    return run_plan(planned, environment, console), console.file.getvalue()


def history(trial: Trial, environment: Environment) -> History:
    return read_history(environment.runs / "tests.study" / parts.build(trial).fingerprint)


def test_the_experiment_runs_to_a_report_by_map(environment: Environment):
    write_images(environment.data_root)
    shrunk = [trial for trial in tiny(multi_label.cifar10_pairs()) if trial.seed < 2]
    trials = [vary(trial, encoder=Part.of("pixels", size=16), budget=10) for trial in shrunk]
    assert {str(trial.strategy) for trial in trials} == {"random", "margin", "badge"}
    status, printed = ran(trials, environment)
    assert status == 0
    assert "Test mAP with 20 labels" in printed
    assert "Test mAP" in (environment.runs / "tests.study/report.html").read_text()
    for trial in trials:
        recorded = history(trial, environment)
        assert recorded.header.task == "multi_label"
        assert [record.num_labeled for record in recorded.records] == [10, 20]
        assert all(len(label["positive"]) == 2 for record in recorded.records for label in record.labels)
        assert recorded.records[-1].metrics["Test Classes with Positives"] == 10
        assert 0.2 < recorded.records[-1].metrics["Test mAP"] <= 1
    again, printed = ran(trials, environment)
    assert again == 0
    assert "all 6 trials are done" in printed


def test_the_experiment_asks_for_what_it_states():
    trials = multi_label.cifar10_pairs()
    assert {trial.seed for trial in trials} == set(range(5))
    assert {str(trial.strategy) for trial in trials} == {"random", "margin", "badge"}
    for trial in trials:
        assert parts.build(trial).task.primary == "mAP"


def test_a_task_of_a_user_s_own_is_one_file(environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (*_, shown) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "my_package").mkdir()
    (tmp_path / "my_package/balanced.py").write_text(shown)
    monkeypatch.syspath_prepend(str(tmp_path))
    for module in ("my_package", "my_package.balanced"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    trial = Trial(
        dataset=Part.of("my_package.balanced", max_rows=200),
        encoder=Part(name="pixels"),
        strategy=Part(name="galaxy"),  # served, since the task refines single_label
        trainer=Part(name="logistic"),
        seed=0,
        rounds=2,
        budget=20,
    )
    status, printed = ran([trial], environment)
    assert status == 0
    recorded = history(trial, environment)
    assert recorded.header.task == "my_package.balanced"
    assert recorded.header.traits is not None
    assert recorded.header.traits.metrics == ("Test Macro F1", "Test Accuracy")
    assert "Test Macro F1 with 40 labels" in printed
