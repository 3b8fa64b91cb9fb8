"""The machine's cache of remote stores: the least recently used goes first, and never what a process uses."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from labelbench_ray.commands.cli import app
from labelbench_ray.errors import ConfigError
from labelbench_ray.storage import machine_cache
from labelbench_ray.storage.machine_cache import entries, evict
from labelbench_ray.storage.memory_maps import check_room, make_once

SIZE = 1_000_000
ON_DISK = SIZE // 4096 * 4096 + 4096
GB = 1e9


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty one; the test's process uses nothing of it afterwards."""
    monkeypatch.setenv("LABELBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(machine_cache.LIMIT, raising=False)
    monkeypatch.setattr(machine_cache, "_held", {})
    return tmp_path / "cache"


def fill(path: Path) -> None:
    path.mkdir()
    (path / "pool.npy").write_bytes(b"1" * SIZE)


def fill_checked(draft: Path) -> None:
    check_room(draft, ON_DISK, "")
    fill(draft)


def made(cache: Path, name: str, used: float) -> Path:
    """An entry as a process that has ended left it."""
    path = cache / f"{name}-store" / "arrays" / name
    make_once(path, fill)
    os.close(machine_cache._held.pop(path))
    os.utime(path.with_name(f".{name}.use"), (used, used))
    return path


def test_the_least_recently_used_goes_first_until_the_rest_fits(cache: Path):
    new, old, middle = made(cache, "new", 300), made(cache, "old", 100), made(cache, "middle", 200)
    assert [entry.path for entry in entries()] == [old, middle, new]
    assert {entry.size for entry in entries()} == {ON_DISK}
    assert [entry.path for entry in evict(2 * ON_DISK)] == [old]
    assert evict(2 * ON_DISK) == []
    assert [entry.path for entry in evict(2 * ON_DISK, needed=ON_DISK)] == [middle]
    assert [entry.path for entry in entries()] == [new]


def test_using_an_entry_again_makes_it_the_last_to_go(cache: Path):
    first, second = made(cache, "first", 100), made(cache, "second", 200)
    make_once(first, fill)
    os.close(machine_cache._held.pop(first))
    assert [entry.path for entry in evict(ON_DISK)] == [second]


def test_what_a_process_uses_stays_until_the_process_ends(cache: Path):
    used, unused = made(cache, "used", 100), made(cache, "unused", 200)
    program = f"""
from pathlib import Path
from labelbench_ray.storage.memory_maps import make_once
make_once(Path({str(used)!r}), None)
print("using", flush=True)
input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "using\n"
        assert {entry.path: entry.in_use for entry in entries()} == {used: True, unused: False}
        assert [entry.path for entry in evict(0)] == [unused]
        assert (used / "pool.npy").is_file()
        process.communicate("\n")
    assert [entry.path for entry in evict(0)] == [used]
    assert not used.exists()
    made(cache, "used", 300)
    assert (used / "pool.npy").is_file()


def test_a_new_entry_keeps_below_the_limit(cache: Path, monkeypatch: pytest.MonkeyPatch):
    made(cache, "old", 100)
    made(cache, "new", 200)
    monkeypatch.setenv(machine_cache.LIMIT, str(2.5 * ON_DISK / GB))
    path = cache / "third-store" / "arrays" / "third"
    make_once(path, fill_checked)
    assert sorted(entry.path.name for entry in entries()) == ["new", "third"]


def test_a_full_disk_is_given_room(cache: Path, monkeypatch: pytest.MonkeyPatch):
    made(cache, "old", 100)
    made(cache, "new", 200)
    free = iter([0, ON_DISK])
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=next(free)))
    check_room(cache / "third-store" / "arrays" / ".third.draft", ON_DISK, "")
    assert [entry.path.name for entry in entries()] == ["new"]


def test_a_store_on_a_disk_is_never_touched(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(machine_cache.LIMIT, "0")
    path = tmp_path / "store" / "key" / "arrays" / "content"
    make_once(path, fill_checked)
    assert sorted(each.name for each in path.parent.iterdir()) == ["content", "lock"]
    assert entries() == evict(0) == []


def test_the_command_shows_and_clears(cache: Path):
    runner = CliRunner()
    path = made(cache, "content", 100)
    shown = runner.invoke(app, ["cache"], standalone_mode=False).output
    assert str(path.relative_to(cache)) in shown
    assert f"{cache}: 1 entry, 0.00 GB, 0 in use" in shown.replace("\n", "")
    cleared = runner.invoke(app, ["cache", "--clear"], standalone_mode=False).output
    assert "deleted 1 entry" in cleared
    assert not path.exists()


@pytest.mark.parametrize("stated", ["much", "-1", "nan"])
def test_a_limit_that_is_not_a_size_is_refused(cache: Path, monkeypatch: pytest.MonkeyPatch, stated: str):
    monkeypatch.setenv(machine_cache.LIMIT, stated)
    with pytest.raises(ConfigError, match=f"{machine_cache.LIMIT}=.*give a number of GB"):
        machine_cache.limit_bytes()
