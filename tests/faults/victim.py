"""What `kill.py` kills: an experiment on random images, the command that runs it, and what lies on disk of it."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.command import Places, command, histories
from labelbench_ray.ledger.records import COSTS

EXPERIMENT = """from labelbench_ray.config import Part, Trial, grid


def killed() -> list[Trial]:
    base = Trial(
        dataset=Part.of("image_folder", path="images"), encoder=Part(name="pixels"), strategy="random",
        trainer=Part.of("supervised", epochs=200, patience=200), seed=0, rounds=8, budget=20,
    )
    return grid(base, strategy=["margin", "badge"], seed=range(2))
"""
ROUNDS = 32
"""Of all its trials together."""
SHARDS, RECORDS = "store/*/shards/*.parquet", "runs/*/*/rounds/*.json"
"""Where a run's finished pieces lie."""

Fact = tuple[int, str]
"""(time of a file's last change in ns, its SHA-256)"""


def make(folder: Path, pool_rows: int) -> None:
    """Write the experiment, and an image folder of two classes, bright and dark noise, in data/images."""
    (folder / "killed.py").write_text(EXPERIMENT)
    rng = np.random.default_rng(0)
    for split, rows in {"train": pool_rows, "validation": 200, "test": 200}.items():
        for number in range(rows):
            path = folder / "data" / "images" / split / ("dark", "light")[number % 2] / f"{number:06d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels_HW = rng.integers(0, 200, (32, 32)) + 55 * (number % 2)
            Image.fromarray(pixels_HW.astype(np.uint8)).save(path, compress_level=1)


def line(folder: Path, below: Path) -> list[str]:
    """The command, with ledgers and embeddings below `below`."""
    return command("run", f"{folder / 'killed.py'}:killed", Places(folder / "data", below / "runs", below / "store"))


def finished(below: Path) -> dict[Path, Fact]:
    """Shards, and rounds whose record is there: the record, its proxy and which rows that has right."""
    records = list(below.glob(RECORDS))
    beside = [record.with_suffix(suffix) for record in records for suffix in (".safetensors", ".hits")]
    paths = [*below.glob(SHARDS), *records, *beside]
    return {path: (path.stat().st_mtime_ns, _hash(path)) for path in paths}


def results(below: Path) -> Any:
    """All that must not depend on kills: what the shards hold, and every round but what it cost."""
    shards = {path.name: _hash(path) for path in below.glob(SHARDS)}
    rounds = {
        history.header.fingerprint: [record.model_dump(exclude=COSTS) for record in history.records]
        for history in histories(below / "runs" / "killed.killed")
    }
    return shards, rounds


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
