"""A network that ends its actor, for one image or while it is loaded, embedded with the real command.

.venv/bin/python -m tests.faults.deadly_network

What must hold: the command ends with status 2 and one line, no traceback, which names the shard that ended three actors
one after the other, or states that loading the network did. Exit status 1 if something does not hold.
"""

import sys
import tempfile
from pathlib import Path

from PIL import Image

from benchmarks.command import ROOT
from benchmarks.machine import parser, show
from tests.faults.sweeps import Sweep
from tests.samples import write_images

TRAINING_ROWS, LAST = 1100, "images/train/light/999.png"
"""The pool has two shards, and this image of it comes last."""
LINES = {True: "shard shards/pool-00001.parquet (from row 1024 ", False: "loading "}
"""How the line begins, by whether the network can be loaded."""


def main() -> int:
    """Embed with both, and show."""
    parser(__doc__).parse_args()
    wrong, seconds = [], {}
    with tempfile.TemporaryDirectory(prefix="labelbench-") as name:
        folder = Path(name)
        write_images(folder / "images", {"train": TRAINING_ROWS, "test": 40})
        Image.new("L", (8, 8)).save(folder / LAST)
        for loads, begins in LINES.items():
            sweep = Sweep(
                folder,
                dataset='Part.of("image_folder", path="images")',
                encoder=f'Part.of("tests.ray.deadly_network", loads={loads})',
                environment={"PYTHONPATH": str(ROOT)},
            )
            ran = sweep.begin(f"{folder}/{loads}", "embed").end()
            last = ran.printed.strip().rpartition("\n")[2]
            right = ran.status == 2 and begins in last and "ended the worker 3 times" in last
            if not right or "Traceback" in ran.printed:
                wrong.append({"loads": loads, "status": ran.status, "printed": ran.printed[-400:]})
            seconds["a shard" if loads else "loading"] = ran.seconds
    show("faults/deadly_network", {"seconds": seconds, "wrong": wrong}, {"wrong": []}, met=not wrong)
    return 0 if not wrong else 1


if __name__ == "__main__":
    sys.exit(main())
