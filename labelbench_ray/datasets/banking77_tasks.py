"""One question a task: "is this question about one of these intents?", of Banking77's intents in groups."""

from pathlib import Path
from typing import Final

import numpy as np
from pydantic import NonNegativeInt, PositiveInt

from labelbench_ray.datasets import SPLIT_SEED, Dataset, Modality, Source, Split, signature
from labelbench_ray.datasets.banking77 import Banking77
from labelbench_ray.datasets.task_rows import TaskTable, balanced, task_sizes
from labelbench_ray.types import Ids

GROUPS: Final = (
    "card_payment",
    "cash",
    "top_up",
    "transfer",
    "exchange",
    "pin",
    "refund",
    "verify",
    "virtual",
    "card",
    "charge",
    "country",
)
"""Words in the names of intents; an intent may be in several groups. A task's number is its place here."""


class Banking77Tasks(Dataset):
    """Rows of one task a group, half of them of the group's intents; test and validation rows are of the target."""

    target: NonNegativeInt = GROUPS.index("transfer")
    rows_per_task: PositiveInt = 400
    target_rows: PositiveInt = 40

    def modality(self) -> Modality:
        return Modality.TEXT

    def load(self, root: Path) -> Source:
        source = Banking77().load(root)
        words = [word for word in GROUPS if any(word in name for name in source.classes)] or list(source.classes)
        sizes_T = task_sizes(len(words), self.target, self.rows_per_task, self.target_rows, self.max_rows)
        tables = {
            name: _rows(source, split, words, dict(enumerate(sizes_T.tolist())) if name == "pool" else held_out)
            for name, split in source.splits.items()
            for held_out in [{self.target: len(split)}]
        }
        return Source(
            classes=("other", "this"),
            splits={
                name: Split(table, np.arange(len(table)), facts={"task": table.tasks_N} if name == "pool" else {})
                for name, table in tables.items()
            },
            signature=signature(["banking77_tasks", source.signature, self.target, *sizes_T.tolist()]),
            findings=source.findings,
        )


def _rows(source: Source, split: Split, words: list[str], sizes: dict[int, int]) -> TaskTable:
    labels_N = split.labels()
    assert labels_N is not None, "parquet has its labels"
    rows_N: Ids = np.asarray(split.rows, np.int64)
    parts = []
    for task, size in sizes.items():
        members = [place for place, name in enumerate(source.classes) if words[task] in name]
        is_of_N = np.isin(labels_N, members)
        kept = balanced(is_of_N, size, np.random.default_rng([SPLIT_SEED, task]))
        parts.append((rows_N[kept], np.full(len(kept), task), is_of_N[kept].astype(np.int64)))
    return TaskTable(split.table, *(np.concatenate(each) for each in zip(*parts, strict=True)))
