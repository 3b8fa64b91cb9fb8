"""A disk that is full or read-only: files are as they were, the message names them, and the same run goes on later."""

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from labelbench_ray.errors import LedgerError
from labelbench_ray.storage.atomic import publish
from tests.memory_trials import HEADER, chosen_and_measured, numbers, run


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB, where mounting one is allowed."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path) -> Path:
    """Leave no byte free."""
    filler = folder / "filler"
    with pytest.raises(OSError, match="No space left"):
        filler.write_bytes(bytes(2**21))
    return filler


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_full_disk_leaves_the_old_file_and_names_it(small_disk):
    publish(small_disk / "record.json", b"whole")
    fill(small_disk)
    before = contents(small_disk)
    for name in ("record.json", "new.json"):
        with pytest.raises(OSError, match=rf"No space left on device, so it was not written; .*{name}"):
            publish(small_disk / name, bytes(5000))
    assert contents(small_disk) == before


def test_a_disk_that_became_read_only_leaves_the_old_file_and_names_it(small_disk):
    publish(small_disk / "record.json", b"whole")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(OSError, match=r"Read-only file system, so it was not written; .*/record\.json"):
        publish(small_disk / "record.json", b"never seen")
    assert contents(small_disk) == {"record.json": b"whole"}


def test_a_trial_on_a_full_disk_fails_by_name_and_goes_on_where_it_was(small_disk, tmp_path):
    run(tmp_path / "undisturbed")
    run(small_disk / "trial", rounds=2)
    filler = fill(small_disk)
    before = contents(small_disk)
    with pytest.raises(OSError, match="No space left"):
        run(small_disk / "trial")
    assert contents(small_disk) == before
    filler.unlink()
    assert numbers(run(small_disk / "trial")) == [2, 3]
    assert chosen_and_measured(small_disk / "trial") == chosen_and_measured(tmp_path / "undisturbed")


@pytest.mark.parametrize("reason", [errno.ENOSPC, errno.EROFS, errno.EIO])
@pytest.mark.parametrize("sound", range(18))
def test_whichever_write_fails_the_trial_goes_on_to_the_same(tmp_path, monkeypatch, sound: int, reason: int):
    """Of its header, then of each round: its files are flushed, renamed, and their folder flushed."""
    run(tmp_path / "undisturbed")
    left = iter(range(sound))
    fsync = os.fsync

    def failing(file: int) -> None:
        if next(left, None) is None:
            raise OSError(reason, os.strerror(reason))
        fsync(file)

    with monkeypatch.context() as full:
        full.setattr(os, "fsync", failing)
        with pytest.raises(OSError, match=os.strerror(reason)) as raised:
            run(tmp_path / "trial")
    assert str(tmp_path / "trial") in str(raised.value)
    assert not list((tmp_path / "trial").rglob(".*.draft"))
    of_header, of_a_round = 2, 4
    recorded = max(0, sound - of_header + 1) // of_a_round  # where flushing the folder fails, they are in their place
    assert numbers(run(tmp_path / "trial")) == list(range(recorded, 4))
    assert chosen_and_measured(tmp_path / "trial") == chosen_and_measured(tmp_path / "undisturbed")


def test_a_full_disk_is_not_taken_for_damage(tmp_path, monkeypatch):
    """What cannot be read now may be whole: nothing is set aside."""
    run(tmp_path)
    read = Path.read_bytes

    def broken(path: Path) -> bytes:
        if path.name == "002.json":
            raise OSError(errno.EIO, "Input/output error", str(path))
        return read(path)

    with monkeypatch.context() as failing:
        failing.setattr(Path, "read_bytes", broken)
        with pytest.raises(OSError, match="Input/output error") as raised:
            run(tmp_path)
        assert not isinstance(raised.value, LedgerError)
    assert not (tmp_path / "quarantine").exists()
    assert run(tmp_path) == []
    assert len(chosen_and_measured(tmp_path)) == HEADER.trial.rounds
