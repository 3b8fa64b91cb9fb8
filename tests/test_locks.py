"""Locks state who holds them, and a lock whose file was deleted or made again is no lock; no way out through links."""

import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from labelbench_ray.api.follow import SweepMonitor
from labelbench_ray.errors import LedgerError, LostLockError
from labelbench_ray.ledger.finetunes import FineTuneHeader, FineTuneLedger
from labelbench_ray.ledger.trials import Failure, Header, Ledger, read_failure, read_history, write_failure
from labelbench_ray.storage import lease, locks
from labelbench_ray.storage.atomic import publish, publish_once, refuse_links
from labelbench_ray.storage.locks import held, locked
from labelbench_ray.storage.remote import place
from labelbench_ray.trial.assembly import CHECKPOINT, _recorded
from tests.s3 import Server, s3  # noqa: F401  a fixture
from tests.test_frozen_files import FIXTURES, MARGIN, RANDOM, TUNED, hashes
from tests.test_ledger import HEADER
from tests.test_ledger import publish as publish_round


def remake(path: Path) -> None:
    """Delete a file and make it again, as people who clean up do."""
    path.unlink()
    path.with_name("another").touch()  # or the new one might be given the number of the old one
    path.touch()


@pytest.mark.parametrize("change", [Path.unlink, remake])
def test_a_lock_whose_file_is_deleted_is_noticed_before_anything_is_written(tmp_path: Path, change: Any):
    with Ledger.open(tmp_path / "trial", HEADER) as ledger:
        publish_round(ledger, 0)
        change(tmp_path / "trial" / "lock")
        before = hashes(tmp_path)
        with pytest.raises(LostLockError, match=r"trial/lock: this process no longer holds this lock .* start the com"):
            publish_round(ledger, 1)
        assert hashes(tmp_path) == before


def test_a_fine_tune_without_its_lock_records_nothing(tmp_path: Path):
    trial = shutil.copytree(FIXTURES / "be79322/recorded/frozen.frozen" / RANDOM, tmp_path / RANDOM)
    directory = trial / "finetune" / TUNED
    header = FineTuneHeader.model_validate_json((directory / "finetune.json").read_bytes())
    with locked(directory / "lock") as lock:
        points = FineTuneLedger.open(trial, header, lock)
        (directory / "lock").unlink()
        before = hashes(trial)
        with pytest.raises(LostLockError):
            points.publish(18, "chosen", {}, {}, {"bias": np.zeros(2)})
        assert hashes(trial) == before


def test_who_waited_for_a_file_that_is_gone_by_then_locks_the_new_one(tmp_path: Path):
    path, inside = tmp_path / "lock", threading.Event()
    end = threading.Event()

    def wait() -> None:
        with locked(path) as lock:
            assert lock.is_held()
            inside.set()
            end.wait(10)

    with locked(path):
        waiting = threading.Thread(target=wait)
        waiting.start()
        time.sleep(3 * locks.POLL_SECONDS)
        remake(path)
    assert inside.wait(10)
    assert held(path), "the file that is there now"
    end.set()
    waiting.join()


