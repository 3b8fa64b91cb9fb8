"""The same experiments by the code of two commits: equal trials, chosen rows, labels and metrics, bit for bit.

.venv/bin/python benchmarks/same_ledgers.py BEFORE [--data-root DIR] [--only quickstart banking77]

BEFORE is a commit or branch; it is checked out into a temporary folder, embeds and runs there with this interpreter and
these libraries, and so does the working tree. The ledgers are then compared as JSON, without the project's own readers:
every field of a round's record except its costs and versions. The hash of the proxy's tensors is one of them.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from command import ROOT, not_provided
from machine import parser, show

EXPERIMENTS = ("quickstart", "banking77")
NOT_COMPARED = {"seconds", "cpu_seconds", "cpu", "gpu", "bytes_written", "finished", "versions", "checksum"}
"""What a round cost, when and by which code it ran, and the checksum of the complete record."""

Records = dict[tuple[str, str], dict[str, Any]]
"""(a trial's fingerprint, a round's file name) -> the round's record without `NOT_COMPARED`."""


def main() -> None:
    """Run both, compare and show."""
    options = parser(__doc__)
    options.add_argument("before", help="a commit or branch")
    options.add_argument("--only", nargs="+", choices=EXPERIMENTS, default=EXPERIMENTS)
    arguments = options.parse_args()
    measured: dict[str, object] = {}
    with checked_out(arguments.before) as before:
        for name in arguments.only:
            if why := not_provided(f"{ROOT / 'experiments' / name}.py:{name}", arguments.data_root):
                measured[name] = f"not compared: {why}"
                continue
            measured[name] = compared(
                records(before, name, arguments.data_root), records(ROOT, name, arguments.data_root)
            )
    target = {"what": "the same rounds with equal records", "different": 0}
    done = [each for each in measured.values() if isinstance(each, dict)]
    met = bool(done) and all(each["rounds"] and not each["different"] for each in done)
    show("same_ledgers", measured, target, met=met)
    sys.exit(0 if met else 1)


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """The project's files as of a commit, in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="labelbench-") as folder:
        tree = Path(folder) / "before"
        subprocess.run(["git", "-C", ROOT, "worktree", "add", "--quiet", "--detach", tree, commit], check=True)
        try:
            yield tree
        finally:
            subprocess.run(["git", "-C", ROOT, "worktree", "remove", "--force", tree], check=True)


def records(tree: Path, name: str, data_root: Path) -> Records:
    """Run the experiment with a tree's code in fresh folders; its rounds."""
    with tempfile.TemporaryDirectory(prefix="labelbench-") as folder:
        command = [sys.executable, "-m", "labelbench_ray", "run", f"experiments/{name}.py"]
        places = [f"--runs={folder}/runs", f"--store={folder}/store", f"--data-root={data_root.resolve()}"]
        environment = os.environ | {"PYTHONPATH": str(tree)}
        subprocess.run(command + places, cwd=tree, env=environment, stdout=sys.stderr, check=True)
        found = Path(folder, "runs").glob("*/*/rounds/*.json")
        return {(path.parent.parent.name, path.name): _compared_fields(path) for path in found}


def compared(before: Records, after: Records) -> dict[str, object]:
    """The number of common rounds, and the rounds that differ or that one side lacks, with the fields."""
    different = [
        f"{trial}/{name}: {', '.join(fields)}"
        for trial, name in sorted(before.keys() | after.keys())
        if (fields := _different(before.get((trial, name), {}), after.get((trial, name), {})))
    ]
    return {"rounds": len(before.keys() & after.keys()), "different": len(different), "first_different": different[:5]}


def _different(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return sorted(field for field in before.keys() | after.keys() if before.get(field) != after.get(field))


def _compared_fields(path: Path) -> dict[str, Any]:
    record = json.loads(path.read_bytes())
    # A field that only one of the versions knows must be empty.
    return {
        field: value for field, value in record.items() if field not in NOT_COMPARED and value not in ([], {}, None)
    }


if __name__ == "__main__":
    main()
