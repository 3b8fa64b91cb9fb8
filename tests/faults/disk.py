"""A disk that fills up and becomes read-only under a sweep; and ledgers and embeddings that were damaged on a disk.

.venv/bin/python -m tests.faults.disk [--cases full records manifest] [--seeds 4]

full: a tiny file system (tmpfs, mounted for this; needs the right to mount) is filled while the sweep runs on it. What
must hold: status 1, and the text names the files and what fixes it; nothing is half-written; what was finished stays,
byte for byte. Then it is read-only: status 1 or 2 with a text that says so, and no byte changes. Then there is room
again: the same command finishes, and all equals a run that was never disturbed.
records: in a copy of a finished sweep each trial is damaged in another way (a record cut short, a bit flipped in one,
or in a proxy of a trial that lacks a round, another trial's record, one repeated, one missing, a damaged trial.json), a
shard is half-written, and the same command runs again. What must hold: each is refused by name in the event log (a
shard: in the quarantine), found in the quarantine as it was, and done again; all equals the undisturbed run. Which rows
a round has right is damaged last: the run leaves that file alone, reports refuse it by name.
manifest: the same with a store's damaged manifest.json: status 2 and a text that names it; once the folder that the
text names is deleted, the same command embeds again, and all is equal.

Exit status 1 if something does not hold.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks.machine import parser, show
from labelbench_ray import report
from labelbench_ray.ledger.records import COSTS
from labelbench_ray.ledger.trials import read_history
from labelbench_ray.storage.quarantine import read_quarantine_note, set_asides
from tests.faults.sweeps import NAME, Running, Sweep, rounds

SLOW = '''"""The logistic trainer, on a slow machine: so that a disk can fill up while it works."""

import time

from labelbench_ray.trainers.logistic import Logistic


class Slow(Logistic):
    def fit(self, proxy, data, seed):
        time.sleep(0.3)
        return super().fit(proxy, data, seed)
'''
ROUNDS = 4
CASES = ("full", "records", "manifest")
RECORDS_BEFORE = 5
"""So many rounds are recorded when the disk is filled."""


def main() -> int:
    """Run the cases and show."""
    options = parser(__doc__)
    options.add_argument("--cases", nargs="+", choices=CASES, default=CASES)
    options.add_argument("--seeds", type=int, default=4, help="of two strategies")
    arguments = options.parse_args()
    measured: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="labelbench-") as name:
        folder = Path(name)
        (folder / "slowly").mkdir()
        (folder / "slowly/__init__.py").touch()
        (folder / "slowly/slow.py").write_text(SLOW)
        sweep = Sweep(folder, ROUNDS, arguments.seeds, trainer='Part(name="slowly.slow")')
        alone = sweep.run(f"{folder}/undisturbed")
        assert alone.status == 0, alone.printed
        wanted = rounds(f"{folder}/undisturbed")
        for case in arguments.cases:
            measured[case] = {"full": full, "records": records, "manifest": manifest}[case](sweep, wanted)
    held = all(measured[case].get("held", False) for case in arguments.cases)
    show("faults/disk", measured, {"same_as_undisturbed": True, "drafts_left": 0}, met=held)
    return 0 if held else 1


def full(sweep: Sweep, wanted: dict[str, Any]) -> dict[str, Any]:
    """Full, then read-only, then room again."""
    with small_disk(sweep.folder / "disk") as disk:
        if disk is None:
            return {"held": False, "failed": "mounting a tmpfs is not allowed here"}
        shutil.copytree(sweep.folder / "undisturbed/store", disk / "store")
        running = sweep.begin(str(disk))
        wait_for_records(running, disk, RECORDS_BEFORE)
        filler = fill(disk)
        at_fill = finished(disk)
        ran = running.end()
        kept = {path: fact for path, fact in at_fill.items() if finished(disk).get(path) == fact}
        recorded, drafts = prefixes(disk, wanted), len(list(disk.rglob(".*.draft")))
        failed = sum("failed: " in line for line in ran.printed.splitlines())
        before = contents(disk)
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        read_only = sweep.run(str(disk))
        unchanged = contents(disk) == before
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
        filler.unlink()
        again = sweep.run(str(disk))
        same = rounds(str(disk)) == wanted
        still = all(finished(disk).get(path) == fact for path, fact in at_fill.items())
    said = single_line(ran.printed)
    clear = "No space left on device, so it was not written; fix that (make room)" in said and str(disk) in said
    plain = "Read-only file system" in read_only.printed and "Traceback" not in read_only.printed
    return {
        "status_full": ran.status,
        "failures_reported": failed,
        "text_names_file_and_fix": clear,
        "finished_files_when_full": len(at_fill),
        "of_those_changed": len(at_fill) - len(kept) + (not still),
        "rounds_recorded": sum(recorded.values()),
        "records_that_do_not_fit": sum(number < 0 for number in recorded.values()),
        "drafts_left": drafts,
        "status_read_only": read_only.status,
        "text_read_only": read_only.printed.strip()[-400:],
        "bytes_changed_read_only": not unchanged,
        "status_room_again": again.status,
        "same_as_undisturbed": same,
        "held": ran.status == 1
        and clear
        and failed > 0
        and len(kept) == len(at_fill) > 0
        and still
        and drafts == 0
        and min(recorded.values(), default=-1) >= 0
        and read_only.status in (1, 2)
        and plain
        and unchanged
        and again.status == 0
        and same,
    }


def records(sweep: Sweep, wanted: dict[str, Any]) -> dict[str, Any]:
    """Each trial damaged in another way, and a shard."""
    below = copied(sweep, "records")
    experiment = below / "runs" / NAME
    folders = [experiment / fingerprint for fingerprint in sorted(wanted)]
    damages: dict[str, tuple[Path, bytes]] = {}
    for (name, (file, spoil)), folder, other in zip(DAMAGES.items(), folders, [*folders[1:], folders[0]], strict=False):
        path = folder / file
        spoil(path, other / file)
        damages[name] = (path, path.read_bytes() if path.exists() else b"")
    shard = sorted((below / "store").glob("*/shards/pool-*.parquet"))[-1]
    cut_short(shard, shard)
    damages["half-written shard"] = (shard, shard.read_bytes())
    store = shard.parent.parent
    shutil.rmtree(store / "arrays")  # where they are, shards are read no more
    ran = sweep.run(str(below))
    events = [json.loads(line) for line in (experiment / "events.jsonl").read_text().splitlines()]
    reasons = [event["reason"] for event in events if event["event"] == "set_aside"]
    reasons += [read_quarantine_note(store, name).reason for name in set_asides(store)]
    named, kept = {}, {}
    for name, (path, data) in damages.items():
        file = path.with_name("002.json") if name == "missing" else path
        named[name] = next((reason for reason in reasons if str(file) in reason), "")
        top = store if path == shard else path.relative_to(experiment).parts[0]
        found = (experiment / top).glob(f"quarantine/*/{path.relative_to(experiment / top)}")
        kept[name] = name == "missing" or any(each.read_bytes() == data for each in found)
    same = rounds(str(below)) == wanted
    hits = folders[len(DAMAGES)] / "rounds/001.hits"
    flip(hits, hits)
    spoiled = hits.read_bytes()
    over_seeds_only = f"Intervals are over seeds only: {hits}: "
    ignored = sweep.run(str(below)).status == 0 and hits.read_bytes() == spoiled
    refused = report.build(experiment).sections[0].intervals.startswith(over_seeds_only)
    whole = shard.read_bytes() == (sweep.folder / "undisturbed" / shard.relative_to(below)).read_bytes()
    return {
        "damages": len(damages),
        "status": ran.status,
        "refused": named,
        "kept_in_quarantine": kept,
        "same_as_undisturbed": same,
        "shard_as_undisturbed": whole,
        "damaged_hits_left_alone_and_refused_by_reports": ignored and refused,
        "seconds": ran.seconds,
        "held": ran.status == 0
        and len(damages) == min(len(DAMAGES), len(folders)) + 1
        and all(named.values())
        and all(kept.values())
        and same
        and ignored
        and refused
        and whole,
    }


def manifest(sweep: Sweep, wanted: dict[str, Any]) -> dict[str, Any]:
    """A store's manifest.json that is cut short."""
    below = copied(sweep, "manifest")
    path = next((below / "store").glob("*/manifest.json"))
    cut_short(path, path)
    ran = sweep.run(str(below))
    named = str(path) in single_line(ran.printed) and f"delete {path.parent}" in single_line(ran.printed)
    untouched = rounds(str(below)) == wanted
    shutil.rmtree(path.parent)
    again = sweep.run(str(below))
    same = rounds(str(below)) == wanted
    return {
        "status": ran.status,
        "text": ran.printed.strip()[-400:],
        "status_once_deleted": again.status,
        "same_as_undisturbed": same,
        "held": ran.status == 2 and named and untouched and again.status == 0 and same,
    }


