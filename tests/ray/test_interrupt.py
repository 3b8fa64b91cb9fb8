"""Ctrl-C in a sweep on a local Ray, then kill -9, then the same command to its end. The fault suite has the rest.

tests/faults/interrupt.py interrupts in every phase, tests/faults/kill.py kills actors, scorers and nodes too.
"""

import random
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import ray
from ray._private.utils import get_num_cpus

from benchmarks import processes
from labelbench_ray.cluster.session import connected
from labelbench_ray.errors import ConfigError
from labelbench_ray.ledger.trials import read_history
from labelbench_ray.planning import experiment
from labelbench_ray.trial import parts
from tests.faults import interrupt, victim
from tests.full_trials import make_home, untimed

pytestmark = pytest.mark.ray
ROOT = Path(__file__).resolve().parents[2]
RECORDS = "runs/*/*/rounds/*.json"
LIMIT_SECONDS, MOMENT_SECONDS = 240.0, 0.3


@dataclass(frozen=True)
class Ended:
    """A command that was ended twice, and then ran to its end; one trial at a time."""

    folder: Path
    interrupted: Any
    """The case of the fault suite."""
    drafts: list[Path]
    """What Tune had left behind after the interrupt."""
    after_interrupt: dict[Path, Any]
    """Finished files, with the time of their last change and their hash."""
    after_kill: dict[Path, Any]
    at_the_end: dict[Path, Any]
    status: int
    leftovers: int
    """Processes of the killed command that still lived 20 s after the end."""

    def history(self, fingerprint: str) -> list[Any]:
        return list(read_history(self.folder / "runs/interrupted.interrupted" / fingerprint).records)


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """Three commands. Nothing is embedded twice, and each ends in the sweep."""
    folder = tmp_path_factory.mktemp("ended")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("LABELBENCH_CPUS_PER_TRIAL", str(get_num_cpus()))
        patch.chdir(folder)
        (folder / "interrupted.py").write_text(interrupt.EXPERIMENT)
        case = interrupt.interrupt(folder, "sweep", "SIGINT")
        after_interrupt, drafts = victim.finished(folder), list(folder.glob("runs/*/.tune-*"))
        line = interrupt.line(folder, "run")
        session = kill_in_the_sweep(folder, line)
        after_kill = victim.finished(folder)
        with (folder / "end.log").open("wb") as log:
            status = subprocess.run(line, stdout=log, stderr=log, check=False, timeout=LIMIT_SECONDS).returncode
        processes.wait_for_members(session, 20)
        at_the_end, leftovers = victim.finished(folder), processes.end_members(session)
    return Ended(folder, case, drafts, after_interrupt, after_kill, at_the_end, status, leftovers)


def kill_in_the_sweep(folder: Path, line: list[str]) -> int:
    """kill -9 of the command's process group a moment after it recorded a round; returns its session.

    Ray's actors still live then, and write.
    """
    before = len(list(folder.glob(RECORDS)))
    process = processes.start(line, folder / "killed.log")
    limit = time.monotonic() + LIMIT_SECONDS
    while len(list(folder.glob(RECORDS))) == before:
        assert process.poll() is None, (folder / "killed.log").read_text()
        assert time.monotonic() < limit
        time.sleep(0.002)
    time.sleep(random.Random(0).uniform(0, MOMENT_SECONDS))
    processes.kill_group(process)
    return int(process.pid)


def test_ctrl_c_in_a_sweep_ends_it_in_seconds_and_leaves_no_process(ended: Ended) -> None:
    assert ended.interrupted.met, ended.interrupted
    assert not ended.drafts
    assert ended.after_interrupt


def test_killed_and_started_again_gives_the_same_and_repeats_nothing(ended: Ended, tmp_path: Path) -> None:
    assert ended.status == 0, (ended.folder / "end.log").read_text()
    records = [
        len([path for path in files if path.suffix == ".json"]) for files in (ended.after_kill, ended.at_the_end)
    ]
    assert 0 < records[0] < records[1] == 16, "the kill came in the middle"
    met = ended.after_kill | ended.after_interrupt
    assert {path: ended.at_the_end.get(path) for path in met} == met
    home = make_home(tmp_path, ended.folder / "store")
    for trial in experiment.load(str(ended.folder / "interrupted.py")).trials:
        assert untimed(home.run(trial)) == untimed(ended.history(parts.build(trial).fingerprint))
    assert not ended.leftovers


def test_an_address_where_nobody_listens_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with (
        pytest.raises(ConfigError, match=r"--address 127\.0\.0\.1:1 \(or RAY_ADDRESS\): no Ray cluster answers there"),
        connected("127.0.0.1:1"),
    ):
        pass
