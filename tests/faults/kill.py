"""kill -9 of the driver, a trial's actor, a scorer, an embedding actor or a whole node, at random moments.

.venv/bin/python -m tests.faults.kill [--what driver trial scorer embedding node scorer-node] [--kills 20]
    [--seed 0]

For each kind the victim (victim.py) runs once and is never killed. Then, in fresh folders, processes of that kind are
killed while the same command runs, each at a random moment after the one before; a command that ended is started again,
in fresh folders if it had finished everything. Nodes are those of `ray.cluster_utils.Cluster`: a head without CPUs, and
two with one each, of which one at a time is killed and replaced. With `scorer-node` each trial has a scorer, which
fills one node while the trial's worker fills the other: either of them is lost. Afterwards the command runs to its end.

What must hold: shards, chosen ids, labels, metrics and proxies as never killed, byte for byte; and every shard and
round that was on disk at a kill is the same file still, by its bytes and its time, so that nothing finished ran twice.
The seconds of a record are no result. Exit status 1 if something does not hold.
"""

import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from ray.cluster_utils import Cluster

from benchmarks.command import Places, command
from benchmarks.machine import parser, show
from benchmarks.processes import end_members, kill_group, start
from labelbench_ray.environment import ONE_THREAD
from tests.faults.victim import Fact, finished, make, results

POOL_ROWS = 40_000
LIMIT_SECONDS = 400.0
"""Of one command, kills included."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What is killed, and when."""

    title: str
    """How Ray calls its processes; "" for the driver and for nodes, which are known."""
    phase: str
    """Kills come while files that match this are being written."""
    seconds: float
    """At most so long after the kill before, or after the first such file."""
    options: tuple[str, ...] = ()
    fresh: bool = False
    """Embeddings are made anew each time."""
    nodes: bool = False
    """Nodes are killed, not processes."""


SHARDS, RECORDS = "store/*/shards/*.parquet", "runs/*/*/rounds/*.json"
KINDS = {
    "driver": Kind("", RECORDS, 3.0),
    "trial": Kind("ray::ImplicitFunc", RECORDS, 1.5),
    "scorer": Kind("ray::Scorer", RECORDS, 1.5, ("--scorers=1", "--scorer-rows=1")),
    "embedding": Kind("ray::MapWorker(Map(EmbedActor))", SHARDS, 1.0, fresh=True),
    "node": Kind("", RECORDS, 4.0, nodes=True),
    "scorer-node": Kind("", RECORDS, 4.0, ("--scorers=1", "--scorer-rows=1"), nodes=True),
}


@dataclass
class Outcome:
    """What the kills of a kind met and what came of them."""

    kills: int = 0
    runs: int = 0
    """Commands started."""
    met: dict[Path, Fact] = field(default_factory=dict)
    """Shards and rounds that were on disk at a kill, in the folders of now."""
    finished_at_kills: int = 0
    redone: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def held(self) -> bool:
        """All that the table asks for."""
        return not self.redone and not self.wrong


@dataclass
class Scene:
    """A victim and its folders."""

    folder: Path
    unharmed: Path
    harmed: Path
    kind: Kind
    moments: random.Random
    address: tuple[str, ...] = ()

    def line(self, below: Path) -> list[str]:
        """The command."""
        places = Places(self.folder / "data", below / "runs", below / "store")
        return [*command("run", f"{self.folder / 'killed.py'}:killed", places), *self.kind.options, *self.address]

    def written(self) -> int:
        """How many files of the phase there are."""
        return len(list(self.harmed.glob(self.kind.phase)))

    def clear(self) -> None:
        """Fresh folders; the embeddings stay where their making is not what is killed."""
        shutil.rmtree(self.harmed, ignore_errors=True)
        self.harmed.mkdir()
        if not self.kind.fresh:
            shutil.copytree(self.unharmed / "store", self.harmed / "store")


def main() -> int:
    """Kill and show."""
    options = parser(__doc__)
    options.add_argument("--what", nargs="+", choices=list(KINDS), default=list(KINDS))
    options.add_argument("--kills", type=int, default=20)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--pool-rows", type=int, default=POOL_ROWS)
    arguments = options.parse_args()
    outcomes: dict[str, Outcome] = {}
    with tempfile.TemporaryDirectory(prefix="labelbench-") as name:
        folder = Path(name)
        make(folder, arguments.pool_rows)
        unharmed = folder / "unharmed"
        for what in arguments.what:
            scene = Scene(folder, unharmed, folder / what, KINDS[what], random.Random(f"{arguments.seed} {what}"))
            if not unharmed.exists():
                run_to_end(scene, unharmed)
            killed = kill_nodes if KINDS[what].nodes else kill_processes
            outcomes[what] = killed(scene, arguments.kills)
            print(f"{what}: {outcomes[what].kills} kills, held: {outcomes[what].held}", file=sys.stderr)
    measured = {
        what: {
            "kills": outcome.kills,
            "commands": outcome.runs,
            "finished_files_at_kills": outcome.finished_at_kills,
            "finished_files_changed_later": outcome.redone,
            "not_as_never_killed": outcome.wrong,
        }
        for what, outcome in outcomes.items()
    }
    held = all(outcome.held and outcome.kills == arguments.kills for outcome in outcomes.values())
    show("faults/kill", measured, {"not_as_never_killed": [], "finished_files_changed_later": []}, met=held)
    return 0 if held else 1


