"""The queue of a sweep's jobs: each is taken once, returned when its worker dies, and fails when that goes on."""

import sys
import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from labelbench_ray.cluster import slots, sweep
from labelbench_ray.cluster.job_queue import JobQueue
from labelbench_ray.cluster.job_steps import Attempt
from labelbench_ray.cluster.limits import Limits
from labelbench_ray.cluster.reports import Done, Failed, Recorded, Report, Started
from labelbench_ray.environment import Environment

JOBS = ["first", "second", "third"]


def queue(jobs: int) -> JobQueue[str]:
    return JobQueue(jobs, started="started", died="died", most_deaths=1)


class Driver:
    """Asks for reports as the driver does: each answer is acknowledged by the next call."""

    def __init__(self, jobs: JobQueue[str]) -> None:
        self.jobs, self.token, self.end, self.unfinished = jobs, "", 0, 0

    def reports(self) -> list[tuple[int, str]]:
        found = self.jobs.reports(self.token, self.end)
        self.token, self.end, self.unfinished = found.token, found.end, found.unfinished
        return found.reports


def test_slots_take_the_jobs_in_order_and_all_that_they_report_arrives_once():
    jobs = queue(3)
    driver = Driver(jobs)
    assert [jobs.take("a", None), jobs.take("b", None)] == [0, 1]
    assert jobs.report(1, "a round")
    assert jobs.take("b", (1, "done")) == 2
    assert driver.reports() == [(0, "started"), (1, "started"), (1, "a round"), (1, "done"), (2, "started")]
    assert driver.unfinished == 2
    assert jobs.take("a", (0, "done")) is None
    assert jobs.take("b", (2, "done")) is None
    assert driver.reports() == [(0, "done"), (2, "done")]
    assert (driver.reports(), driver.unfinished) == ([], 0)


def test_the_job_of_a_worker_that_died_is_taken_next_and_fails_once_it_died_too_often():
    jobs = queue(3)
    driver = Driver(jobs)
    assert jobs.take("a", None) == 0
    assert jobs.return_job("a") == 0
    assert driver.reports() == [(0, "started")]
    assert driver.unfinished == 3
    assert jobs.take("b", None) == 0
    assert jobs.return_job("b") == 0
    assert driver.reports() == [(0, "started"), (0, "died")]
    assert jobs.take("c", None) == 1


def test_a_worker_that_dies_between_two_jobs_takes_none_with_it():
    jobs = queue(2)
    jobs.take("a", None)
    assert jobs.take("a", (0, "done")) == 1
    assert jobs.take("a", (1, "done")) is None
    assert jobs.return_job("a") is None
    assert jobs.return_job("never began") is None
    assert jobs.reports("", 0).unfinished == 0


def test_jobs_that_wait_fail_when_no_worker_stays_alive():
    jobs = queue(2)
    jobs.fail_waiting("no worker")
    assert jobs.reports("", 0).reports == [(0, "no worker"), (1, "no worker")]
    assert jobs.take("a", None) is None


def test_a_queue_that_ends_gives_no_further_job_and_asks_the_others_to_end():
    jobs = queue(3)
    assert jobs.take("a", None) == 0
    jobs.end()
    assert not jobs.report(0, "a round")
    assert jobs.take("a", (0, "paused")) is None
    assert jobs.reports("", 0).unfinished == 2


def test_a_queue_that_was_started_again_accepts_the_end_of_a_job_that_it_never_gave():
    jobs = queue(2)
    assert jobs.take("a", (1, "done")) == 0
    assert jobs.reports("", 0).reports == [(1, "done"), (0, "started")]
    assert jobs.take("a", (0, "done")) is None, "the other one has ended"
    assert jobs.reports("", 0).unfinished == 0


