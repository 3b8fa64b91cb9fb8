"""MLflow's server is down at the start, in the middle and at the end of a sweep; then `labelbench sync`.

.venv/bin/python -m tests.faults.mlflow_down [--cases start,middle,end] [--database sqlite] [--kills 2]

Measured, for each case, with `labelbench run` and a real `mlflow server` over HTTP: whether the sweep finished with
all its rounds, what MLflow held when the command ended, and what after `labelbench sync` and after a second one.

start: nothing listens when the sweep begins; the server is started once the first trials are done.
middle: kill -9 of the server at random moments of the sweep, each time started again seconds later.
end: kill -9 of the server before the last trials are done, started again only after the command has ended.

Holds when after `sync` every metric of every round is on the server exactly once, each trial has one run, the second
sync writes nothing, and the command said that something is missing if and only if that is so. In the case `middle`
nothing is: the outages are waited out. In the case `start` that depends on whether the sweep or the server is faster.
"""

import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from mlflow.tracking import MlflowClient

from benchmarks.command import Places, histories
from benchmarks.machine import parser, show
from benchmarks.processes import end_members, start
from labelbench_ray.tracking.mlflow_sqlite import prepare_sqlite
from labelbench_ray.tracking.runs import tracked_name
from tests.servers.mlflow_server import MlflowServer, postgres, postgres_programs

EXPERIMENT = """from labelbench_ray.config import Part, Trial, grid


def down() -> list[Trial]:
    base = Trial(
        dataset=Part.of("digits", max_rows=300), encoder=Part(name="pixels"), strategy="random",
        trainer=Part.of("supervised", epochs=60, patience=60), seed=0, rounds=3, budget=20,
    )
    return grid(base, strategy=["random", "margin"], seed=range({seeds}))
"""
NAME = "outage.down"
COMMAND = """import sys
from labelbench_ray.api import run_plan
from labelbench_ray.commands.cli import main
run_plan.MIRROR_SECONDS = float(sys.argv.pop(1))
main()
"""
"""`labelbench`, with another limit to how long MLflow is waited for at the end."""
CASES = ("start", "middle", "end")
WAIT_SECONDS = {"start": 90, "middle": 90, "end": 8}
LIMIT_SECONDS = 400.0
DOWN_SECONDS = (0.0, 3.0)


@dataclass(frozen=True)
class Held:
    """What an MLflow server says, against the ledger."""

    trials: int
    missing: int
    """Metrics of rounds."""
    wrong: int
    """Metrics that the ledger does not have, or more than once."""
    runs_too_many: int
    unfinished: int

    @property
    def equal(self) -> bool:
        """To the ledger."""
        return not (self.missing or self.wrong or self.runs_too_many or self.unfinished)


@dataclass(frozen=True)
class Outcome:
    """How one case ended."""

    case: str
    status: int
    rounds: int
    kills: int
    run_seconds: float
    sync_suggested: bool
    """The command reported that MLflow lacks something, and named `labelbench sync`."""
    after_run: Held
    after_sync: Held
    sync_status: int
    sync_seconds: float
    sync_said: str
    second_sync_said: str

    def met(self, rounds: int) -> bool:
        """All that is asked for."""
        quiet = "0 created, 0 completed, 0 replaced; 0 metrics" in self.second_sync_said
        finished = self.status == 0 and self.rounds == rounds and self.sync_status == 0
        honest = self.sync_suggested != self.after_run.equal
        waited_out = self.after_run.equal if self.case == "middle" else True
        return finished and quiet and honest and waited_out and self.after_sync.equal


def main() -> None:
    """Run the cases and show."""
    options = parser(__doc__)
    options.add_argument("--cases", default=",".join(CASES))
    options.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    options.add_argument("--kills", type=int, default=2, help="in the middle")
    options.add_argument("--seeds", type=int, default=8, help="of two strategies")
    options.add_argument("--seed", type=int, default=0, help="of the moments")
    arguments = options.parse_args()
    moments = random.Random(arguments.seed)
    outcomes = []
    for case in arguments.cases.split(","):
        with tempfile.TemporaryDirectory(prefix="labelbench-") as name:
            folder = Path(name)
            (folder / "outage.py").write_text(EXPERIMENT.format(seeds=arguments.seeds))
            outcomes.append(with_database(folder, case, arguments, moments))
    rounds = 2 * arguments.seeds * 3
    met = all(outcome.met(rounds) for outcome in outcomes)
    target = {"after_sync": {"missing": 0, "wrong": 0, "runs_too_many": 0, "unfinished": 0}, "rounds": rounds}
    show("mlflow_down", {"cases": [asdict(outcome) for outcome in outcomes]}, target, met=met)
    sys.exit(0 if met else 1)


