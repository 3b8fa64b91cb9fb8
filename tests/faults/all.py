"""The fault suite: `make test-faults` (a sample, meant for ten minutes), `make test-faults-full` (all of it, in parts).

.venv/bin/python -m tests.faults.all [--full] [--only PART ...] [--state .faults] [--again]

Each part is a module of this folder, run as a process of its own. Its answer is kept in the state folder, and a part
that has an answer there runs again only with `--again`, so that a suite that was stopped goes on where it was. Printed:
one line a part. Exit status 1 when something did not hold or could not run.
"""

import argparse
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.command import ROOT


@dataclass(frozen=True, slots=True)
class Part:
    """A module of this folder and its options in the sample and in the complete suite."""

    module: str
    sample: str | None
    """None: not in the sample."""
    full: str


PARTS = {
    "kill-driver": Part("kill", "--what driver --kills 2 --pool-rows 6000", "--what driver --kills 20"),
    "kill-trial": Part("kill", "--what trial --kills 2 --pool-rows 6000", "--what trial --kills 20"),
    "kill-scorer": Part("kill", "--what scorer --kills 2 --pool-rows 6000", "--what scorer --kills 20"),
    "kill-embedding": Part("kill", "--what embedding --kills 1 --pool-rows 12000", "--what embedding --kills 20"),
    "kill-node": Part("kill", "--what node --kills 1 --pool-rows 6000", "--what node --kills 20"),
    "kill-scorer-node": Part("kill", "--what scorer-node --kills 1 --pool-rows 6000", "--what scorer-node --kills 20"),
    "kill-ingest": Part("answers", "--kills 5 --files 10", "--kills 20"),
    "scorer-nodes": Part("scorer_nodes", "--kills 1", "--kills 6"),
    "fit-workers": Part("fit_workers", None, ""),
    "nodes": Part("nodes", "", ""),
    "drivers": Part("drivers", None, ""),
    "s3": Part("s3", "--rounds 2", "--rounds 10 --seeds 4"),
    "disk": Part("disk", "--cases full records", ""),
    "images": Part("images", "--images 2400", "--images 10000"),
    "deadly": Part("deadly", "", "--kills 5"),
    "deadly-network": Part("deadly_network", "", ""),
    "limits": Part("limits", "--seeds 1 --round-minutes 0.25", "--seeds 4"),
    "mlflow": Part("mlflow_down", "--cases middle", "--cases start,middle,end"),
    "interrupt": Part("interrupt", "--phases planning sweep", ""),
    "fuzz": Part("fuzz", "--minutes 0.5", "--minutes 10"),
}


def main() -> int:
    """Run what has no answer yet."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--full", action="store_true")
    options.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    options.add_argument("--state", type=Path, default=Path(".faults"), help="where answers are kept")
    options.add_argument("--again", action="store_true", help="run parts that have an answer too")
    arguments = options.parse_args()
    failed = False
    for name in arguments.only:
        words = PARTS[name].full if arguments.full else PARTS[name].sample
        if words is None:
            continue
        kept = arguments.state / ("full" if arguments.full else "sample") / f"{name}.json"
        if arguments.again or not kept.is_file():
            answer = run(PARTS[name].module, words.split())
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.with_suffix(".draft").write_text(json.dumps(answer, indent=1))
            kept.with_suffix(".draft").replace(kept)
        answer = json.loads(kept.read_text())
        failed |= not answer.get("met", False)
        print(line(name, answer), flush=True)
    return int(failed)


def run(module: str, words: list[str]) -> dict[str, Any]:
    """The answer of a part; a part that could not give one failed, and that is its answer."""
    print(f"running {module} {' '.join(words)}", file=sys.stderr, flush=True)
    clock = time.monotonic()
    command = [sys.executable, "-m", f"tests.faults.{module}", *words]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=False)
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        answer = {"failed": f"exit status {done.returncode}, and no answer; what it printed is above"}
    return answer | {"status": done.returncode, "wall_seconds": round(time.monotonic() - clock, 1)}


def line(name: str, answer: dict[str, Any]) -> str:
    """How a part ended, in a line."""
    word = "holds" if answer.get("met") else "skipped" if "skipped" in answer else "DOES NOT HOLD"
    why = answer.get("skipped") or answer.get("failed") or ""
    return f"{name:<16} {word:<14} {answer['wall_seconds']:>7.0f} s  {why}".rstrip()


if __name__ == "__main__":
    sys.exit(main())
