"""A campaign on 1,000,000 rows: proposing 1,000 by margin after a fit, and 10,000 answers that come back in a file.

.venv/bin/python benchmarks/annotate.py [--rows 1000000] [--dimensions 128] [--first-batch random] [--tiny]

The pool is a file of embeddings that were made elsewhere, float16, in a temporary folder; rows of 10 classes lie around
centers. The functions behind `labelbench annotate` run in this process, so its imports are in the first proposal alone.
begin: the first proposal of 1,000 rows, which makes the store. learn: their answers. propose: 1,000 more by margin,
after a fit on them. propose_many: 10,000 more. ingest: a CSV of their answers, `repeated`: the same file once more.
status: as `labelbench annotate status` states it. Wall seconds, and CPU seconds of this process and its children.
"""

import csv
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from machine import parser, show

from labelbench_ray.campaign.begin import begun
from labelbench_ray.campaign.ingest import Accepted, ingest_files
from labelbench_ray.campaign.places import find_pool
from labelbench_ray.campaign.propose import Proposal, Request, propose
from labelbench_ray.campaign.status import campaign_status
from labelbench_ray.config import Part
from labelbench_ray.costs import cpu_seconds
from labelbench_ray.datasets.recognition import Stated
from labelbench_ray.environment import Environment
from labelbench_ray.oracles._answer_files import BATCH
from labelbench_ray.trial.local import LocalExecutor

TARGETS = {"propose_wall_seconds": 60.0, "ingest_wall_seconds": 5.0}
"""On two idle cores, at most."""
CLASSES = tuple(f"class {number}" for number in range(10))
WRITTEN_ROWS = 65_536
TINY = {"rows": 5_000, "dimensions": 16, "batch": 40, "answers": 120}


@dataclass(frozen=True)
class Home:
    """A folder with a pool and its campaign."""

    folder: Path
    first_batch: str

    @property
    def campaign(self) -> Path:
        """The campaign's folder."""
        return self.folder / "runs" / "pool.campaign"

    @property
    def store(self) -> Path:
        """Where embeddings lie."""
        return self.folder / "store"

    def propose(self, out: str, budget: int) -> Proposal:
        """A batch by margin; by the first strategy while there are no labels."""
        found = find_pool(str(self.folder / "pool"), self.folder, Stated(classes=CLASSES))
        campaign = begun(found, first_batch=Part(name=self.first_batch))
        request = Request(campaign, frozenset(), budget, Part(name="margin"), self.folder / out)
        runs = self.folder / "runs"
        executor = LocalExecutor(Environment(runs, self.store, self.folder, tracking_uri="", executor="local"))
        with executor.started():
            return propose(self.campaign, request, executor.environment, executor.embedder, lambda done, total: None)

    def answer(self, out: str) -> Path:
        """A file of a batch that a person filled in, before the clock runs."""
        path = self.folder / out / BATCH
        with path.open(newline="") as file:
            listed = list(csv.DictReader(file))
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["row_id", "label"])
            writer.writerows([row["row_id"], CLASSES[int(row["row_id"]) % len(CLASSES)]] for row in listed)
        return path

    def ingest(self, path: Path) -> Accepted:
        """Read a file of answers."""
        return ingest_files(self.campaign, [path], annotator="ann")


def main(words: Sequence[str] | None = None) -> None:
    """Make the pool, go through the campaign, and show."""
    options = parser(__doc__)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--dimensions", type=int, default=128)
    options.add_argument("--batch", type=int, default=1_000)
    options.add_argument("--answers", type=int, default=10_000)
    options.add_argument("--first-batch", default="random", help="what chooses while there are no labels")
    options.add_argument("--tiny", action="store_true", help="few rows, to see that it works")
    given = options.parse_args(words)
    sizes: dict[str, int] = TINY if given.tiny else {name: getattr(given, name) for name in TINY}
    with tempfile.TemporaryDirectory(prefix="labelbench-") as folder:
        write_pool(Path(folder) / "pool", sizes["rows"], sizes["dimensions"])
        measured = campaign(Home(Path(folder), given.first_batch), sizes["batch"], sizes["answers"])
    met = all(measured[name.removesuffix("_wall_seconds")]["wall_seconds"] <= most for name, most in TARGETS.items())
    show("annotate", {**sizes, "first_batch": given.first_batch, **measured}, TARGETS, met=met)


def campaign(home: Home, batch: int, answers: int) -> dict[str, dict[str, float]]:
    """What each step of a campaign takes."""
    begin, _ = timed(lambda: home.propose("first", batch))
    filled = home.answer("first")
    learn, _ = timed(lambda: home.ingest(filled))
    second, proposal = timed(lambda: home.propose("second", batch))
    assert proposal.batch.model, "a model is to choose"
    assert proposal.batch.labels > 0
    many, _ = timed(lambda: home.propose("many", answers))
    filled = home.answer("many")
    first, accepted = timed(lambda: home.ingest(filled))
    again, repeated = timed(lambda: home.ingest(filled))
    assert (accepted.ingested.new, accepted.ingested.rejected, repeated.ingested.repeated) == (answers, (), answers)
    status, _ = timed(lambda: campaign_status(home.campaign, home.store))
    return {
        "begin": begin,
        "learn": learn,
        "propose": second,
        "propose_many": many,
        "ingest": first,
        "repeated": again,
        "status": status,
    }


def write_pool(folder: Path, rows: int, dimensions: int) -> None:
    """Embeddings of rows whose class is their number modulo 10, and no labels."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    centers_KD = rng.standard_normal((len(CLASSES), dimensions), np.float32)
    with (folder / "embeddings.npy").open("wb") as file:
        header = {"descr": "<f2", "fortran_order": False, "shape": (rows, dimensions)}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, rows, WRITTEN_ROWS):
            numbers_B = np.arange(start, min(start + WRITTEN_ROWS, rows))
            noise_BD = rng.standard_normal((len(numbers_B), dimensions), np.float32)
            file.write((centers_KD[numbers_B % len(CLASSES)] + 2 * noise_BD).astype(np.float16).data)
    np.save(folder / "labels.npy", np.full(rows, -1))


def timed(work: Callable[[], Any]) -> tuple[dict[str, float], Any]:
    """Wall and CPU seconds, and the result."""
    wall, cpu = time.perf_counter(), cpu_seconds()
    result = work()
    return {"wall_seconds": time.perf_counter() - wall, "cpu_seconds": cpu_seconds() - cpu}, result


if __name__ == "__main__":
    sys.exit(main())
