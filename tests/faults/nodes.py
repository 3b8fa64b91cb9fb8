"""Three nodes that share no disk: data, embeddings and ledgers lie in an object store on loopback.

.venv/bin/python -m tests.faults.nodes

Ray's head has no CPUs, two more nodes have two each, and each has an object store and a cache of arrays of its own.
The S3 server is moto's, in this process. The real command runs four trials of three rounds on a local disk, and then on
that cluster, on an image folder of 280 files in the object store.
What must hold: exit status 0 and no failure; chosen ids, labels, metrics and proxies as on the disk; the report lies in
the object store and nothing of the experiment on this disk; a node has mapped arrays of its own. Exit status 1 if
something does not hold.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ray.cluster_utils import Cluster

from benchmarks.machine import parser, show
from labelbench_ray.environment import ONE_THREAD
from labelbench_ray.storage.atomic import publish
from labelbench_ray.storage.remote import place
from tests.faults.sweeps import NAME, Sweep, rounds
from tests.s3 import Server, serving
from tests.samples import write_images

IMAGES = {"train": 200, "validation": 40, "test": 40}
"""Rows a split."""


def main() -> int:
    """Run and show."""
    parser(__doc__).parse_args()
    with tempfile.TemporaryDirectory(prefix="labelbench-") as name, serving() as server:
        folder = Path(name)
        sweep = Sweep(
            folder, trainer='Part.of("supervised", epochs=20)', dataset='Part.of("image_folder", path="images")'
        )
        write_images(folder / "images", IMAGES)
        alone = sweep.run(f"{name}/alone")
        os.environ |= server.environment | {"LABELBENCH_CACHE": f"{name}/driver"}
        for path in (folder / "images").rglob("*.png"):
            publish(place(server.uri("data", str(path.relative_to(folder)))), path.read_bytes())
        with nodes(server, folder) as address:
            options = (f"--address={address}", f"--data-root={server.uri('data')}")  # the last one of an option counts
            ran = replace(sweep, options=options).run(server.uri("there"))
        wanted, found = rounds(f"{name}/alone"), rounds(server.uri("there"))
        measured = {
            "status": ran.status,
            "trials_done": f"{sweep.trials} trials done, 0 failed" in ran.printed,
            "same_as_on_a_disk": found == wanted and len(found) == sweep.trials,
            "report": place(server.uri("there", "runs", NAME, "report.html")).is_file(),
            "left_on_this_disk": [str(path) for path in folder.glob(f"**/{NAME}") if "alone" not in path.parts],
            "nodes_with_arrays": [each for each in ("first", "second") if (folder / each).is_dir()],
            "seconds": ran.seconds,
        }
    held = alone.status == ran.status == 0 and not measured["left_on_this_disk"]
    held &= all(measured[fact] for fact in ("trials_done", "same_as_on_a_disk", "report", "nodes_with_arrays"))
    show("faults/nodes", measured, {"same_as_on_a_disk": True, "left_on_this_disk": []}, met=held)
    return 0 if held else 1


@contextmanager
def nodes(server: Server, folder: Path) -> Iterator[str]:
    """A cluster's address: a head without CPUs and two workers, each with a cache of its own."""
    environment = server.environment | ONE_THREAD
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "env_vars": environment})
    try:
        for name in ("first", "second"):
            cluster.add_node(num_cpus=2, env_vars=environment | {"LABELBENCH_CACHE": str(folder / name)})
        cluster.wait_for_nodes()
        yield cluster.address
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    sys.exit(main())
