"""Questions about rows that a test makes up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from labelbench_ray.datasets import Modality, Payload
from labelbench_ray.oracles import Question


@dataclass(frozen=True)
class MadeUpRows:
    """Rows by pool id."""

    ids: Sequence[str]
    payload: Sequence[Payload] = ()
    files: Sequence[str] = ()
    modality: Modality = Modality.TEXT

    def row_ids(self, ids_B: np.ndarray) -> list[str]:
        return [self.ids[row] for row in ids_B]

    def payloads(self, ids_B: np.ndarray) -> list[Payload]:
        return [self.payload[row] for row in ids_B]

    def locations(self, ids_B: np.ndarray) -> list[str]:
        return [self.files[row] for row in ids_B] if self.files else []


@dataclass(frozen=True)
class Asked:
    """A question about the rows with these ids, in this order."""

    directory: Path
    row_ids: Sequence[str]
    classes: tuple[str, ...] = ("cat", "dog")
    other_rows: Mapping[str, str | None] = field(default_factory=dict)
    further_answers: Mapping[str, int] = field(default_factory=dict)
    rows: Any = None
    round: int = 0

    def question(self) -> Question:
        return Question(
            round=self.round,
            ids_B=np.arange(len(self.row_ids)),
            classes=self.classes,
            strategy="margin",
            directory=self.directory,
            rows=self.rows or MadeUpRows(self.row_ids, [f"text of {row_id}" for row_id in self.row_ids]),
            other_rows=self.other_rows,
            further_answers=self.further_answers,
        )