def with_database(folder: Path, case: str, arguments: object, moments: random.Random) -> Outcome:
    """Run a case on the database asked for."""
    kills, seeds = arguments.kills, arguments.seeds
    if arguments.database == "postgresql":
        with postgres(postgres_programs()) as address:
            return run_case(folder, case, address, 2 * seeds, kills, moments)
    prepare_sqlite(folder / "server.db")
    return run_case(folder, case, f"sqlite:///{folder / 'server.db'}", 2 * seeds, kills, moments)


def run_case(folder: Path, case: str, database: str, trials: int, kills: int, moments: random.Random) -> Outcome:
    """Sweep with an outage, then sync twice."""
    server = MlflowServer(database, str(folder / "artifacts"), folder / "server.log")
    begun = time.monotonic()
    if case != "start":
        server.launch()
        server.wait()
        begun = time.monotonic()
    process = start(line(folder, WAIT_SECONDS[case], "run", server.uri), folder / "log")
    killed = 0
    try:
        if case == "start":
            wait_for(process, folder, 2)
            server.launch()
        for number in sorted(moments.sample(range(2, trials - 2), kills)) if case == "middle" else ():
            wait_for(process, folder, number)
            time.sleep(moments.uniform(0, 1))
            server.kill()
            killed += 1
            time.sleep(moments.uniform(*DOWN_SECONDS))
            server.launch()
            server.wait()
        if case == "end":
            wait_for(process, folder, trials * 3 // 4)
            server.kill()
            killed += 1
        status = process.wait(LIMIT_SECONDS)
        seconds = time.monotonic() - begun
        if server.process is None:
            server.launch()
        server.wait()
        said = (folder / "log").read_text()
        after_run = held(folder, server.uri)
        before = time.monotonic()
        first = sync(folder, server.uri)
        sync_seconds = time.monotonic() - before
        return Outcome(
            case=case,
            status=status,
            rounds=sum(len(history.records) for history in histories(folder / "runs" / NAME)),
            kills=killed,
            run_seconds=seconds,
            sync_suggested="labelbench sync" in said,
            after_run=after_run,
            sync_status=first.returncode,
            sync_seconds=sync_seconds,
            sync_said=first.stdout.strip(),
            second_sync_said=sync(folder, server.uri).stdout.strip(),
            after_sync=held(folder, server.uri),
        )
    finally:
        end_members(process.pid)
        process.wait()
        server.kill()
        print((folder / "log").read_text(), file=sys.stderr)


def line(folder: Path, seconds: float, verb: str, uri: str) -> list[str]:
    """The command."""
    where = Places(folder / "data", folder / "runs", folder / "store")
    words = [f"--runs={where.runs}", f"--store={where.store}", f"--data-root={where.data_root}"]
    subject = [f"{folder / 'outage.py'}:down", *words] if verb == "run" else [str(folder / "runs")]
    return [sys.executable, "-c", COMMAND, str(seconds), verb, *subject, f"--tracking-uri={uri}"]


def sync(folder: Path, uri: str) -> "subprocess.CompletedProcess[str]":
    """`labelbench sync`."""
    return subprocess.run(line(folder, 0, "sync", uri), stdout=subprocess.PIPE, text=True, check=False)


def wait_for(process: "subprocess.Popen[bytes]", folder: Path, trials: int) -> None:
    """Until so many trials are done, or all."""
    limit = time.monotonic() + LIMIT_SECONDS
    while process.poll() is None and len(list((folder / "runs" / NAME).glob("*/rounds/002.json"))) < trials:
        assert time.monotonic() < limit, (folder / "log").read_text()
        time.sleep(0.05)


def held(folder: Path, uri: str) -> Held:
    """Compare the server with the ledger, by MLflow's own client."""
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(NAME)
    found = client.search_runs([experiment.experiment_id], max_results=5000) if experiment else []
    runs: dict[str, list] = {}
    for run in found:
        if "mlflow.parentRunId" in run.data.tags:
            runs.setdefault(run.data.tags["labelbench.fingerprint"], []).append(run)
    missing = wrong = 0
    ledgers = {history.header.fingerprint: history for history in histories(folder / "runs" / NAME)}
    for fingerprint, history in ledgers.items():
        there = Counter(
            (name, point.step, point.value)
            for run in runs.get(fingerprint, [])
            for name in run.data.metrics
            for point in client.get_metric_history(run.info.run_id, name)
        )
        wanted = Counter(
            (name, record.num_labeled, value)
            for record in history.records
            for name, value in [
                *((tracked_name(name), value) for name, value in record.metrics.items()),
                *((f"Seconds/{stage}", took) for stage, took in record.seconds.items()),
            ]
        )
        missing += (wanted - there).total()
        wrong += (there - wanted).total()
    unfinished = sum(run.info.status != "FINISHED" for each in runs.values() for run in each)
    return Held(
        trials=len(runs),
        missing=missing,
        wrong=wrong,
        runs_too_many=sum(map(len, runs.values())) - len(runs),
        unfinished=unfinished,
    )


if __name__ == "__main__":
    main()
