"""kill -9 in the middle of the embedding and of the sweep, then the same command again.

.venv/bin/python benchmarks/kill.py [--embed-kills 3] [--sweep-kills 3] [--seed 0]

Measured: on a data set of random PNG files made for this (victim.py), the command runs once and is never killed. Then,
in fresh folders, the same command is killed and started again, at random moments: when so many shards, later so many
rounds, are on disk, and a random moment after. Kills take turns: of the process group alone, with the restart at once,
while Ray's actors of the killed run still live and write; and of every process of the session.
Afterwards: the same shards, chosen ids, labels and metrics as never killed; and every shard and round that was on disk
at a kill is the same file still, by its bytes and its time, so nothing that was finished ran twice.
"""

import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from machine import parser, show
from processes import end_members, kill_group, kill_session, start, wait_for_members
from victim import RECORDS, ROUNDS, SHARDS, Fact, finished, line, make, results

MOMENT_SECONDS = {SHARDS: 0.03, RECORDS: 0.3}
"""At most so long after a count of files is reached comes the kill."""
LIMIT_SECONDS = 300.0
HOW = {"group": kill_group, "session": kill_session}


@dataclass
class Outcome:
    """What the kills met and what came of them."""

    kills: list[dict[str, Any]] = field(default_factory=list)
    finished: dict[Path, Fact] = field(default_factory=dict)
    """Shards and rounds that were on disk at a kill."""
    changed: list[str] = field(default_factory=list)
    same: bool = False
    leftovers: int = 0
    """Processes of killed runs that still lived 20 s after the end."""

    @property
    def met(self) -> bool:
        """All that the issue asks for, and each kill did come in the middle."""
        middle = all(0 < kill["finished"] < kill["of"] for kill in self.kills)
        return self.same and middle and not self.changed and not self.leftovers


def main() -> None:
    """Kill and show."""
    options = parser(__doc__)
    options.add_argument("--embed-kills", type=int, default=3)
    options.add_argument("--sweep-kills", type=int, default=3)
    options.add_argument("--pool-rows", type=int, default=12_000)
    options.add_argument("--seed", type=int, default=0)
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="labelbench-") as folder:
        make(Path(folder), arguments.pool_rows)
        outcome = kill_and_continue(Path(folder), arguments.embed_kills, arguments.sweep_kills, arguments.seed)
    measured = {
        "kills": outcome.kills,
        "same_as_never_killed": outcome.same,
        "finished_files_at_kills": len(outcome.finished),
        "finished_files_changed_later": outcome.changed,
        "processes_left_over": outcome.leftovers,
    }
    target = {"same_as_never_killed": True, "finished_files_changed_later": []}
    show("kill", measured, target, met=outcome.met)


def kill_and_continue(folder: Path, embed_kills: int, sweep_kills: int, seed: int) -> Outcome:
    """Run the victim unharmed, then with kills; `folder` holds it."""
    moments = random.Random(seed)
    unharmed, harmed = folder / "unharmed", folder / "harmed"
    run_to_end(folder, unharmed)
    shards = count(unharmed, SHARDS)
    plan = [(SHARDS, shards, number) for number in sorted(moments.sample(range(1, shards), embed_kills))]
    plan += [(RECORDS, ROUNDS, number) for number in sorted(moments.sample(range(1, ROUNDS // 2), sweep_kills))]
    outcome = Outcome()
    sessions = []
    for turn, (pattern, total, number) in enumerate(plan):
        how = list(HOW)[turn % len(HOW)]
        wait = moments.uniform(0, MOMENT_SECONDS[pattern])
        session, met = kill_once(folder, harmed, pattern, number, wait, HOW[how])
        sessions.append(session)
        outcome.finished = finished(harmed) | outcome.finished  # as it was at the first kill that met it
        outcome.kills.append({"pattern": pattern, "how": how, "finished": met, "of": total})
    run_to_end(folder, harmed)
    now = finished(harmed)
    outcome.changed = [str(path) for path, fact in outcome.finished.items() if now.get(path) != fact]
    outcome.same = results(unharmed) == results(harmed)
    for session in sessions:
        wait_for_members(session, 20)
        outcome.leftovers += end_members(session)
    return outcome


def kill_once(
    folder: Path, below: Path, pattern: str, number: int, wait: float, how: Callable[[Any], None]
) -> tuple[int, int]:
    """Start the command, kill it `wait` seconds after `number` files lie there, one of them new.

    Returns its session, and how many files there were at the kill.
    """
    number = max(number, count(below, pattern) + 1)
    process = start(line(folder, below), folder / "log")
    limit = time.monotonic() + LIMIT_SECONDS
    while process.poll() is None and time.monotonic() < limit and count(below, pattern) < number:
        time.sleep(0.002)
    time.sleep(wait)
    met = count(below, pattern)
    how(process)
    return process.pid, met


def count(below: Path, pattern: str) -> int:
    """How many files lie there."""
    return len(list(below.glob(pattern)))


def run_to_end(folder: Path, below: Path) -> None:
    """Run the command unharmed."""
    process = start(line(folder, below), folder / "log")
    try:
        status = process.wait(LIMIT_SECONDS)
    finally:
        end_members(process.pid)
    assert status == 0, (folder / "log").read_text()


if __name__ == "__main__":
    main()
