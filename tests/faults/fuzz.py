"""Readers of configuration, ledgers, manifests, shards and images, given spoiled bytes for `--minutes`.

.venv/bin/python -m tests.faults.fuzz [--minutes 10] [--seed 0] [--only NAME ...] [--out DIR]

The targets and the ways to spoil are those of tests/fuzzing.py: bytes flipped, cut, inserted, doubled and replaced by
extreme counts; JSON values replaced by nasty ones, with a checksum that fits where there is one. Each reader gets the
same share of the time, in a process of its own whose memory is limited.
Measured: inputs tried, those read and those refused; the slowest and the most memory. A finding is an error that is not
ours, a reader that needs more than 10 s, or a process that dies; its input is kept in DIR (default: fuzz-findings/).
Exit status 1 when there is one.
"""

import hashlib
import multiprocessing
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.machine import parser, show
from tests.fuzzing import OURS, Target, spoiled, targets

HANG_SECONDS = 10
MEMORY_BYTES = 3 * 2**30
"""On top of what the process has when it starts."""


class Hang(BaseException):
    """Raised in a reader that takes too long."""


def main() -> int:
    """Try them all and show what came of it."""
    options = parser(__doc__)
    options.add_argument("--minutes", type=float, default=10.0)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--only", nargs="+")
    options.add_argument("--out", type=Path, default=Path("fuzz-findings"))
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="labelbench-fuzz-") as folder:
        names = arguments.only or list(targets(Path(folder) / "names"))
        seconds = 60 * arguments.minutes / len(names)
        answers = {name: apart(name, seconds, arguments.seed, Path(folder), arguments.out) for name in names}
    findings = [finding for answer in answers.values() for finding in answer["findings"]]
    totals = {"tried": sum(answer["tried"] for answer in answers.values()), "findings": findings}
    show("fuzz", totals | {"targets": answers}, {"findings": []}, met=not findings)
    return 1 if findings else 0


def apart(name: str, seconds: float, seed: int, folder: Path, out: Path) -> dict[str, Any]:
    """One reader in a process of its own; one that dies is a finding, and its input is the last that was written."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=lambda: sender.send(fuzz(name, seconds, seed, folder, out)))
    process.start()
    sender.close()
    try:
        answer: dict[str, Any] = receiver.recv()
    except EOFError:
        process.join()
        saved = save(out, name, (folder / "last").read_bytes())
        answer = {"tried": 0, "findings": [{"target": name, "error": f"ended with {process.exitcode}", "input": saved}]}
    process.join()
    return answer


def fuzz(name: str, seconds: float, seed: int, folder: Path, out: Path) -> dict[str, Any]:
    """Give one reader spoiled inputs until its time is over."""
    warnings.simplefilter("ignore")
    limit_memory()
    signal.signal(signal.SIGALRM, hang)
    target, choices = targets(folder / name / "sound")[name], random.Random(f"{name} {seed}")
    came: Counter[str] = Counter()
    findings: dict[str, dict[str, str]] = {}
    slowest, end = 0.0, time.monotonic() + seconds
    while time.monotonic() < end:
        data = spoiled(target, choices)
        (folder / "last").write_bytes(data)
        start = time.monotonic()
        outcome = tried(target, folder / name / "input", data)
        slowest = max(slowest, time.monotonic() - start)
        came[outcome.split(":")[0] if outcome else "read"] += 1
        if outcome and not outcome.startswith("refused"):
            findings.setdefault(outcome[:80], {"target": name, "error": outcome, "input": save(out, name, data)})
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "tried": sum(came.values()),
        "came": dict(came),
        "slowest_seconds": slowest,
        "peak_memory_mib": peak,
        "findings": list(findings.values()),
    }


def tried(target: Target, folder: Path, data: bytes) -> str:
    """What came of it: "" for read, "refused: ..." for an error of ours, else what is wrong."""
    folder.mkdir(parents=True)
    signal.alarm(HANG_SECONDS)
    try:
        target.read(folder, data)
    except OURS as error:
        return f"refused: {error}"
    except Hang:
        return f"hang: more than {HANG_SECONDS} s"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    finally:
        signal.alarm(0)
        shutil.rmtree(folder)
    return ""


def hang(*_: object) -> None:
    """Ends what takes too long."""
    raise Hang


def limit_memory() -> None:
    """So that a reader that allocates what a file merely states fails here, whatever the machine has."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_BYTES, resource.RLIM_INFINITY))


def save(out: Path, name: str, data: bytes) -> str:
    """Keep an input; returns its file."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{name.replace(' ', '-')}-{hashlib.sha256(data).hexdigest()[:12]}"
    path.write_bytes(data)
    return str(path)


if __name__ == "__main__":
    sys.exit(main())
