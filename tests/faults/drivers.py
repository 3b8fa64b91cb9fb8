"""Two, then three drivers on the same runs directory at once: on a disk, and in an object store.

.venv/bin/python -m tests.faults.drivers [--places disk store]

Measured: the same `labelbench run` is started several times at the same moment on empty folders, embedding included;
its trainer is a user's own plug-in, which notes each fit in a file. What must hold: every command ends with status 0,
each round of each trial was fitted once, and the ledger is what one driver alone writes. Exit status 1 if something
does not hold.
"""

import os
import sys
import tempfile
import time
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

from benchmarks.command import Places, command
from benchmarks.machine import parser, show
from benchmarks.processes import end_members, start
from labelbench_ray.ledger.experiments import read_grid
from labelbench_ray.ledger.records import COSTS
from labelbench_ray.ledger.trials import read_history
from labelbench_ray.storage.remote import place
from tests.s3 import serving

TRAINER = '''"""The logistic trainer, which notes each of its fits."""

import os

from labelbench_ray.trainers.logistic import Logistic


class Noted(Logistic):
    file: str

    def fit(self, proxy, data, seed):
        note = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(note, b"fit\\n")
        os.close(note)
        return super().fit(proxy, data, seed)
'''
EXPERIMENT = """from labelbench_ray.config import Part, Trial, grid


def together() -> list[Trial]:
    base = Trial(
        dataset=Part.of("digits", max_rows=800), encoder=Part(name="pixels"), strategy="random",
        trainer=Part.of("noting.noted", file={file!r}), seed=0, rounds=5, budget=20,
    )
    return grid(base, strategy=["random", "margin"], seed=range(4))
"""
TRIALS, ROUNDS = 8, 5
LIMIT_SECONDS = 400.0


def main() -> int:
    """Run them and show."""
    options = parser(__doc__)
    options.add_argument("--places", nargs="+", choices=["disk", "store"], default=["disk", "store"])
    arguments = options.parse_args()
    measured: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="labelbench-") as name:
        folder = Path(name)
        alone = at_once(folder / "alone", 1, remote=False)
        for where in arguments.places:
            for drivers in (2, 3):
                together = at_once(folder / f"{where}-{drivers}", drivers, remote=where == "store")
                together["same_as_one_driver"] = together.pop("rounds") == alone["rounds"]
                measured[f"{drivers} drivers, {where}"] = together
    held = all(
        not any(each["status"]) and each["fits"] == TRIALS * ROUNDS and each["same_as_one_driver"]
        for each in measured.values()
    )
    target = {"fits": TRIALS * ROUNDS, "same_as_one_driver": True}
    show("faults/drivers", measured, target, met=held)
    return 0 if held else 1


def at_once(folder: Path, drivers: int, *, remote: bool) -> dict[str, Any]:
    """Start so many drivers at once; what they did between them."""
    notes = folder / "notes"
    (folder / "noting").mkdir(parents=True)
    (folder / "noting/__init__.py").touch()
    (folder / "noting/noted.py").write_text(TRAINER)
    (folder / "experiment.py").write_text(EXPERIMENT.format(file="notes"))
    with serving() if remote else nullcontext() as server, ExitStack() as ends:
        below = server.uri(folder.name) if server else str(folder)
        line = command("run", f"{folder / 'experiment.py'}:together", Places(folder, Path("runs"), Path("store")))
        line = [*line[:3], f"--runs={below}/runs", f"--store={below}/store", f"--data-root={folder}"]
        os.environ.update(server.environment if server else {}, LABELBENCH_CACHE=str(folder / "cache"))
        os.chdir(folder)
        processes = []
        for number in range(drivers):
            mirror = f"--tracking-uri=sqlite:///{folder}/mlflow-{number}.db"
            processes.append(start([*line, mirror], folder / f"log-{number}"))
            ends.callback(end_members, processes[-1].pid)
        limit = time.monotonic() + LIMIT_SECONDS
        status = [process.wait(max(1.0, limit - time.monotonic())) for process in processes]
        fits = notes.read_text().split("\n")[:-1]
        experiment = place(f"{below}/runs") / "experiment.together"
        rounds = {
            entry.fingerprint: [record.model_dump(exclude=COSTS) for record in records]
            for entry in read_grid(experiment).entries
            for records in [read_history(experiment / entry.fingerprint).records]
        }
    return {"status": status, "fits": len(fits), "rounds": rounds}


if __name__ == "__main__":
    sys.exit(main())
