"""MLflow as a mirror of the ledger, written by one thread of the driver from what the ledger says.

MLflow can be down, slow or deleted: trials do not notice. What it did not take is tried again, at longer and longer
intervals, while the sweep goes on; what is missing at the end is written by `labelbench sync`, or the next run.
"""

import itertools
import threading
from collections.abc import Iterator
from pathlib import Path

from mlflow.exceptions import MlflowException

from labelbench_ray.console.redaction import redacted
from labelbench_ray.errors import UserError
from labelbench_ray.tracking.mlflow_runs import MlflowRuns, open_mlflow_runs

FIRST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE_AT_THE_END = 0.5, 30.0, 4.0
"""Seconds between tries, each twice the last."""
OUTAGES = {401, 403, 404, 408, 429}
"""Of the answers that blame the request, those that a server gives while it is set up, or to all requests."""

OF_A_DATABASE = "BAD_REQUEST"
"""So MLflow calls any trouble with its database."""


class Mirror:
    """Takes finished trials from any thread and writes them to MLflow from its own."""

    def __init__(self, tracking_uri: str, experiment: str, artifacts: Path) -> None:
        """`artifacts`: where a local sqlite store keeps its artifacts; a server has a place of its own."""
        self._uri, self._experiment, self._artifacts = tracking_uri, experiment, artifacts
        self._waiting: dict[Path, None] = {}
        """In the order of submission; what is submitted again before its turn is written once."""
        self._current: Path | None = None
        self._news = threading.Condition()
        self._ending = threading.Event()
        self._runs: MlflowRuns | None = None
        self._answered = False
        """It did so once, so that waiting for it at the end is worth it."""
        self._problem = ""
        self._refused: list[str] = []
        self._thread = threading.Thread(target=self._work, name="mlflow-mirror", daemon=True)
        self._thread.start()

    def submit(self, path: Path) -> None:
        """Have a trial's directory, a fine-tune's, or the report's page, written when its turn comes."""
        with self._news:
            self._waiting[path] = None
            self._news.notify()

    def finish(self, seconds: float) -> str:
        """Wait until all is written, at most so long; returns what is wrong in one line, "" when nothing is.

        A server that has not answered once is not waited for: it gets one last try.
        """
        with self._news:
            self._ending.set()
            self._news.notify()
        self._thread.join(seconds)
        told = [f"refused {refused}" for refused in self._refused]
        if missing := len({*self._waiting, self._current} - {None}):
            why = self._problem or f"it is slow, {seconds:g} s were not enough"
            told.append(f"did not take {missing} {'entry' if missing == 1 else 'entries'}: {why}")
        elif self._problem or self._thread.is_alive():
            told.append(f"did not note the end of the experiment: {self._problem or 'it is slow'}")
        return f"MLflow at {redacted(self._uri)} {'; '.join(told)}" if told else ""

    def _work(self) -> None:
        pauses, last_tries = _pauses(), 0
        while True:
            path = self._next()
            last_tries += self._ending.is_set() and not self._answered
            try:
                self._write(path)
            except Exception as error:  # whatever goes wrong must not reach the trials; `finish` reports it
                text = redacted(f"{type(error).__name__}: {error}", self._uri)
                if path and not is_outage(error):
                    self._refused.append(f"{path.name}: {error if isinstance(error, UserError) else text}")
                    continue
                self._keep()
                self._problem, self._runs = text, None  # what is there is read again, for an answer may be lost
                if last_tries > 1:
                    return
                if self._pause(next(pauses)):
                    pauses = _pauses()
                continue
            pauses, self._problem = _pauses(), ""
            if path is None:
                return

    def _next(self) -> Path | None:
        """The entry whose turn it is; None when there is none and there will be none."""
        with self._news:
            self._current = None
            self._news.wait_for(lambda: self._waiting or self._ending.is_set())
            self._current = next(iter(self._waiting), None)
            if self._current:
                del self._waiting[self._current]
            return self._current

    def _keep(self) -> None:
        """Have the current entry written after all others: should it alone be what MLflow fails at, they get there."""
        with self._news:
            if self._current:
                self._waiting[self._current] = None

    def _write(self, path: Path | None) -> None:
        """Write an entry; None: the end of the experiment."""
        if path is None and not self._answered:
            return
        if self._runs is None:
            self._runs = open_mlflow_runs(self._uri, self._experiment, self._artifacts)
            self._runs.begin()
            self._answered = True
        if path is None:
            self._runs.close()
        else:
            self._runs.take(path)

    def _pause(self, seconds: float) -> bool:
        """Wait before the next try; returns whether the end came meanwhile, which is a reason to try at once."""
        if self._ending.is_set():
            threading.Event().wait(min(seconds, LONGEST_PAUSE_AT_THE_END))
            return False
        return self._ending.wait(seconds)


def is_outage(error: Exception) -> bool:
    """Whether to try again: MLflow, or what it keeps things in, failed; not what it was asked to write."""
    if isinstance(error, UserError | FileNotFoundError):  # the trial's own trouble, which the plan and report tell too
        return False
    if isinstance(error, MlflowException):
        status = error.get_http_status_code()  # type: ignore[no-untyped-call]
        return not 400 <= status < 500 or status in OUTAGES or error.error_code == OF_A_DATABASE
    return True


def _pauses() -> Iterator[float]:
    return (min(FIRST_PAUSE * 2**turn, LONGEST_PAUSE) for turn in itertools.count())
