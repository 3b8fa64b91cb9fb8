"""The queue of a sweep's jobs: workers take one after the other, and what they report waits here for the driver.

Jobs are numbers here, and reports are passed on unread: the process that holds the queue imports nothing of either.
When it is lost and started again, it hands out all jobs anew. That is safe: the ledger knows what is done, and its
locks keep two workers apart.
"""

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class News(Generic[R]):
    """What happened since the last look."""

    reports: list[tuple[int, R]]
    """By job, in order."""
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
        self._waiting = deque(range(jobs))
        self._held: dict[str, int] = {}
        self._deaths = Counter[int]()
        self._reports: list[tuple[int, R]] = []
        self._started, self._died, self._most_deaths = started, died, most_deaths
        self._is_ending = False

    def take(self, slot: str, ended: tuple[int, R] | None) -> int | None:
        """The next job, if there is one; `ended`: the slot's last one, and how it ended."""
        if ended is not None:
            self._held.pop(slot, None)
            self._reports.append(ended)
        if self._is_ending or not self._waiting:
            return None
        number = self._held[slot] = self._waiting.popleft()
        self._reports.append((number, self._started))
        return number

    def report(self, number: int, report: R) -> bool:
        """Keep a report for the driver; returns whether the job may go on."""
        self._reports.append((number, report))
        return not self._is_ending

    def lose(self, slot: str) -> bool:
        """The slot's worker died: its job is the next to be taken, or has failed; returns whether it held one."""
        number = self._held.pop(slot, None)
        if number is None:
            return False
        self._deaths[number] += 1
        if self._deaths[number] > self._most_deaths:
            self._reports.append((number, self._died))
        else:
            self._waiting.appendleft(number)
        return True

    def give_up(self) -> None:
        """All jobs that wait have failed: no worker stays alive."""
        self._reports += [(number, self._died) for number in self._emptied()]

    def end(self) -> None:
        """No further job begins, and each that runs is to end after its round."""
        self._is_ending = True

    def news(self) -> News[R]:
        """The reports since the last call."""
        reports, self._reports = self._reports, []
        return News(reports, len(self._waiting) + len(self._held))

    def _emptied(self) -> Iterator[int]:
        while self._waiting:
            yield self._waiting.popleft()
