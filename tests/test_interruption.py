"""Signals, received by real processes: what they print, and what they exit with. No Ray: see tests/ray."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from labelbench_ray.console import interruption

# The package that lies beside this test, in whatever folder the commands run.
LIMIT_SECONDS = 40
"""On a busy machine; a command that is not ended naps for 60 s."""
HERE = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
GOES_ON = "what is finished is recorded, and the same command goes on: "
SLOW = """
import time
from pathlib import Path
from labelbench_ray.config import Trial

def slow() -> list[Trial]:
    for _ in range({naps}):
        try:
            Path("reached").touch()
            time.sleep(60)
        except KeyboardInterrupt:
            if {naps} == 1:
                raise
            Path("swallowed").touch()
"""


def started(folder: Path, naps: int, patience: float = 15.0) -> "subprocess.Popen[str]":
    """`labelbench plan` of an experiment that takes minutes to be listed; swallows `naps` interrupts if more than 1."""
    (folder / "slow.py").write_text(SLOW.format(naps=naps))
    program = (
        f"import sys; sys.argv[:] = ['labelbench', 'plan', 'slow.py']; "
        "from labelbench_ray import __main__; from labelbench_ray.console import interruption; "
        f"interruption.ENDING_SECONDS = {patience}; __main__.main()"
    )
    process = begin(program, folder)
    wait_for(folder / "reached")
    return process


def begin(program: str, folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", program], cwd=folder, env=HERE, stderr=subprocess.PIPE, text=True)


def wait_for(path: Path) -> None:
    limit = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < limit, path
        time.sleep(0.02)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_command_with_one_line(tmp_path: Path, number: signal.Signals, status: int) -> None:
    process = started(tmp_path, naps=1)
    process.send_signal(number)
    errors = process.communicate(timeout=LIMIT_SECONDS)[1]
    assert process.returncode == status
    assert errors.strip() == f"interrupted by {number.name}; {GOES_ON}labelbench plan slow.py"


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    process = started(tmp_path, naps=3)
    process.send_signal(signal.SIGINT)
    wait_for(tmp_path / "swallowed")
    process.send_signal(signal.SIGINT)
    errors = process.communicate(timeout=LIMIT_SECONDS)[1]
    assert errors.strip() == f"ended at once by a second signal, SIGINT; {GOES_ON}labelbench plan slow.py"
    assert process.returncode == 130


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_right_after_the_first_states_how_to_go_on(tmp_path: Path, number: signal.Signals) -> None:
    process = started(tmp_path, naps=1)
    process.send_signal(number)
    process.send_signal(number)
    errors = process.communicate(timeout=LIMIT_SECONDS)[1]
    assert process.returncode == 128 + number
    assert errors.strip().endswith(f"; {GOES_ON}labelbench plan slow.py")
    assert "Traceback" not in errors


def test_it_ends_with_its_status_where_nobody_reads_the_words(tmp_path: Path) -> None:
    with started(tmp_path, naps=1) as process:
        assert process.stderr is not None
        process.stderr.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=LIMIT_SECONDS) == 143


def test_an_interrupt_that_something_swallows_ends_it_all_the_same(tmp_path: Path) -> None:
    process = started(tmp_path, naps=2, patience=0.3)
    process.send_signal(signal.SIGTERM)
    errors = process.communicate(timeout=LIMIT_SECONDS)[1]
    assert process.returncode == 143
    assert errors.startswith("interrupted by SIGTERM")
    assert errors.strip().endswith("it did not end in time")


def test_a_signal_while_modules_are_imported(tmp_path: Path) -> None:
    """A module that takes a minute to import stands for all that the command line imports."""
    (tmp_path / "click.py").write_text("import pathlib, time\npathlib.Path('reached').touch()\ntime.sleep(60)\n")
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from labelbench_ray.__main__ import main; main()"
    process = begin(program, tmp_path)
    wait_for(tmp_path / "reached")
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=LIMIT_SECONDS)[1].startswith("interrupted by SIGINT; ")
    assert process.returncode == 130


def test_signals_that_a_process_was_started_to_ignore_stay_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interruption.handling_signals():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_nobody_replaces_the_handlers_inside() -> None:
    with interruption.handling_signals() as interrupted:
        with interruption.handlers_kept():
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        assert signal.getsignal(signal.SIGTERM) is interrupted


def test_the_command_is_quoted_and_shows_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["run", "my file.py", "--tracking-uri", "postgresql://ann:s3cret@host/db"]
    monkeypatch.setattr(sys, "argv", ["/bin/labelbench", *words])
    monkeypatch.delenv(interruption.JOB_VARIABLE, raising=False)
    says = "labelbench run 'my file.py' --tracking-uri 'postgresql://***@host/db'"
    assert interruption.how_to_go_on() == GOES_ON + says
    for address in ("postgresql://host/db?user=ann&password=s3cret", "http://ann:s3/cr@et@host", "http://s3cret@host"):
        monkeypatch.setattr(sys, "argv", ["/bin/labelbench", "run", f"--tracking-uri={address}"])
        assert not {"s3cret", "cr@et"} & {part for part in ("s3cret", "cr@et") if part in interruption.how_to_go_on()}
    monkeypatch.setenv(interruption.JOB_VARIABLE, "{}")
    assert "submit the same entrypoint again" in interruption.how_to_go_on()