def test_calls_that_are_repeated_have_the_same_effect():
    jobs = queue(2)
    driver = Driver(jobs)
    assert [jobs.take("a", None), jobs.take("a", None)] == [0, 0]
    assert [jobs.take("a", (0, "done")), jobs.take("a", (0, "done"))] == [1, 1]
    assert [jobs.return_job("a"), jobs.return_job("a")] == [1, 1], "one death"
    assert jobs.take("b", None) == 1
    assert [jobs.take("b", (1, "done")), jobs.take("b", (1, "done"))] == [None, None]
    all_of_them = [(0, "started"), (0, "done"), (1, "started"), (1, "started"), (1, "done")]
    assert [jobs.reports("", 0).reports, driver.reports()] == [all_of_them, all_of_them]
    token, end = driver.token, driver.end
    jobs.report(1, "late")
    assert [jobs.reports(token, end).reports, driver.reports()] == [[(1, "late")], [(1, "late")]]
    assert jobs.reports(token, end).reports == [(1, "late")], "what was not acknowledged stays"


def test_a_call_that_arrives_after_its_worker_was_reported_dead_takes_no_job():
    jobs = queue(1)
    assert jobs.return_job("a") is None
    assert jobs.take("a", None) is None
    assert jobs.take("b", None) == 0
    assert jobs.return_job("b") == 0
    assert jobs.take("b", (0, "done")) is None
    assert jobs.take("c", None) == 0


def test_a_queue_that_was_started_again_takes_over_what_the_driver_knows():
    jobs = queue(4)
    assert jobs.take("dead", None) == 0, "before the driver knows that the queue was lost"
    jobs.restore({1}, {"before": 2, "dead": 0}, False)
    assert jobs.take("a", None) == 0
    assert jobs.take("b", None) == 2
    assert jobs.take("c", None) == 3
    assert jobs.return_job("b") == 2
    assert jobs.reports("", 0).reports[-1] == (2, "died"), "deaths of before count"
    jobs.restore(set(), {}, True)
    assert not jobs.report(3, "a round")
    assert jobs.take("c", (3, "paused")) is None


class Method:
    """A method of an actor; `ray.get` is the identity here."""

    def __init__(self, method: Any) -> None:
        self.remote = method


class Actor:
    """The handle of a queue in this process; the queue may be replaced, as Ray does when its process is lost."""

    def __init__(self, jobs: int) -> None:
        self.start(jobs)

    def start(self, jobs: int) -> None:
        self.queue: JobQueue[Report] = JobQueue(jobs, Started(), Failed("died", ""), 1)

    def __getattr__(self, name: str) -> Method:
        return Method(lambda *arguments: getattr(self.queue, name)(*arguments))


class Callbacks:
    """What reached the user."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, object]] = []
        self.is_ending = False

    def should_end(self) -> bool:
        return self.is_ending

    def __getattr__(self, name: str) -> Any:
        return lambda job, *arguments: self.seen.append((name, job))


@pytest.fixture
def driven(monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Actor, Any]:
    monkeypatch.setattr(slots, "_answer", lambda answer: answer)
    queue, callbacks = Actor(3), Callbacks()
    jobs: Any = JOBS
    handle: Any = queue
    driver: Any = slots._Slots(jobs, handle, callbacks, lambda: 2)  # type: ignore[arg-type]
    return driver, queue, callbacks


def test_the_driver_restores_a_queue_that_was_started_again(driven: tuple[Any, Actor, Any]):
    driver, actor, callbacks = driven
    assert actor.queue.take("a", None) == 0
    assert actor.queue.take("a", (0, Done())) == 1
    driver.poll()
    driver.on_trial_error(0, [], SimpleNamespace(trial_id="a", get_error=lambda: None))
    assert callbacks.seen == [("on_started", "first"), ("on_done", "first"), ("on_started", "second")]
    callbacks.is_ending = True
    actor.start(3)
    driver.poll()
    driver.poll()
    assert actor.queue.take("b", None) is None, "it is ending"
    assert not actor.queue.report(1, Recorded(1))
    assert driver.generator.max_concurrent == 2, "one of three has ended"
    assert actor.queue.return_job("a") == 1


def test_the_queue_is_killed_when_the_sweep_is_interrupted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """In the user's own Ray nothing else ends the workers: Tune does not clean up after a `KeyboardInterrupt`."""
    actor, killed = Actor(1), []

    class Interrupted:
        def __init__(self, *arguments: object, **options: object) -> None:
            pass

        def fit(self) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr(slots, "_start_queue", lambda jobs: actor)
    monkeypatch.setattr(slots, "Tuner", Interrupted)
    monkeypatch.setattr(slots.tune, "with_parameters", lambda function, work: function)
    monkeypatch.setattr(slots.ray, "kill", killed.append)
    jobs: Any = JOBS
    callbacks: Any = Callbacks()
    with pytest.raises(KeyboardInterrupt):
        slots.run_in_slots(jobs, [{"CPU": 1}], Attempt(Limits(), "one"), callbacks, lambda: 1, str(tmp_path))
    assert killed == [actor]