def cut_short(path: Path, other: Path) -> None:
    """Half of it was written."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path, other: Path) -> None:
    """One bit, in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def flip_of_unfinished(path: Path, other: Path) -> None:
    """A proxy is read again, and checked, where its trial goes on."""
    path.with_name(f"{ROUNDS - 1:03d}.json").unlink()
    flip(path, other)


def repeat(path: Path, other: Path) -> None:
    """The record before once more."""
    path.write_bytes(path.with_name("000.json").read_bytes())


Spoil = Callable[[Path, Path], object]
"""(a file, the same one of another trial)"""
DAMAGES: dict[str, tuple[str, Spoil]] = {
    "truncated": ("rounds/001.json", cut_short),
    "bit flipped": ("rounds/001.json", flip),
    "proxy": ("rounds/001.safetensors", flip_of_unfinished),
    "foreign": ("rounds/001.json", lambda path, other: path.write_bytes(other.read_bytes())),
    "repeated": ("rounds/001.json", repeat),
    "missing": ("rounds/001.json", lambda path, other: path.unlink()),
    "trial.json": ("trial.json", cut_short),
}


@contextmanager
def small_disk(folder: Path) -> Iterator[Path | None]:
    """A file system of 4 MB; None where mounting one is not allowed."""
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], check=False).returncode:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path) -> Path:
    """Leave no byte free."""
    filler = folder / "filler"
    with suppress(OSError):
        filler.write_bytes(bytes(2**23))
    return filler


