"""Three nodes that share no disk: data, embeddings and ledgers lie in an object store on loopback."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from ray.cluster_utils import Cluster

from labelbench_ray.atomic import publish
from labelbench_ray.cluster.session import WORKER_ENVIRONMENT
from labelbench_ray.experiment import load
from labelbench_ray.ledger import read_history
from labelbench_ray.records import COSTS
from labelbench_ray.remote import place
from tests.s3 import Server, s3  # noqa: F401  a fixture

pytestmark = pytest.mark.ray
EXPERIMENT = """from labelbench_ray.config import Part, Trial, grid


def scattered() -> list[Trial]:
    base = Trial(
        dataset=Part.of("image_folder", path="images"), encoder=Part(name="pixels"), strategy="random",
        trainer=Part.of("supervised", epochs=20), seed=0, rounds=3, budget=10,
    )
    return grid(base, strategy=["random", "margin"], seed=range(2))
"""


def make_images(data: Path) -> None:
    """Two classes, bright and dark noise, a few hundred PNG files."""
    rng = np.random.default_rng(0)
    for split, rows in {"train": 200, "validation": 40, "test": 40}.items():
        for number in range(rows):
            path = data / "images" / split / ("dark", "light")[number % 2] / f"{number:04d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray((rng.integers(0, 200, (8, 8)) + 55 * (number % 2)).astype(np.uint8)).save(path)


@pytest.fixture
def nodes(s3: Server, tmp_path: Path) -> Iterator[str]:  # noqa: F811
    """A cluster's address: a head without CPUs and two workers, each with a cache of its own."""
    environment = s3.environment | WORKER_ENVIRONMENT
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "env_vars": environment})
    try:
        for name in ("first", "second"):
            cluster.add_node(num_cpus=2, env_vars=environment | {"LABELBENCH_CACHE": str(tmp_path / name)})
        cluster.wait_for_nodes()
        yield cluster.address
    finally:
        cluster.shutdown()


def test_an_experiment_runs_without_a_shared_disk(s3: Server, nodes: str, tmp_path: Path, run_trials):  # noqa: F811
    file = tmp_path / "experiment.py"
    file.write_text(EXPERIMENT)
    make_images(tmp_path / "data")
    for path in (tmp_path / "data").rglob("*.png"):
        publish(place(s3.uri(str(path.relative_to(tmp_path)))), path.read_bytes())
    words = ["run", file, "--address", nodes]
    words += [word for name in ("runs", "store", "data-root") for word in (f"--{name}", s3.uri(name.split("-")[0]))]
    done = subprocess.run(
        [Path(sys.executable).parent / "labelbench", *map(str, words)],
        env={**os.environ, **s3.environment, "LABELBENCH_CACHE": str(tmp_path / "driver")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 trials done, 0 failed" in done.stdout
    trials = list(load(f"{file}:scattered").trials)
    assert run_trials(trials, runs=tmp_path / "runs").status == 0
    here, there = tmp_path / "runs" / "tests.grid", place(s3.uri("runs", "experiment.scattered"))
    ours = {path.name: read_history(path).records for path in here.iterdir() if (path / "trial.json").is_file()}
    theirs = {path.name: read_history(path).records for path in there.iterdir() if (path / "trial.json").is_file()}
    assert {name: [record.model_dump(exclude=COSTS) for record in records] for name, records in theirs.items()} == {
        name: [record.model_dump(exclude=COSTS) for record in records] for name, records in ours.items()
    }
    assert len(ours) == 4
    assert (there / "report.html").is_file()
    assert not list(tmp_path.glob("runs/experiment.scattered")), "nothing of it lies on this disk"
    assert any((tmp_path / name).is_dir() for name in ("first", "second")), "nodes map arrays of their own"
