"""Rows whose decoding ends the process or never ends, embedded with the real command; and its driver killed meanwhile.

.venv/bin/python -m tests.faults.deadly [--rows 780] [--kills 1] [--limit-seconds 90] [--seed 0]

Seven of the images end the process that decodes them (twice a segmentation fault, `os._exit`, `sys.exit`), ask for a
terabyte, or never end (a sleep, and C code that holds Python's lock); the decoder is a user's own plug-in. What must
hold: `labelbench embed` ends with status 0 within the limit, these seven are in rejects.parquet with their reasons, and
every other row has the bits that it has without them. Then the same command is killed (kill -9 of the driver) after
its first shard, several times in fresh folders, and started again: no finished shard is written again, and the store is
the same. Exit status 1 if something does not hold.
"""

import io
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from benchmarks.machine import parser, show
from benchmarks.processes import kill_group, wait_for_members
from labelbench_ray.datasets import SPLITS
from labelbench_ray.embeddings.store import EmbeddingStore
from tests.faults.sweeps import LIMIT_SECONDS, Ran, Sweep

DEADLY = '''"""Pixels whose decoder is deadly for some images."""

import ctypes, os, sys, time

from labelbench_ray.encoders.pixels import Pixels

ENDS = {
    b"crash": lambda: ctypes.string_at(0),
    b"exit": lambda: os._exit(3),
    b"leave": lambda: sys.exit(1),
    b"greed": lambda: bytearray(2**40),
    b"sleep": lambda: time.sleep(10_000),
    b"stuck": lambda: ctypes.PyDLL(None).sleep(10_000),
}


class Deadly(Pixels):
    def decode(self, payload):
        for word, end in ENDS.items():
            if payload.endswith(word):
                end()
        return super().decode(payload)
'''
REASONS = {
    b"crash": "ended the process with SIGSEGV",
    b"exit": "ended the process with exit status 3",
    b"leave": "ended the process with exit status 1",
    b"greed": "more memory than there is",
    b"sleep": "took longer than 20 s",
    b"stuck": "took longer than 20 s",
}
FATAL = [b"crash", b"exit", b"sleep", b"crash", b"leave", b"greed", b"stuck"]
SHARDS = "store/*/shards/*.parquet"


def main() -> int:
    """Embed with and without them, kill the driver, and show."""
    options = parser(__doc__)
    options.add_argument("--rows", type=int, default=780)
    options.add_argument("--kills", type=int, default=1)
    options.add_argument("--limit-seconds", type=float, default=90)
    options.add_argument("--seed", type=int, default=0)
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="labelbench-") as name:
        folder = Path(name)
        (folder / "bad").mkdir()
        (folder / "bad/__init__.py").touch()
        (folder / "bad/deadly.py").write_text(DEADLY)
        fatal = make(folder / "images", arguments.rows, arguments.seed)
        deadly, plain = (Sweep(folder, dataset=DATASET, encoder=f'Part(name="{name}")') for name in ENCODERS)
        ran = deadly.begin(f"{folder}/below", "embed").end()
        assert plain.begin(f"{folder}/plain", "embed").end().status == 0
        wrong = compare(folder / "below", folder / "plain", fatal) if ran.status == 0 else [ran.printed[-400:]]
        kept = [killed(deadly, folder, number) for number in range(arguments.kills)]
    wrong += [each for outcome in kept for each in outcome["wrong"]]
    measured: dict[str, Any] = {
        "rows": arguments.rows,
        "deadly_rows": len(fatal),
        "status": ran.status,
        "seconds": ran.seconds,
        "kills_of_the_driver": len(kept),
        "shards_finished_at_kills": sum(outcome["finished"] for outcome in kept),
        "wrong": wrong,
    }
    held = ran.status == 0 and ran.seconds <= arguments.limit_seconds and not wrong
    show("faults/deadly", measured, {"seconds": arguments.limit_seconds, "wrong": []}, met=held)
    return 0 if held else 1


DATASET, ENCODERS = 'Part.of("image_folder", path="images")', ("bad.deadly", "pixels")


def make(folder: Path, rows: int, seed: int) -> dict[str, bytes]:
    """Write the images of two classes; returns what ends the process, by row_id. `pixels` does not see it."""
    rng = np.random.default_rng(seed)
    places = dict(zip(rng.choice(rows, len(FATAL), replace=False).tolist(), FATAL, strict=True))
    fatal = {}
    for number in range(rows):
        split = "train" if number < rows * 0.7 else "validation" if number < rows * 0.85 else "test"
        row_id = f"{split}/{('dark', 'light')[number % 2]}/{number:04d}.png"
        buffer = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (16, 16), dtype=np.uint8)).save(buffer, "PNG")
        (folder / row_id).parent.mkdir(parents=True, exist_ok=True)
        (folder / row_id).write_bytes(buffer.getvalue() + places.get(number, b""))
        if number in places:
            fatal[row_id] = places[number]
    return fatal


def compare(below: Path, plain: Path, fatal: dict[str, bytes]) -> list[str]:
    """What is not as it must be."""
    store, wanted = opened(below), rows(opened(plain))
    rejects = {row["row_id"]: row["reason"] for row in pq.read_table(store.directory / "rejects.parquet").to_pylist()}
    wrong = [f"{row_id}: rejected or not" for row_id in rejects.keys() ^ fatal.keys()]
    wrong += [f"{row}: {why}" for row, why in rejects.items() if row in fatal and REASONS[fatal[row]] not in why]
    found = rows(store)
    others = wanted.keys() - fatal.keys()
    return wrong + [f"{row}: other bits" for row in others | found.keys() if found.get(row) != wanted.get(row)]


def rows(store: EmbeddingStore) -> dict[str, bytes]:
    """Every row's embedding."""
    return {
        row_id: row_D.tobytes()
        for split in SPLITS
        for row_id, row_D in zip(store.row_ids(split), getattr(store.arrays(), split).embeddings_ND, strict=True)
    }


def opened(below: Path) -> EmbeddingStore:
    """The one store there."""
    return EmbeddingStore.open(next((below / "store").glob("*/manifest.json")).parent)


def killed(sweep: Sweep, folder: Path, number: int) -> dict[str, Any]:
    """Kill the driver after its first shard, and start the command again."""
    below = folder / f"killed-{number}"
    running = sweep.begin(str(below), "embed")
    limit = time.monotonic() + LIMIT_SECONDS
    while running.process.poll() is None and not list(below.glob(SHARDS)) and time.monotonic() < limit:
        time.sleep(0.05)
    finished = {path: path.stat().st_mtime_ns for path in below.glob(SHARDS)}
    kill_group(running.process)
    wait_for_members(running.process.pid, 20)
    again: Ran = sweep.begin(str(below), "embed").end()
    wrong = [again.printed[-400:]] if again.status else []
    wrong += [f"{path.name}: written again" for path, time_ns in finished.items() if path.stat().st_mtime_ns != time_ns]
    if not wrong and opened(below).manifest.content != opened(folder / "below").manifest.content:
        wrong.append("another store after a kill of the driver")
    return {"finished": len(finished), "wrong": wrong}


if __name__ == "__main__":
    sys.exit(main())