def wait_for_records(running: Running, below: Path, number: int) -> None:
    """Until so many rounds are recorded."""
    limit = time.monotonic() + 120
    while len(list(below.glob(f"runs/{NAME}/*/rounds/*.json"))) < number:
        assert running.process.poll() is None, running.log.read_text()
        assert time.monotonic() < limit, running.log.read_text()
        time.sleep(0.01)


def finished(below: Path) -> dict[Path, tuple[int, bytes]]:
    """Every recorded round's three files: when they were written, and what they hold."""
    found = list(below.glob(f"runs/{NAME}/*/rounds/*.json"))
    every = [path.with_suffix(suffix) for path in found for suffix in (".json", ".safetensors", ".hits")]
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in every}


def contents(below: Path) -> dict[Path, bytes]:
    """All files."""
    return {path: path.read_bytes() for path in below.rglob("*") if path.is_file()}


def prefixes(below: Path, wanted: dict[str, Any]) -> dict[str, int]:
    """How many rounds each trial has that are the undisturbed run's; -1 if they are others."""
    found = {}
    for fingerprint, there in wanted.items():
        folder = below / "runs" / NAME / fingerprint
        if (folder / "trial.json").is_file():
            here = [record.model_dump(exclude=COSTS) for record in read_history(folder).records]
            found[fingerprint] = len(here) if here == there[: len(here)] else -1
    return found


def copied(sweep: Sweep, name: str) -> Path:
    """A copy of the finished sweep."""
    return Path(shutil.copytree(sweep.folder / "undisturbed", sweep.folder / name))


def single_line(text: str) -> str:
    """Without the line breaks of a terminal."""
    return " ".join(text.split())


if __name__ == "__main__":
    sys.exit(main())
