"""kill -9 of a node in the very moment in which a scorer on it scores.

.venv/bin/python -m tests.faults.scorer_nodes [--kills 3] [--rounds 4]

The cluster is `ray.cluster_utils.Cluster`: a head without CPUs, and two nodes with one each, of which one holds the
trial's worker and the other its scorer. The strategy is a user's own: margin, which notes the node that it scores on
and takes three seconds. That node is killed while it does, and another one joins; in the last rounds nothing is killed.
What must hold: the same command ends with status 0, with the ids, metrics and proxies of a run without kills.
Exit status 1 if something does not hold.
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.machine import parser, show
from labelbench_ray.environment import ONE_THREAD
from tests.faults.kill import nodes
from tests.faults.sweeps import LIMIT_SECONDS, Running, Sweep, error_of, rounds

SLOW = '''"""Margin that takes its time, and notes where it does."""

import secrets, time
from pathlib import Path

import ray

from labelbench_ray.strategies.margin import Margin as Base


class Slow(Base):
    folder: str

    def score(self, block):
        if not ray.is_initialized():  # a plan tries it, in the driver
            return super().score(block)
        note = Path(self.folder) / f"{ray.get_runtime_context().get_node_id()}.{secrets.token_hex(4)}"
        note.touch()
        time.sleep(3)
        note.unlink()
        return super().score(block)
'''


def main() -> int:
    """Run with and without kills, and show."""
    options = parser(__doc__)
    options.add_argument("--kills", type=int, default=3)
    options.add_argument("--rounds", type=int, default=4)
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="labelbench-") as name, nodes() as (cluster, workers):
        folder = Path(name)
        (folder / "bad").mkdir()
        (folder / "bad/__init__.py").touch()
        (folder / "bad/slow.py").write_text(SLOW)
        (folder / "scoring").mkdir()
        sweep = Sweep(
            folder,
            rounds=arguments.rounds,
            seeds=1,
            strategies=f"""[Part.of("bad.slow", folder="{folder / "scoring"}")]""",
            options=("--scorers=1", "--scorer-rows=1", f"--address={cluster.address}"),
        )
        alone = sweep.run(f"{folder}/alone")
        assert alone.status == 0, alone.printed
        running = sweep.begin(f"{folder}/killed")
        killed = kill(running, folder / "scoring", cluster, workers, arguments.kills)
        ran = running.end()
        wanted, found = rounds(f"{folder}/alone"), rounds(f"{folder}/killed")
        errors = [error for trial in wanted if (error := error_of(f"{folder}/killed", trial))]
    measured = {
        "kills": killed,
        "status": ran.status,
        "errors": errors,
        "rounds": sum(map(len, found.values())),
        "as_without_kills": found == wanted,
        "seconds": ran.seconds,
        "seconds_without_kills": alone.seconds,
    }
    held = ran.status == 0 and found == wanted and killed == arguments.kills
    show("faults/scorer_nodes", measured, {"status": 0, "as_without_kills": True}, met=held)
    return 0 if held else 1


def kill(running: Running, scoring: Path, cluster: Any, workers: list[Any], kills: int) -> int:
    """Kill nodes on which a scorer scores, each replaced; returns how many."""
    killed, limit = 0, time.monotonic() + LIMIT_SECONDS
    while killed < kills and running.process.poll() is None and time.monotonic() < limit:
        where = {note.name.partition(".")[0]: note for note in scoring.iterdir()}
        for worker in [each for each in workers if each.node_id in where]:
            cluster.remove_node(worker, allow_graceful=False)
            workers.remove(worker)
            workers.append(cluster.add_node(num_cpus=1, env_vars=ONE_THREAD))
            where[worker.node_id].unlink(missing_ok=True)
            killed += 1
        time.sleep(0.1)
    return killed


if __name__ == "__main__":
    sys.exit(main())