def test_waiting_jobs_state_why_no_worker_could_start(driven: tuple[Any, Actor, Any]):
    driver, actor, callbacks = driven
    error = 'Failure # 1 (occurred at noon)\nTraceback (most recent call last):\n  File "x"\nImportError: no torch\n'
    for number in range(7):
        driver.on_trial_error(0, [], SimpleNamespace(trial_id=str(number), get_error=lambda: error))
    assert callbacks.seen == [("on_failed", job) for job in JOBS]
    failed = actor.queue.reports("", 0).reports[-1][1]
    assert failed == Failed("no worker could start, 7 in a row; the last: ImportError: no torch", error)
    died = slots.no_worker_started(4, "Failure # 1 (occurred at noon)\nThe actor died.\n\tclass_name: X\n")
    assert died.error == "no worker could start, 4 in a row; the last: The actor died."


@pytest.mark.parametrize("error", [SystemExit(3), ValueError("planned")])
def test_a_trial_that_fails_or_exits_reports_its_last_rounds_and_the_worker_goes_on(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    def steps() -> Any:
        yield from (4, 5)
        if isinstance(error, SystemExit):
            sys.exit(error.code)
        raise error

    monkeypatch.setattr(slots, "_answer", lambda answer: answer)
    monkeypatch.setattr(slots.tune, "get_context", lambda: SimpleNamespace(get_trial_id=lambda: "a"))
    handle: Any = Actor(1)
    job: Any = SimpleNamespace(directory=tmp_path, steps=steps)
    assert slots.run_slot({}, slots.SlotWork([job], handle, Attempt(Limits(), "one"))) == {"jobs": 1}
    (_, started), (_, rounds), (_, end) = handle.queue.reports("", 0).reports
    assert (started, rounds) == (Started(), Recorded(5))
    assert isinstance(end, Failed)
    assert f"{type(error).__name__}: {error}" in end.error


def test_an_interrupted_sweep_keeps_nothing_of_tune_alive_where_the_traceback_is_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """As in a notebook: Tune's workers, and what they reserve, live as long as Tune's frames."""

    class Controller:
        pass

    seen: list[weakref.ref[Controller]] = []

    def interrupted(*arguments: object) -> None:
        controller = Controller()
        seen.append(weakref.ref(controller))
        raise KeyboardInterrupt

    monkeypatch.setattr(sweep, "run_in_slots", interrupted)
    monkeypatch.setattr(sweep, "reservable_bytes", lambda memory, machines: memory)
    monkeypatch.setattr(sweep, "reserved_bytes", lambda environment, memory: memory)
    monkeypatch.setattr("ray.nodes", list)
    monkeypatch.setattr("ray.cluster_resources", lambda: {"CPU": 1, "memory": 1})
    processes = SimpleNamespace(scorers=0, fit_workers=SimpleNamespace(bundles=[]))
    job: Any = SimpleNamespace(processes=processes)
    callbacks: Any = Callbacks()
    with pytest.raises(KeyboardInterrupt) as kept:
        sweep.sweep([job], Environment(tmp_path, tmp_path, tmp_path, "", address=None), callbacks, memory=1)
    assert (kept.tb is not None, [each() for each in seen]) == (True, [None])
