"""Files are whole or absent; locks die with their process."""

import errno
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from labelbench_ray.storage.atomic import publish
from labelbench_ray.storage.locks import locked


def test_what_is_published_is_there(tmp_path):
    publish(tmp_path / "record.json", b"first")
    publish(tmp_path / "record.json", b"second")
    assert contents(tmp_path) == {"record.json": b"second"}


def test_writers_on_other_machines_with_the_same_process_number_do_not_share_a_draft(tmp_path, monkeypatch):
    drafts: list[Path] = []
    replace = Path.replace

    def seen(draft: Path, path: Path) -> Path:
        drafts.append(draft)
        return replace(draft, path)

    monkeypatch.setattr(Path, "replace", seen)
    for data in (b"mine", b"theirs"):
        publish(tmp_path / "experiment.json", data)
    assert len(set(drafts)) == 2


@pytest.fixture(params=[b"whole", None], ids=["over an old file", "new"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A folder that must hold the same files after a failure as before."""
    if request.param:
        publish(tmp_path / "record.json", request.param)
    before = contents(tmp_path)
    yield tmp_path
    assert contents(tmp_path) == before


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_and_no_draft(folder, monkeypatch, call: str):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError, match="No space left"):
        publish(folder / "record.json", b"never seen")


def test_a_write_that_the_kernel_cuts_short_leaves_the_old_file_and_no_draft(folder):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            publish(folder / "record.json", bytes(1000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        publish(tmp_path / "nowhere" / "record.json", b"")


HOLDER = """
import sys, time
from pathlib import Path
from labelbench_ray.storage.locks import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def wait_for_lock(path: Path) -> threading.Event:
    """An event that is set once this process got the lock."""
    got = threading.Event()

    def take() -> None:
        with locked(path):
            got.set()

    threading.Thread(target=take, daemon=True).start()
    return got


def test_a_lock_is_waited_for_and_dies_with_its_process(tmp_path):
    with subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path / "lock"], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        got = wait_for_lock(tmp_path / "lock")
        assert not got.wait(0.2)
        holder.send_signal(signal.SIGKILL)
        assert got.wait(10)


def test_a_lock_is_free_after_an_error_inside(tmp_path):
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "lock"):
        raise ZeroDivisionError
    assert wait_for_lock(tmp_path / "lock").wait(10)
