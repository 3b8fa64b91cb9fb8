"""Output that is closed, full, cut or not UTF-8: commands end with their status and at most one line. No Ray."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LIST, WRONG = ("list", "strategies"), ("list", "strategy")
EXPERIMENT = """
from labelbench_ray.config import Trial

def go() -> list[Trial]:
    return [Trial(dataset="digits", encoder="pixels", strategy="random", seed=0, rounds=1, budget=10)]
"""


def shell(
    folder: Path, words: tuple[str, ...], redirected: str, **environment: str
) -> "subprocess.CompletedProcess[str]":
    """`labelbench ...` with its streams redirected as a shell does."""
    (folder / "labelbench").write_text(f'#!/bin/bash\nexec {sys.executable} -m labelbench_ray "$@"\n')
    (folder / "labelbench").chmod(0o755)
    return subprocess.run(
        ["bash", "-c", f'set -o pipefail; ./labelbench "$@" {redirected}', "bash", *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        errors="surrogateescape",
        timeout=120,
    )


@pytest.mark.parametrize(
    ("words", "redirected", "status", "lines"),
    [
        (("--help",), ">&-", 0, 0),
        (LIST, ">&-", 0, 0),
        (LIST, "<&- >&-", 0, 0),
        (("--help",), "> /dev/full", 1, 1),
        (LIST, "> /dev/full", 1, 1),
        (LIST, "| true", 1, 0),
        (("--help",), "| true", 1, 0),
        (WRONG, "2>&-", 2, 0),
        (WRONG, "2> /dev/full", 2, 0),
        (("status", "nowhere"), "2> /dev/full", 2, 0),
        (("status", "nowhere"), ">&- 2>&-", 2, 0),
        (("status", "nowhere"), "> /dev/full", 2, 1),
    ],
)
def test_output_that_cannot_be_written_ends_no_command_in_a_traceback(
    tmp_path: Path, words: tuple[str, ...], redirected: str, status: int, lines: int
):
    ended = shell(tmp_path, words, redirected)
    assert ended.returncode == status, ended.stderr
    assert len(ended.stderr.splitlines()) == lines, ended.stderr
    if "full" in redirected and status == 1:
        assert ended.stderr == "OSError: [Errno 28] No space left on device\n"


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    ],
)
def test_a_character_that_the_encoding_lacks_is_replaced(tmp_path: Path, environment: dict[str, str]):
    (tmp_path / "übung.py").write_text(EXPERIMENT)
    ended = shell(tmp_path, ("plan", "übung.py"), "", **environment)
    assert ended.returncode == 0, ended.stderr
    assert "bung.go: 1 trials, 0 done, 1 to run" in ended.stdout
    assert ended.stdout.isascii()
    assert not ended.stderr


def test_signs_of_numbers_survive_an_encoding_that_lacks_them(tmp_path: Path):
    program = (
        "from labelbench_ray.console.standard_streams import open_streams; open_streams(); "
        "print('\\u22120.1\\u00a0% ± 2 \\u2265 3 ü')"
    )
    line = [sys.executable, "-c", program]
    alone = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"}
    ended = subprocess.run(line, env=alone, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert ended.stdout == "-0.1 % +- 2 >= 3 ?\n"


def test_a_file_that_is_opened_never_gets_the_number_of_a_closed_stream(tmp_path: Path):
    program = (
        "import os; from labelbench_ray.console.standard_streams import open_streams; open_streams(); "
        "print('for people'); print('for people', file=__import__('sys').stderr); "
        f"os._exit(os.open({str(tmp_path / 'record')!r}, os.O_CREAT | os.O_WRONLY))"
    )
    ended = subprocess.run(
        ["bash", "-c", f'{sys.executable} -c "$1" <&- >&- 2>&-', "bash", program],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert ended.returncode > 2
