"""Resident memory of the driver and of each trial actor over a sweep, less the shared embeddings.

.venv/bin/python benchmarks/memory.py --data-root DIR [--store STORE] [--trials 4]

Measured: `labelbench run` of the first trials of experiments/cifar10.py:study on a finished store (embedded first where
STORE has none, and not sampled). Twice a second, for each process of the command's session, the sum of `Rss` over
/proc/PID/smaps less the `Rss` of the mappings of files below STORE/*/arrays: the memory-mapped embeddings, of which the
machine holds one copy however many processes map it. Nothing else is subtracted: shared libraries and the object
store's pages count in full in every process that touches them. The peak of each process is what counts; trial
actors are those that ever carried Ray's title for a Tune function.
"""

import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from command import command, not_provided, places, run
from machine import parser, show, show_skipped
from processes import end_members, members, start
from study import STUDY, first_trials

TARGET_GIB = 1.5
SECONDS_BETWEEN = 0.5
TRIAL_TITLE = "ray::ImplicitFunc"


@dataclass
class Peak:
    """The highest values seen of one process."""

    titles: set[str] = field(default_factory=set)
    own_kib: int = 0
    """Without the embeddings."""
    embeddings_kib: int = 0


def main() -> None:
    """Embed what is missing, sample a sweep and show."""
    options = parser(__doc__)
    options.add_argument("--trials", type=int, default=4)
    arguments = options.parse_args()
    if why := not_provided(STUDY, arguments.data_root):
        show_skipped("memory", why)
        return
    with (
        tempfile.TemporaryDirectory(prefix="labelbench-") as folder,
        places(arguments.data_root, None, arguments.store) as where,
    ):
        experiment = first_trials(Path(folder), arguments.trials)
        run("embed", experiment, where)
        log = Path(folder) / "log"
        driver, peaks, samples = sample(command("run", experiment, where), log, where.store.resolve())
        print(log.read_text(), file=sys.stderr)
    actors = {pid: peak for pid, peak in peaks.items() if any(TRIAL_TITLE in title for title in peak.titles)}
    assert actors, f"no process carried the title {TRIAL_TITLE!r}"
    others = [peak for pid, peak in peaks.items() if pid not in actors and pid != driver]
    highest = max(peak.own_kib for peak in [peaks[driver], *actors.values()]) / 2**20
    measured = {
        "highest_gib": highest,
        "driver_gib": peaks[driver].own_kib / 2**20,
        "trial_actors_gib": sorted(peak.own_kib / 2**20 for peak in actors.values()),
        "embeddings_subtracted_gib": max(peak.embeddings_kib for peak in [peaks[driver], *actors.values()]) / 2**20,
        "largest_other_process_gib": max(peak.own_kib for peak in others) / 2**20,
        "largest_other_process": sorted(max(others, key=lambda peak: peak.own_kib).titles),
        "samples": samples,
    }
    show("memory", measured, {"highest_gib_at_most": TARGET_GIB}, met=highest <= TARGET_GIB)


def sample(line: list[str], log: Path, store: Path) -> tuple[int, dict[int, Peak], int]:
    """Run a command to its end; returns its process id, the peaks of its session's processes, and how many samples."""
    peaks: dict[int, Peak] = {}
    samples = 0
    process = start(line, log)
    try:
        while process.poll() is None:
            for pid in members(process.pid):
                with suppress(OSError):  # it has ended meanwhile
                    _update(peaks.setdefault(pid, Peak()), Path(f"/proc/{pid}"), store)
            samples += 1
            time.sleep(SECONDS_BETWEEN)
    finally:
        end_members(process.pid)
    assert process.returncode == 0, log.read_text()
    return process.pid, peaks, samples


def _update(peak: Peak, folder: Path, store: Path) -> None:
    own = embeddings = 0
    shared = False
    for line in (folder / "smaps").read_text().splitlines():
        first, _, rest = line.partition(" ")
        if first == "Rss:":
            kib = int(rest.split()[0])
            own, embeddings = (own, embeddings + kib) if shared else (own + kib, embeddings)
        elif not first.endswith(":"):  # a mapping's first line: addresses, permissions, ..., path
            shared = str(store) in rest and "/arrays/" in rest
    peak.titles.add((folder / "cmdline").read_text().partition("\0")[0].strip())
    peak.own_kib = max(peak.own_kib, own)
    peak.embeddings_kib = max(peak.embeddings_kib, embeddings)


if __name__ == "__main__":
    main()
