"""Rows to label as tasks of Label Studio."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from labelbench_ray.answers.label_studio.client import Json
from labelbench_ray.answers.label_studio.pictures import Address, data_uri
from labelbench_ray.answers.label_studio.project import LABEL, Wanted
from labelbench_ray.answers.to_show import ToShow

ROW_ID, BATCH, CAMPAIGN, MODEL = "row_id", "batch", "campaign", "model"
"""Keys of a task's `meta`, by which answers find their way back."""
ORDER: Final = "labelbench"
"""The model version of every prediction. Label Studio orders tasks by the predictions of one version alone, that of the
project's first import; a later batch of another version would come in no order."""
MOST_TASKS, MOST_BYTES = 500, 16_000_000
"""Of one request: each is carried out completely or not at all, and its tasks are in memory there."""


@dataclass(frozen=True, slots=True)
class BatchOfTasks:
    """A batch and how its rows are shown."""

    campaign: str
    batch: str
    rows: Sequence[ToShow]
    """In the order in which the strategy chose them."""
    wanted: Wanted
    address: Address = data_uri
    """Where an image or a sound is loaded from."""

    def task(self, row: ToShow) -> Json:
        """One row as Label Studio imports it."""
        suggestion = row.suggestion if self.wanted.show_predictions else None
        shown = row.payload if isinstance(row.payload, str) else self.address(row)
        prediction = {
            "model_version": ORDER,
            "score": row.score,
            "result": [self._choice(suggestion.labels)] if suggestion else [],
        }
        meta = {ROW_ID: row.row_id, BATCH: self.batch, CAMPAIGN: self.campaign}
        meta |= {MODEL: suggestion.model} if suggestion else {}
        return {"data": {self.wanted.data_key: shown}, "meta": meta, "predictions": [prediction]}

    def _choice(self, labels: Sequence[str]) -> Json:
        return {
            "from_name": LABEL,
            "to_name": self.wanted.data_key,
            "type": "choices",
            "value": {"choices": list(labels)},
        }


def requests_of(batch: BatchOfTasks, rows: Sequence[ToShow]) -> Iterator[list[Json]]:
    """The tasks of these rows, in as many requests as they need."""
    tasks: list[Json] = []
    size = 0
    for row in rows:
        task = batch.task(row)
        length = len(json.dumps(task))
        if tasks and (len(tasks) == MOST_TASKS or size + length > MOST_BYTES):
            yield tasks
            tasks, size = [], 0
        tasks.append(task)
        size += length
    if tasks:
        yield tasks


def import_file(batch: BatchOfTasks) -> bytes:
    """The batch as a file for the button Import."""
    return json.dumps([batch.task(row) for row in batch.rows], ensure_ascii=False, indent=1).encode(
        errors="backslashreplace"
    )
