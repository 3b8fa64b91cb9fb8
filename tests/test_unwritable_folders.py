"""Folders that cannot be written are refused before anything runs."""

import errno
import os
from pathlib import Path

import pytest

from labelbench_ray.commands import cli
from labelbench_ray.errors import ConfigError
from labelbench_ray.storage.folders import make_folder

ROOT = Path(__file__).parent.parent
NOWHERE = "/proc/labelbench"
"""No user can make it."""
RUN = ("run", str(ROOT / "experiments/quickstart.py"), "--tiny", "--executor", "local")


@pytest.mark.parametrize("option", ["--runs", "--store"])
def test_of_a_run(option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LABELBENCH_TRACKING_URI", "http://127.0.0.1:9")
    rule = rf"^{NOWHERE}\S* cannot be made \(No such file or directory\); give a folder that can be written$"
    with pytest.raises(ConfigError, match=rule):
        cli.app([*RUN, option, NOWHERE], standalone_mode=False)


def test_that_is_there_and_belongs_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(ConfigError, match="cannot be written by this user; give another folder, or change its perm"):
        make_folder(tmp_path)


def test_a_full_disk_is_not_the_user_s_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(OSError, match="No space left"):
        make_folder(tmp_path / "new")
