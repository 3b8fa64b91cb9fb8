"""The event log: a line of JSON for everything that happens to a trial, and never a trial lost for want of it."""

import io
import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from labelbench_ray.api.follow import SweepMonitor
from labelbench_ray.console.events import Event, Events, events_file, logged
from labelbench_ray.environment import Environment
from labelbench_ray.ledger.trials import Failure
from tests.memory_trials import HEADER, TRIAL, run
from tests.test_quarantine import flip_a_bit

EXPERIMENT = "study.grid"


def environment(folder: Path, **changed: Any) -> Environment:
    return Environment(runs=folder / "runs", store=folder, data_root=folder, tracking_uri="", address=None, **changed)


def lines(folder: Path) -> list[dict[str, Any]]:
    text = (folder / "runs" / "study.grid" / "events.jsonl").read_text()
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def monitor(directory: Path, unit: str = "rounds", before: int = 0) -> SweepMonitor:
    silent: Any = SimpleNamespace(show=lambda *_: None, console=Console(file=io.StringIO()))
    mirror: Any = SimpleNamespace(submit=lambda _: None)
    done = {directory: before} if before else {}
    return SweepMonitor(silent, mirror, unit, {directory: TRIAL.rounds}, done, events=Events("study.grid"))


def job(directory: Path) -> Any:
    return SimpleNamespace(directory=directory, trial=TRIAL)


def test_a_trial_s_life_is_logged_line_by_line(tmp_path):
    directory = tmp_path / "runs" / "study.grid" / HEADER.fingerprint
    run(directory)
    with logged(EXPERIMENT, environment(tmp_path), Console()):
        sweep = monitor(directory)
        sweep.on_started(job(directory))
        sweep.on_round(job(directory), 1)
        sweep.on_started(job(directory))
        sweep.on_round(job(directory), 3)  # those between two reports are logged, too
        sweep.on_done(job(directory))
    found = lines(tmp_path)
    assert [(line["event"], line.get("round")) for line in found] == [
        ("trial_started", None),
        ("round_recorded", 0),
        ("trial_taken_up", None),
        ("round_recorded", 1),
        ("round_recorded", 2),
        ("round_recorded", 3),
        ("trial_done", None),
    ]
    for line in found:
        assert next(iter(line)) == "time"
        when = datetime.fromisoformat(line["time"])
        assert abs((datetime.now(UTC) - when).total_seconds()) < 60
        assert {key: line[key] for key in ("experiment", "trial", "strategy", "seed")} == {
            "experiment": "study.grid",
            "trial": HEADER.fingerprint,
            "strategy": "margin",
            "seed": 0,
        }
    assert found[1].keys() == {
        *(
            "time",
            "event",
            "experiment",
            "trial",
            "strategy",
            "seed",
            "round",
            "num_labeled",
            "seconds",
            "test_accuracy",
        )
    }
    assert [line["num_labeled"] for line in found if "round" in line] == [5, 10, 15, 20]
    assert found[2]["rounds_done"] == 1


def test_rounds_of_earlier_runs_are_not_logged_again(tmp_path):
    directory = tmp_path / HEADER.fingerprint
    run(directory)
    with logged(EXPERIMENT, environment(tmp_path), Console()):
        sweep = monitor(directory, before=3)
        sweep.on_started(job(directory))
        sweep.on_done(job(directory))
    assert [line.get("round") for line in lines(tmp_path)] == [None, 3, None]


def test_what_is_set_aside_is_logged_with_its_reason(tmp_path):
    directory = tmp_path / HEADER.fingerprint
    run(directory)
    flip_a_bit(directory / "rounds" / "002.json")
    with logged(EXPERIMENT, environment(tmp_path), Console()):
        sweep = monitor(directory)
        run(directory)
        sweep.on_done(job(directory))
        sweep.on_done(job(directory))
    (line,) = (line for line in lines(tmp_path) if line["event"] == "set_aside")
    assert "002.json" in line["reason"]
    assert "rounds/003.json" in line["files"]
    printed = sweep.shown.console.file.getvalue()  # type: ignore[attr-defined]
    assert "002.json" in printed


def test_a_failure_of_many_lines_is_one_line(tmp_path):
    with logged(EXPERIMENT, environment(tmp_path), Console()):
        failure = Failure(error="OSError: first\nsecond \u2028 \x00 third", traceback="")
        monitor(tmp_path / "a").on_failed(job(tmp_path / "a"), failure)
    (line,) = lines(tmp_path)
    assert (line["event"], line["error"]) == ("trial_failed", failure.error)


def test_a_second_run_appends(tmp_path):
    for _ in range(2):
        with logged(EXPERIMENT, environment(tmp_path), Console()) as events:
            events.log(Event.INTERRUPTED, unfinished=3)
    assert len(lines(tmp_path)) == 2


def test_a_line_is_there_at_once(tmp_path):
    with logged(EXPERIMENT, environment(tmp_path), Console()) as events:
        events.log(Event.INTERRUPTED)
        assert len(lines(tmp_path)) == 1


def test_outside_nothing_is_written_and_nothing_reaches_the_root_logger(tmp_path, capfd, monkeypatch):
    reached: list[logging.LogRecord] = []
    root = logging.Handler()
    monkeypatch.setattr(root, "emit", reached.append)
    monkeypatch.setattr(logging.getLogger(), "handlers", [root])
    Events("study.grid").log(Event.INTERRUPTED)
    with logged(EXPERIMENT, environment(tmp_path), Console()) as events:
        events.log(Event.INTERRUPTED)
    assert not reached
    assert capfd.readouterr() == ("", "")


def test_a_file_that_cannot_be_written_is_said_once_and_stops_nothing(tmp_path, capsys):
    (tmp_path / "runs").write_text("a file where a folder should be")
    with logged(EXPERIMENT, environment(tmp_path), Console()) as events:
        for _ in range(3):
            events.log(Event.INTERRUPTED)
    assert capsys.readouterr().err.count("events are not written") == 1


def test_a_full_disk_is_said_once_and_stops_nothing(tmp_path, capsys):
    with logged(EXPERIMENT, environment(tmp_path, events="/dev/full"), Console()) as events:
        for _ in range(3):
            events.log(Event.INTERRUPTED)
    assert capsys.readouterr().err.count("No space left on device") == 1


def test_standard_error_where_the_ledger_is_an_object_store(tmp_path, capfd):
    assert events_file(tmp_path, "a.b") == tmp_path / "a.b" / "events.jsonl"
    remote: Any = type("Remote", (), {"__str__": lambda self: "s3://bucket/runs"})()
    assert events_file(remote, "a.b") == "-"
    with logged(EXPERIMENT, environment(tmp_path, events="-"), Console()) as events:
        events.log(Event.INTERRUPTED)
    assert json.loads(capfd.readouterr().err)["event"] == "interrupted"


@pytest.mark.parametrize("verbose", [True, False])
def test_events_are_printed_if_asked_for(tmp_path, verbose: bool):
    directory = tmp_path / HEADER.fingerprint
    run(directory)
    console = Console(file=io.StringIO(), width=200)
    with logged(EXPERIMENT, environment(tmp_path, verbose=verbose), console):
        sweep = monitor(directory)
        sweep.on_round(job(directory), 1)
        sweep.on_failed(job(directory), Failure(error="OSError: [full]", traceback=""))
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    if not verbose:
        assert printed == ""
    else:
        assert "margin, seed 0: round recorded 0, 5 labels, test accuracy 0." in printed
        assert "margin, seed 0: trial failed: OSError: [full]" in printed
