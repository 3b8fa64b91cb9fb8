"""Events of annotation for tests: few rows, annotators and classes, so that they meet."""

import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from labelbench_ray.answers.events import Answer, Status
from labelbench_ray.answers.revisions import revision

BEGIN = datetime(2026, 5, 1, tzinfo=UTC)
CLASSES = ("bird", "cat", "dog")


def at(minutes: float) -> datetime:
    """A moment, in minutes after the first."""
    return BEGIN + timedelta(minutes=minutes)


def answer(row_id: str, annotator: str, label: str | None, minutes: float = 0, **others: Any) -> Answer:
    """What an annotator answered; None for a skip. One answer a row and annotator, unless `answer_id` differs."""
    status = others.pop("status", Status.SUBMITTED if label is not None else Status.SKIPPED)
    submitted = status is Status.SUBMITTED
    stated = {
        "labels": (tuple(label.split("|")) if label else ()) if submitted and label is not None else None,
        "status": status,
        "answered_at": at(minutes),
        "answer_id": f"{row_id}/{annotator}",
        "revision": revision(at(minutes)),
        "tool": "test",
        "seconds": 2.0,
    }
    return Answer(row_id=row_id, annotator=annotator, **(stated | others))


def crowd(count: int, seed: int = 0) -> list[Answer]:
    """Events of 5 annotators on `count // 4` rows: answers, corrections, skips, unsure ones and retractions."""
    choices = random.Random(seed)
    events = []
    for number in range(count):
        status = choices.choices(list(Status), [8, 3, 2, 2])[0]
        label = choices.choice(CLASSES) if status is Status.SUBMITTED else None
        row, annotator = choices.randrange(max(1, count // 4)), f"annotator {choices.randrange(5)}"
        seconds = choices.choice([None, 0.5, 3.25])
        events.append(answer(f"{row:04d}", annotator, label, number, status=status, seconds=seconds))
    return events


def interleaved(events: Iterable[Answer], seed: int) -> list[list[Answer]]:
    """The events in another order, some of them twice, in groups."""
    choices = random.Random(seed)
    shuffled = list(events)
    shuffled += choices.sample(shuffled, len(shuffled) // 5)
    choices.shuffle(shuffled)
    groups: list[list[Answer]] = []
    while shuffled:
        size = choices.randint(1, 120)
        groups.append(shuffled[:size])
        shuffled = shuffled[size:]
    return groups


def states(table: pa.Table) -> dict[str, str]:
    """The state of each row."""
    return dict(zip(table.column("row_id").to_pylist(), table.column("state").to_pylist(), strict=True))
