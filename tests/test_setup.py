"""`make setup`: which Python it takes, when `.venv` is made anew, and that it leaves nothing where it cannot go on.

Interpreters here are scripts that state a version and log what they are asked for, so that nothing is installed.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
INTERPRETER = """#!/bin/sh
# Python {version}
if [ "$1" = -c ]; then
  exec {real} -c 'import sys; sys.version_info = {version_info}; exec(sys.argv[1])' "$2"
fi
[ "$1 $2" = "-m venv" ] || exit 3
echo "venv {version}" >> "{log}"
mkdir -p "$3/bin"
cp "$0" "$3/bin/python"
printf '#!/bin/sh\\necho pip >> "{log}"\\n' > "$3/bin/pip"
chmod +x "$3/bin/pip"
"""

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkout with the files that `make setup` reads."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def interpreter(folder: Path, version: str) -> Path:
    """A Python that states this version."""
    path = folder / f"python{version}"
    version_info = tuple(map(int, version.split(".")))
    path.write_text(
        INTERPRETER.format(version=version, version_info=version_info, real=sys.executable, log=folder / "log")
    )
    path.chmod(0o755)
    return path


def setup(folder: Path, *words: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run it; `path`: what `python3` is."""
    (folder / "bin").mkdir(exist_ok=True)
    shutil.copy(path or interpreter(folder, "3.12.1"), folder / "bin/python3")
    environment = {"PATH": f"{folder / 'bin'}:/usr/bin:/bin"}
    return subprocess.run(
        ["make", "setup", *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def log(folder: Path) -> list[str]:
    """What the interpreters were asked for, since the last call."""
    found = (folder / "log").read_text().splitlines() if (folder / "log").exists() else []
    (folder / "log").write_text("")
    return found


@pytest.mark.parametrize("explicit", [True, False])
def test_a_python_that_is_too_old_is_refused_in_one_line(folder: Path, explicit: bool) -> None:
    old = interpreter(folder, "3.10.13")
    done = setup(folder, f"PYTHON={old}") if explicit else setup(folder, path=old)
    assert done.returncode != 0
    lines = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    ours = [line for line in done.stderr.splitlines() if "needs Python 3.11 or newer" in line]
    assert lines == []
    assert len(ours) == 1
    assert "is 3.10.13" in ours[0]
    assert not (folder / ".venv").exists()
    assert log(folder) == []


def test_a_python_that_is_not_there_is_refused(folder: Path) -> None:
    done = setup(folder, f"PYTHON={folder}/nowhere")
    assert done.returncode != 0
    assert "nowhere is not there" in done.stderr
    assert not (folder / ".venv").exists()


def test_a_new_checkout_gets_a_venv_once(folder: Path) -> None:
    assert setup(folder).returncode == 0
    assert log(folder) == ["venv 3.12.1", "pip"]
    assert setup(folder).returncode == 0
    assert log(folder) == []


def test_a_venv_of_another_python_is_kept_unless_one_is_given(folder: Path) -> None:
    setup(folder, path=interpreter(folder, "3.11.7"))
    log(folder)
    assert setup(folder, path=interpreter(folder, "3.13.0")).returncode == 0
    assert log(folder) == []
    assert setup(folder, f"PYTHON={interpreter(folder, '3.11.7')}").returncode == 0
    assert log(folder) == []
    assert setup(folder, f"PYTHON={interpreter(folder, '3.13.0')}").returncode == 0
    assert log(folder) == ["venv 3.13.0", "pip"]


def test_a_venv_is_kept_where_the_given_python_is_too_old(folder: Path) -> None:
    setup(folder)
    log(folder)
    assert setup(folder, f"PYTHON={interpreter(folder, '3.10.13')}").returncode != 0
    assert (folder / ".venv/.installed").exists()


@pytest.mark.parametrize("damage", ["missing", "too old"])
def test_a_venv_without_a_usable_python_is_made_anew(folder: Path, damage: str) -> None:
    setup(folder)
    log(folder)
    python = folder / ".venv/bin/python"
    python.unlink() if damage == "missing" else shutil.copy(interpreter(folder, "3.9.18"), python)
    assert setup(folder).returncode == 0
    assert log(folder) == ["venv 3.12.1", "pip"]


def test_a_change_of_the_requirements_installs_again(folder: Path) -> None:
    setup(folder)
    log(folder)
    later = (folder / ".venv/.installed").stat().st_mtime + 10
    os.utime(folder / "pyproject.toml", (later, later))
    assert setup(folder).returncode == 0
    assert log(folder) == ["pip"]
