"""The mirror drives any tracker through four methods, and tries again after an outage."""

import time
from pathlib import Path

import pytest

from labelbench_ray.tracking import mirror as mirrors
from labelbench_ray.tracking.mirror import Mirror
from labelbench_ray.tracking.runs import TrackedRun
from tests.test_tracking import FAILURE, TRIAL, record


class InMemory:
    """A tracker that keeps its calls, after some that fail."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.calls: list[tuple[str, str]] = []
        self.rounds: dict[str, tuple[int, str]] = {}

    def _call(self, name: str, what: str = "") -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.calls.append((name, what))

    def start(self) -> None:
        self._call("start")

    def log(self, run: TrackedRun) -> None:
        self._call("log", run.key)
        self.rounds[run.key] = (len(run.measured), run.status)

    def attach(self, path: Path) -> None:
        self._call("attach", path.name)

    def end(self) -> None:
        self._call("end")


class Refusing(InMemory):
    """A tracker that takes files only."""

    def log(self, run: TrackedRun) -> None:
        raise ValueError("no trials here")


def mirrored(tracker: InMemory, *entries: Path) -> str:
    mirror = Mirror(
        lambda: tracker, lambda error: isinstance(error, ConnectionError), "A list", "memory://user:pw@here"
    )
    for entry in entries:
        mirror.submit(entry)
    return mirror.finish(60)


@pytest.fixture
def entries(tmp_path: Path) -> tuple[Path, Path]:
    """A failed trial and a page."""
    (tmp_path / "report.html").write_text("<html>")
    return record(tmp_path, TRIAL, rounds=1, failure=FAILURE), tmp_path / "report.html"


def test_a_tracker_is_started_given_every_entry_and_ended(entries: tuple[Path, Path]):
    tracker = InMemory()
    assert mirrored(tracker, *entries) == ""
    trial, _ = entries
    assert tracker.calls == [("start", ""), ("log", trial.name), ("attach", "report.html"), ("end", "")]
    assert tracker.rounds == {trial.name: (1, "FAILED")}


@pytest.mark.parametrize("outages", [1, 4])
def test_after_an_outage_it_is_started_again_and_nothing_is_missing(
    entries: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, outages: int
):
    monkeypatch.setattr(mirrors, "FIRST_PAUSE", 0.01)
    tracker = InMemory()
    mirror = Mirror(lambda: tracker, lambda error: isinstance(error, ConnectionError), "A list", "memory://here")
    mirror.submit(entries[0])
    while not tracker.rounds:
        time.sleep(0.01)
    tracker.failures = [ConnectionError("down")] * outages
    mirror.submit(entries[1])
    assert mirror.finish(60) == ""
    assert ("attach", "report.html") in tracker.calls
    assert tracker.calls[-1] == ("end", "")
    assert tracker.calls.count(("start", "")) == 2


def test_an_entry_that_it_refuses_is_named_without_secrets_and_the_rest_is_written(entries: tuple[Path, Path]):
    tracker = Refusing()
    problem = mirrored(tracker, *entries)
    assert problem == f"A list at memory://***@here refused {entries[0].name}: ValueError: no trials here"
    assert tracker.calls == [("start", ""), ("attach", "report.html"), ("end", "")]