HOLDER = """
import sys, time
from pathlib import Path
from labelbench_ray.storage.locks import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_wait_names_the_holder_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any):
    monkeypatch.setattr(locks, "NOTICE_SECONDS", 0.3)
    with subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path / "lock"], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        stop = threading.Timer(1.0, holder.kill)
        stop.start()
        with caplog.at_level(logging.WARNING), locked(tmp_path / "lock"):
            pass
    (record,) = caplog.records
    assert record.getMessage() == (
        f"waiting for {tmp_path / 'lock'}: {socket.gethostname()}, process {holder.pid} holds it; "
        "work here goes on when that process ends"
    )
    stated = json.loads((tmp_path / "lock").read_bytes())
    assert stated == {"host": socket.gethostname(), "process": os.getpid()}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"host": "\xff"}', b'{"host": 1}'])
def test_a_holder_that_did_not_state_its_name_is_waited_for_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any, content: bytes
):
    monkeypatch.setattr(locks, "NOTICE_SECONDS", 0.1)
    path = tmp_path / "lock"
    released = threading.Event()

    def hold() -> None:
        with locked(path):
            path.write_bytes(content)
            taken.set()
            released.wait(10)

    taken = threading.Event()
    thread = threading.Thread(target=hold)
    thread.start()
    assert taken.wait(10)
    threading.Timer(0.5, released.set).start()
    with caplog.at_level(logging.WARNING), locked(path):
        pass
    thread.join()
    assert "a process that does not state its name holds it" in caplog.text


def test_a_wait_for_a_lease_names_the_holder_once(s3: Server, monkeypatch: pytest.MonkeyPatch, caplog: Any):  # noqa: F811
    monkeypatch.setattr(lease, "LEASE_SECONDS", 1.5)
    monkeypatch.setattr(lease, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(lease, "NOTICE_SECONDS", 0.2)
    path = place(s3.uri("trial", "lock"))
    path.create(lease._state("dead", 7))  # type: ignore[attr-defined]
    with caplog.at_level(logging.WARNING), locked(path) as lock:
        assert lock.is_held()
        _, version = path.read_version()  # type: ignore[attr-defined]
        path.swap(lease._state("another", 0), version)  # type: ignore[attr-defined]
        assert not lock.is_held()
        with pytest.raises(LostLockError, match="another run took it over"):
            lock.check()
    (record,) = caplog.records
    assert f"waiting for {path}: {socket.gethostname()}, process {os.getpid()} holds it" in record.getMessage()


# The loser of a lock leaves nothing in the winner's trial.


def step(ledger: Ledger) -> Iterator[int]:
    """A round as a job does it."""
    publish_round(ledger, 0)
    (ledger.directory / CHECKPOINT).unlink()
    yield 1


def test_the_loser_records_no_failure_and_leaves_the_checkpoint(tmp_path: Path):
    directory = tmp_path / "trial"
    with Ledger.open(directory, HEADER) as ledger:
        (directory / CHECKPOINT).write_bytes(b"the winner's")
        remake(directory / "lock")
        with pytest.raises(LostLockError), _recorded(directory, ledger.lock):
            next(step(ledger))
        with pytest.raises(LostLockError), _recorded(directory, ledger.lock):
            raise OSError("whatever else goes wrong by then")
    assert read_failure(directory) is None
    assert (directory / CHECKPOINT).read_bytes() == b"the winner's"


def test_a_round_that_another_run_recorded_is_no_failure_of_the_trial(tmp_path: Path):
    with Ledger.open(tmp_path, HEADER) as ledger:
        publish_round(ledger, 0)
        with pytest.raises(LostLockError, match="another run recorded"), _recorded(tmp_path, ledger.lock):
            publish_round(ledger, 0, chosen=[20, 21, 22, 23])
    assert read_failure(tmp_path) is None


def test_a_failure_of_a_holder_is_recorded(tmp_path: Path):
    with (
        Ledger.open(tmp_path, HEADER) as ledger,
        pytest.raises(OSError, match="disk"),
        _recorded(tmp_path, ledger.lock),
    ):
        raise OSError("disk")
    failure = read_failure(tmp_path)
    assert failure is not None
    assert failure.error.endswith("OSError: disk")  # after where this test raised it, as in a plug-in


def failing(directory: Path) -> None:
    """A worker of this trial ended with an error, as reported to the driver."""
    silent: Any = SimpleNamespace(show=lambda *words: None, console=SimpleNamespace(print=lambda *words, **how: None))
    monitor = SweepMonitor(silent, SimpleNamespace(submit=lambda path: None), "rounds", {directory: 3}, {})  # type: ignore[arg-type]
    job: Any = SimpleNamespace(directory=directory, trial=HEADER.trial)
    monitor.on_failed(job, Failure(error="LostLockError: it lost", traceback=""))


def test_the_driver_of_a_loser_records_no_failure_in_a_finished_trial(tmp_path: Path):
    with Ledger.open(tmp_path / "trial", HEADER) as ledger:
        for number in range(3):
            publish_round(ledger, number)
    failing(tmp_path / "trial")
    assert read_history(tmp_path / "trial").failure is None


def test_the_driver_of_a_loser_records_no_failure_where_the_winner_works(tmp_path: Path):
    with Ledger.open(tmp_path / "trial", HEADER):
        failing(tmp_path / "trial")
        assert read_failure(tmp_path / "trial") is None
    failing(tmp_path / "trial")
    assert read_failure(tmp_path / "trial") is not None, "nobody works on it"


# Links.


@pytest.mark.parametrize(
    "name",
    ["rounds", "rounds/000.json", "rounds/001.safetensors", "lock", "trial.json", "finetune", f"finetune/{TUNED}"],
)
def test_a_link_below_a_trial_s_folder_is_refused_by_readers_and_writers(tmp_path: Path, name: str):
    trial = shutil.copytree(FIXTURES / "be79322/recorded/frozen.frozen" / MARGIN, tmp_path / "runs" / MARGIN)
    header = Header.model_validate_json((trial / "trial.json").read_bytes())
    tuned = FineTuneHeader.model_validate_json((trial / "finetune" / TUNED / "finetune.json").read_bytes())
    elsewhere = tmp_path / "elsewhere"
    (trial / name).rename(elsewhere)
    (trial / name).symlink_to(elsewhere)
    before = hashes(tmp_path)
    message = rf"{name}: is a link to {elsewhere}; records are not read or written through links"
    with pytest.raises(LedgerError, match=message):
        read_history(trial)
    with pytest.raises(LedgerError, match=message), Ledger.open(trial, header):
        pytest.fail("it was opened")
    with pytest.raises(LedgerError, match=message):
        FineTuneLedger.open(trial, tuned)
    assert hashes(tmp_path) == before


def test_a_link_that_leads_nowhere_is_refused_too(tmp_path: Path):
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(LedgerError, match="dangling: is a link to"):
        refuse_links(tmp_path)


def test_the_folder_itself_may_be_a_link_to_a_larger_disk(tmp_path: Path):
    (tmp_path / "large").mkdir()
    (tmp_path / "trial").symlink_to(tmp_path / "large")
    with Ledger.open(tmp_path / "trial", HEADER) as ledger:
        publish_round(ledger, 0)
    assert len(read_history(tmp_path / "trial").records) == 1


# Folders are flushed.


def test_the_folder_is_flushed_after_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    done: list[str] = []
    flush, replace = os.fsync, Path.replace

    def flushed(descriptor: int) -> None:
        done.append(f"flush {os.readlink(f'/proc/self/fd/{descriptor}')}")
        flush(descriptor)

    def replaced(draft: Path, path: Path) -> Path:
        done.append("rename")
        return replace(draft, path)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(Path, "replace", replaced)
    publish(tmp_path / "record.json", b"{}")
    assert done[0].startswith(f"flush {tmp_path}/.record.json.")
    assert done[1:] == ["rename", f"flush {tmp_path}"]


def test_the_files_of_a_round_are_all_written_then_flushed_and_then_renamed_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    done: list[str] = []
    flush, replace = os.fsync, Path.replace

    def flushed(descriptor: int) -> None:
        done.append(f"flush {sum(path.stat().st_size for path in tmp_path.iterdir())}")
        flush(descriptor)

    def replaced(draft: Path, path: Path) -> Path:
        done.append(path.name)
        return replace(draft, path)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(Path, "replace", replaced)
    publish_once(tmp_path / "000.json", b"{}", {tmp_path / "000.safetensors": b"weights"})
    assert done == ["flush 9", "flush 9", "000.safetensors", "000.json", "flush 9"]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "000.json": b"{}",
        "000.safetensors": b"weights",
    }


def test_a_file_system_that_cannot_flush_folders_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    flush = os.fsync

    def flushed(descriptor: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            raise OSError(22, "Invalid argument")
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", flushed)
    publish(tmp_path / "record.json", b"{}")
    assert (tmp_path / "record.json").read_bytes() == b"{}"


def test_a_failure_is_written_where_a_link_was_without_following_it(tmp_path: Path):
    (tmp_path / "elsewhere").write_bytes(b"mine")
    (tmp_path / "failure.json").symlink_to(tmp_path / "elsewhere")
    write_failure(tmp_path, Failure(error="no", traceback=""))
    assert (tmp_path / "elsewhere").read_bytes() == b"mine"
