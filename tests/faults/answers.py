"""kill -9 of a process that ingests files of answers, at random moments.

.venv/bin/python -m tests.faults.answers [--kills 20] [--files 40] [--rows 2000] [--seed 0]

Each file corrects some answers of the file before it and adds others. A process ingests them in their order, starts
again at the first after each kill, and prints the number of each file that it has ingested.
What must hold: at each kill the log can be read and holds all events of the files that were ingested; at the end its
bytes are those of a process that was never killed. Exit status 1 if something does not hold.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.command import ROOT
from benchmarks.machine import parser, show
from labelbench_ray.answers.events import Answer
from labelbench_ray.answers.formats import read
from labelbench_ray.answers.ingest import ingest
from labelbench_ray.answers.log import IDENTITY, AnswerLog

CLASSES = ("bird", "cat", "dog")
SAVED = 1_777_636_800


def main() -> int:
    """Kill and show."""
    options = parser(__doc__)
    options.add_argument("--kills", type=int, default=20)
    options.add_argument("--files", type=int, default=40)
    options.add_argument("--rows", type=int, default=2000)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--ingest", nargs=2, type=Path, help=argparse.SUPPRESS)
    arguments = options.parse_args()
    if arguments.ingest:
        return ingest_all(*arguments.ingest)
    with tempfile.TemporaryDirectory(prefix="labelbench-") as name:
        measured = killed(Path(name), arguments)
    held = not measured["lost"] and measured["equal"] and measured["kills"] == arguments.kills
    show("faults/answers", measured, {"lost": [], "equal": True, "kills": arguments.kills}, met=held)
    return 0 if held else 1


def ingest_all(files: Path, log: Path) -> int:
    """What is killed."""
    for number, path in enumerate(sorted(files.glob("*.csv"))):
        ingest(AnswerLog(log), [read(path, annotator="ann")])
        print(number, flush=True)
    return 0


def killed(folder: Path, arguments: argparse.Namespace) -> dict[str, object]:
    """What came of the kills."""
    choices = random.Random(arguments.seed)
    files, unharmed, harmed = folder / "files", folder / "unharmed.parquet", folder / "harmed.parquet"
    write_files(files, arguments.files, arguments.rows, choices)
    events = [read(path, annotator="ann").answers for path in sorted(files.glob("*.csv"))]
    ingest_all_quietly(files, unharmed)
    lost: list[str] = []
    kills, finished = 0, 0
    while kills < arguments.kills:
        if finished == arguments.files:
            harmed.unlink()
        ended, finished = attempt(files, harmed, choices.uniform(0, 0.1) * (1 + choices.randrange(arguments.files)))
        kills += not ended
        lost += [f"kill {kills}: {each}" for each in missing(AnswerLog(harmed), events[:finished])]
    ingest_all_quietly(files, harmed)
    return {"kills": kills, "lost": lost[:20], "equal": harmed.read_bytes() == unharmed.read_bytes()}


def write_files(folder: Path, count: int, rows: int, choices: random.Random) -> None:
    """Files that were saved one after the other, each with half of the rows of the file before it."""
    folder.mkdir()
    for number in range(count):
        lines = [f"{number * rows // 2 + row:06d},{choices.choice(CLASSES)}" for row in range(rows)]
        path = folder / f"{number:03d}.csv"
        path.write_text("\n".join(["row_id,label", *lines]) + "\n")
        os.utime(path, (SAVED + number, SAVED + number))


def ingest_all_quietly(files: Path, log: Path) -> None:
    """To its end, in a process of its own."""
    subprocess.run(command(files, log), cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def command(files: Path, log: Path) -> list[str]:
    """The command that is killed."""
    return [sys.executable, "-m", "tests.faults.answers", "--ingest", str(files), str(log)]


def attempt(files: Path, log: Path, seconds: float) -> tuple[bool, int]:
    """Start, kill after so many seconds of its work; returns whether it had ended, and how many files it ingested."""
    process = subprocess.Popen(command(files, log), cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    first = process.stdout.readline()
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    rest, _ = process.communicate()
    return process.returncode == 0, len((first + rest).splitlines())


def missing(log: AnswerLog, ingested: list[tuple[Answer, ...]]) -> list[str]:
    """Events of ingested files that the log lacks: all but those that restate an answer."""
    table = log.read()
    there = set(zip(*(table.column(name).to_pylist() for name in IDENTITY), strict=True))
    latest: dict[str, Answer] = {}
    lost = []
    for answer in (answer for answers in ingested for answer in answers):
        before = latest.get(answer.answer_id)
        if before is None or before.labels != answer.labels:
            latest[answer.answer_id] = answer
            if answer.identity not in there:
                lost.append(f"{answer.row_id} {answer.labels}")
    return lost


if __name__ == "__main__":
    sys.exit(main())
