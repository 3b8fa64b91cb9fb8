"""The first minute: `labelbench run experiments/quickstart.py`, nothing embedded, Ray not started.

.venv/bin/python benchmarks/quickstart.py [--tiny]

Measured: the whole command, from the start of the process to its end, in fresh folders: it embeds 1,797 digits, runs
40 trials, writes MLflow's store and the report. `make quickstart` is this command once `.venv` is there. CPU seconds
are those of all processes of its session, read ten times a second: the driver, the workers (all that Ray starts for
our code, and the child that embeds), Ray's own servers. The limit is the trials' own CPU seconds spread over the cores:
what a run without any start-up or bookkeeping would take. The timeline states when the command's events came and how
many CPU seconds all processes had taken by then; Ray is up when embedding starts, as far as the command waits for it.
`--tiny` runs two short rounds without Ray, to see that it works.
"""

import json
import sys
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from command import ROOT, command, cpu_seconds, histories, places
from machine import CORES, parser, show
from sampling import Sampled, sample

TARGETS = {"wall_seconds": 20.0, "cpu_seconds": 45.0}
"""At most."""
SECONDS_BETWEEN = 0.1


def main(words: Sequence[str] | None = None) -> None:
    """Run once and show."""
    options = parser(__doc__)
    options.add_argument("--tiny", action="store_true", help="two short rounds without Ray")
    arguments = options.parse_args(words)
    added = ["--tiny", "--executor=local"] if arguments.tiny else []
    with tempfile.TemporaryDirectory(prefix="labelbench-") as folder, places(arguments.data_root) as where:
        log = Path(folder) / "log"
        line = command("run", str(ROOT / "experiments" / "quickstart.py"), where, *added)
        sampled = sample(line, log, SECONDS_BETWEEN)
        print(log.read_text(), file=sys.stderr)
        folder_of_runs = where.runs / f"quickstart.quickstart{'.tiny' if arguments.tiny else ''}"
        found, seen = histories(folder_of_runs), timeline(folder_of_runs / "events.jsonl", sampled)
    trials, spent = cpu_seconds(found), sampled.by_role()
    measured = {
        "wall_seconds": sampled.wall,
        "cpu_seconds": sum(spent.values()),
        "cpu_seconds_by_role": spent,
        "trials": len(found),
        "trials_cpu_seconds": trials,
        "fraction_of_limit": trials / CORES / sampled.wall,
        "timeline": seen,
    }
    targets = {} if arguments.tiny else TARGETS
    met = all(measured[name] <= limit for name, limit in targets.items())
    show("quickstart", measured, {f"{name}_at_most": limit for name, limit in targets.items()}, met=met)


def timeline(events: Path, sampled: Sampled) -> dict[str, dict[str, float]]:
    """Wall and CPU seconds from the start of the command to the first event of each kind, and to the last one."""
    lines = [json.loads(line) for line in events.read_text().splitlines()]
    first = {line["event"]: line["time"] for line in reversed(lines)} | {"last_event": lines[-1]["time"]}
    moments = {name: datetime.fromisoformat(moment).timestamp() for name, moment in first.items()}
    return {
        name: {"wall": moment - sampled.began, "cpu": sampled.between(sampled.began, moment)}
        for name, moment in sorted(moments.items(), key=lambda each: each[1])
    }


if __name__ == "__main__":
    main()
