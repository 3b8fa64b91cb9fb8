"""The queue of a sweep's jobs: workers take one after the other, and what they report waits here for the driver.

Jobs are numbers here, and reports are passed on unread: the process that holds the queue imports nothing of either.
Ray repeats a call whose answer was lost, and starts the queue again when its process is lost; each method therefore
has the same effect when it is repeated, and the driver restores what it knows. Jobs that were held are handed out
again then. That is safe: the ledger knows what is done, and its locks keep two workers apart.
"""

import uuid
from collections import deque
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Generic, TypeVar

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Reports(Generic[R]):
    """The reports that the driver has not acknowledged."""

    token: str
    """Identifies the queue; another one means that the queue was started again and has forgotten everything."""
    reports: list[tuple[int, R]]
    """By job, in order."""
    end: int
    """How many reports the queue has received up to these; acknowledges them."""
    unfinished: int
    """Jobs that wait or are held."""


class JobQueue(Generic[R]):
    """Numbers of jobs, in order; a slot is a worker's place, which holds one job at a time."""

    def __init__(self, jobs: int, started: R, died: R, most_deaths: int) -> None:
        """A queue of all jobs.

        Args:
            started: the report that a slot has taken a job.
            died: the report that a job's workers died too often.
            most_deaths: how often a job whose worker dies is handed out again.
        """
        self._token = uuid.uuid4().hex
        self._waiting = deque(range(jobs))
        self._held: dict[str, int] = {}
        self._ended: set[int] = set()
        self._lost: dict[str, int | None] = {}
        """Slots whose worker died, and the job that each held."""
        self._reports: list[tuple[int, R]] = []
        self._acknowledged = 0
        self._started, self._died, self._most_deaths = started, died, most_deaths
        self._is_ending = False

    def take(self, slot: str, ended: tuple[int, R] | None) -> int | None:
        """The next job, if there is one; the same one again when the call is repeated.

        Args:
            ended: the slot's last job, and how it ended.
        """
        if slot in self._lost:  # the call arrived late; nobody would run the job
            return None
        if ended is not None:
            number, report = ended
            if self._held.get(slot) == number:
                del self._held[slot]
            elif number in self._waiting:  # the queue that gave it was lost
                self._waiting.remove(number)
            self._end(number, report)
        if slot in self._held:
            return self._held[slot]
        if self._is_ending or not self._waiting:
            return None
        taken = self._held[slot] = self._waiting.popleft()
        self._reports.append((taken, self._started))
        return taken

    def report(self, number: int, report: R) -> bool:
        """Keep a report for the driver; returns whether the job may go on."""
        self._reports.append((number, report))
        return not self._is_ending

    def return_job(self, slot: str) -> int | None:
        """The slot's worker died: its job is the next to be taken, or has failed; returns the job, if it held one."""
        if slot not in self._lost:
            number = self._lost[slot] = self._held.pop(slot, None)
            if number is not None:
                self._hand_out_again(number)
        return self._lost[slot]

    def fail_waiting(self, report: R) -> None:
        """All jobs that wait have failed: no worker stays alive."""
        while self._waiting:
            self._end(self._waiting.popleft(), report)

    def end(self) -> None:
        """No further job begins, and each that runs is to end after its round."""
        self._is_ending = True

    def reports(self, token: str, acknowledged: int) -> Reports[R]:
        """The reports that the driver does not have.

        Args:
            token: of the `Reports` that the driver got last.
            acknowledged: `end` of the same.
        """
        if token == self._token and acknowledged > self._acknowledged:
            del self._reports[: acknowledged - self._acknowledged]
            self._acknowledged = acknowledged
        end = self._acknowledged + len(self._reports)
        return Reports(self._token, [*self._reports], end, len(self._waiting) + len(self._held))

    def restore(self, ended: Set[int], lost: Mapping[str, int | None], is_ending: bool) -> None:
        """Take over what the driver knows from the queue that was lost.

        Args:
            ended: jobs that have ended.
            lost: slots whose worker died, and the job that each held.
        """
        self._is_ending = self._is_ending or is_ending
        self._ended |= ended
        self._waiting = deque(number for number in self._waiting if number not in ended)
        self._lost = {**lost, **self._lost}
        for slot in self._held.keys() & lost.keys():  # a call that arrived late, before this one
            self._hand_out_again(self._held.pop(slot))

    def _end(self, number: int, report: R) -> None:
        """Keep the end of a job, once."""
        if number not in self._ended:
            self._ended.add(number)
            self._reports.append((number, report))

    def _hand_out_again(self, number: int) -> None:
        if [*self._lost.values()].count(number) > self._most_deaths:
            self._end(number, self._died)
        elif number not in self._ended:
            self._waiting.appendleft(number)