def kill_processes(scene: Scene, kills: int) -> Outcome:
    """Kill the driver, or actors of its session."""
    outcome = Outcome()
    scene.clear()
    while outcome.kills < kills:
        process = begin(scene, outcome)
        try:
            while outcome.kills < kills and wait(scene, process):
                if scene.kind.title:
                    note(scene, outcome)
                    if kill_one(process.pid, scene.kind.title):
                        outcome.kills += 1
                else:
                    note(scene, outcome)
                    kill_group(process)
                    outcome.kills += 1
            end(scene, process, outcome)
        finally:
            end_members(process.pid)
    conclude(scene, outcome)
    return outcome


def kill_nodes(scene: Scene, kills: int) -> Outcome:
    """Kill one of two nodes, again and again; another one joins."""
    outcome = Outcome()
    scene.clear()
    with nodes() as (cluster, workers):
        scene.address = (f"--address={cluster.address}",)
        while outcome.kills < kills:
            process = begin(scene, outcome)
            try:
                while outcome.kills < kills and wait(scene, process):
                    note(scene, outcome)
                    cluster.remove_node(workers.pop(scene.moments.randrange(len(workers))), allow_graceful=False)
                    outcome.kills += 1
                    workers.append(cluster.add_node(num_cpus=1, env_vars=ONE_THREAD))
                end(scene, process, outcome)
            finally:
                end_members(process.pid)
        conclude(scene, outcome)
    return outcome


@contextmanager
def nodes() -> Iterator[tuple[Cluster, list[Any]]]:
    """A cluster and its nodes that have a CPU."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "env_vars": ONE_THREAD})
    try:
        workers = [cluster.add_node(num_cpus=1, env_vars=ONE_THREAD) for _ in range(2)]
        cluster.wait_for_nodes()
        yield cluster, workers
    finally:
        cluster.shutdown()


def begin(scene: Scene, outcome: Outcome) -> Any:
    """Start the command."""
    outcome.runs += 1
    return start(scene.line(scene.harmed), scene.folder / "log")


def wait(scene: Scene, process: Any) -> bool:
    """Wait for something new on disk, and a random moment more; whether the command runs still."""
    before, limit = scene.written(), time.monotonic() + LIMIT_SECONDS
    while process.poll() is None and scene.written() == before and time.monotonic() < limit:
        time.sleep(0.005)
    time.sleep(scene.moments.uniform(0, scene.kind.seconds))
    return process.poll() is None and time.monotonic() < limit


def note(scene: Scene, outcome: Outcome) -> None:
    """Remember what is finished, as it was at the first kill that met it."""
    outcome.met = finished(scene.harmed) | outcome.met


def kill_one(session: int, title: str) -> bool:
    """kill -9 of a process of the session whose title begins so; False where there is none."""
    for process in psutil.process_iter(["pid", "cmdline"]):
        words = process.info["cmdline"] or [""]
        if words[0].startswith(title) and psutil.pid_exists(process.info["pid"]) and session in ancestors(process):
            with suppress(psutil.NoSuchProcess):
                process.kill()
                return True
    return False


def ancestors(process: psutil.Process) -> list[int]:
    """The processes above one."""
    with suppress(psutil.NoSuchProcess):
        return [parent.pid for parent in process.parents()]
    return []


def end(scene: Scene, process: Any, outcome: Outcome) -> None:
    """Wait for a command's own end; what finished everything is compared, and the next one starts in fresh folders."""
    with suppress(Exception):
        process.wait(LIMIT_SECONDS)
    if process.returncode == 0:
        compare(scene, outcome)
        scene.clear()


def conclude(scene: Scene, outcome: Outcome) -> None:
    """Run to the end what is unfinished, and compare."""
    if scene.written():
        run_to_end(scene, scene.harmed)
        compare(scene, outcome)


def compare(scene: Scene, outcome: Outcome) -> None:
    """The folders of now against the unharmed ones, and against what was on disk at the kills."""
    now = finished(scene.harmed)
    outcome.finished_at_kills += len(outcome.met)
    outcome.redone += [path.name for path, fact in outcome.met.items() if now.get(path) != fact]
    if results(scene.harmed) != results(scene.unharmed):
        outcome.wrong.append(f"after kill {outcome.kills}")
    outcome.met = {}


def run_to_end(scene: Scene, below: Path) -> None:
    """Run the command unharmed."""
    process = start(scene.line(below), scene.folder / "log")
    try:
        status = process.wait(LIMIT_SECONDS)
    finally:
        end_members(process.pid)
    assert status == 0, (scene.folder / "log").read_text()


if __name__ == "__main__":
    sys.exit(main())
