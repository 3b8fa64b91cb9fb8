"""What ended is handed to the mirror, be it a trial or a fine-tune."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from labelbench_ray.api.follow import SweepMonitor
from labelbench_ray.api.run_plan import submit_tunings
from labelbench_ray.ledger.trials import Failure


@pytest.mark.parametrize("header", ["trial.json", "finetune.json", None])
@pytest.mark.parametrize("failed", [False, True])
def test_what_ended_is_submitted_once_it_has_a_header(tmp_path: Path, header: str | None, failed: bool):
    if header:
        (tmp_path / header).write_text("{}")
    submitted: list[Path] = []
    silent: Any = SimpleNamespace(show=lambda *_: None, console=SimpleNamespace(print=lambda *_, **__: None))
    mirror: Any = SimpleNamespace(submit=submitted.append)
    job: Any = SimpleNamespace(directory=tmp_path, trial=SimpleNamespace(strategy="margin", seed=0, rounds=1))
    monitor = SweepMonitor(silent, mirror, "fine-tunes", {tmp_path: 1}, {})
    if failed:
        monitor.on_failed(job, Failure(error="OSError: disk full", traceback="..."))
    else:
        monitor.on_done(job)
    assert submitted == [tmp_path] * bool(header)


def test_a_trial_that_failed_and_was_done_by_another_worker_has_not_failed(tmp_path: Path):
    silent: Any = SimpleNamespace(show=lambda *_: None, console=SimpleNamespace(print=lambda *_, **__: None))
    job: Any = SimpleNamespace(directory=tmp_path, trial=SimpleNamespace(strategy="margin", seed=0, rounds=1))
    monitor = SweepMonitor(silent, SimpleNamespace(), "fine-tunes", {tmp_path: 1}, {})  # type: ignore[arg-type]
    monitor.on_failed(job, Failure(error="its worker died", traceback=""))
    monitor.on_done(job)
    assert (monitor.failed, monitor.done) == (set(), {tmp_path})


@pytest.mark.parametrize("end", ["on_round", "on_done", "on_failed"])
@pytest.mark.parametrize("trouble", ["foreign", "no why", "down"])
def test_a_place_that_cannot_be_read_does_not_end_the_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str, end: str
):
    submitted: list[Path] = []
    silent: Any = SimpleNamespace(show=lambda *_: None, console=SimpleNamespace(print=lambda *_, **__: None))
    mirror: Any = SimpleNamespace(submit=submitted.append)
    job: Any = SimpleNamespace(directory=tmp_path, trial=SimpleNamespace(strategy="margin", seed=0, rounds=1))
    (tmp_path / "trial.json").write_text("{}")
    (tmp_path / "quarantine" / ("old" if trouble == "foreign" else "9999999999")).mkdir(parents=True)
    monitor = SweepMonitor(silent, mirror, "rounds", {tmp_path: 1}, {})
    if trouble == "down":

        def down(path: Path) -> bool:
            raise OSError("the object store does not answer")

        for name in ("exists", "is_file", "is_dir"):
            monkeypatch.setattr(Path, name, down)
    callback: Any = getattr(monitor, end)
    callback(job, *{"on_round": [1], "on_done": [], "on_failed": [Failure(error="", traceback="")]}[end])
    assert submitted == ([] if end == "on_round" else [tmp_path])


def test_fine_tunes_of_earlier_runs_are_submitted_where_they_have_begun(tmp_path: Path):
    begun, not_begun = (SimpleNamespace(directory=tmp_path / name) for name in ("a", "b"))
    (tmp_path / "a").mkdir()
    (tmp_path / "a/finetune.json").write_text("{}")
    submitted: list[Path] = []
    plan: Any = SimpleNamespace(folder=tmp_path)
    mirror: Any = SimpleNamespace(submit=submitted.append)
    tunings: Any = [begun, not_begun]
    submit_tunings(plan, tunings, mirror)
    assert submitted == [tmp_path / "a"]
