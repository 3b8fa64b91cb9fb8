"""An ingest that is killed leaves the log as it was or as it shall be, and the next ingest ends the work."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import labelbench_ray
from labelbench_ray.answers.formats import read
from labelbench_ray.answers.ingest import ingest, write_rejected
from labelbench_ray.answers.log import AnswerLog
from tests.answers.test_delimited import SAVED, saved

PACKAGE = str(Path(labelbench_ray.__file__).parent)
MOMENTS = 20


def in_a_process(work: Callable[[], None], kill_at: int | None) -> int:
    """Do it in a process that kills itself at this line of the package; returns how many lines that were, or -1."""
    receiver, sender = os.pipe()
    child = os.fork()
    if child == 0:
        lines = 0

        def traced(frame: FrameType, event: str, _: object) -> Any:
            nonlocal lines
            if not frame.f_code.co_filename.startswith(PACKAGE):
                return None
            lines += event == "line"
            if lines == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return traced

        sys.settrace(traced)
        work()
        sys.settrace(None)
        os.write(sender, str(lines).encode())
        os._exit(0)
    os.close(sender)
    _, status = os.waitpid(child, 0)
    counted = os.read(receiver, 20)
    os.close(receiver)
    assert status == (0 if counted else signal.SIGKILL)
    return int(counted or -1)


def ingested(folder: Path) -> None:
    log = AnswerLog(folder / "answers.parquet")
    done = ingest(log, [read(folder / "second.csv", "ann")])
    write_rejected(folder / "rejected.csv", done.rejected)


@pytest.fixture
def campaign(tmp_path: Path) -> Callable[[str], Path]:
    """Makes the folder of a campaign with one ingested file and one that is not."""

    def made(name: str) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        saved(folder, "row_id,label\n1,cat\n2,cat\n", "first.csv")
        saved(folder, "row_id,label,status\n2,dog,\n3,dog,\n4,,what\n", "second.csv", SAVED + 60)
        ingest(AnswerLog(folder / "answers.parquet"), [read(folder / "first.csv", "ann")])
        return folder

    return made


def test_an_ingest_that_is_killed_at_20_moments_loses_nothing(campaign: Callable[[str], Path]) -> None:
    unharmed = campaign("unharmed")
    before = (unharmed / "answers.parquet").read_bytes()
    lines = in_a_process(lambda: ingested(unharmed), kill_at=None)
    after, rejected = ((unharmed / name).read_bytes() for name in ("answers.parquet", "rejected.csv"))
    assert before != after
    found = []
    for moment in range(MOMENTS):
        folder = campaign(str(moment))
        kill_at = 1 + moment * (lines - 1) // (MOMENTS - 1)
        assert in_a_process(lambda here=folder: ingested(here), kill_at) == -1
        found.append((folder / "answers.parquet").read_bytes())
        ingested(folder)
        assert (folder / "answers.parquet").read_bytes() == after
        assert (folder / "rejected.csv").read_bytes() == rejected
    assert set(found) == {before, after}
    assert found == sorted(found, key=[before, after].index), "nothing that was published goes back"
