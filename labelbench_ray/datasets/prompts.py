"""Prompts in parquet files, with responses or without: which of them are worth writing responses to?"""

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt

from labelbench_ray.datasets import Dataset, Findings, Modality, Source, signature
from labelbench_ray.datasets._findings import ignored
from labelbench_ray.datasets.files.layout import beside
from labelbench_ray.datasets.files.places import Place, locate
from labelbench_ray.datasets.parquet_columns.fact_columns import column_facts, fact_numbers
from labelbench_ray.datasets.parquet_columns.group_column import column_groups
from labelbench_ray.datasets.parquet_columns.keys import key_column
from labelbench_ray.datasets.parquet_columns.parquet_files import ParquetFiles, open_split
from labelbench_ray.datasets.prompt_rows.splits import duplicates, duplicates_note, held_out, prompt_splits
from labelbench_ray.datasets.prompt_rows.table import RESPONSE_FILES, PromptTable, check_prompts
from labelbench_ray.pool.facts import DUPLICATE_OF, Facts

ALL_PROMPTS = ("prompts",)
"""The only task of prompts that state none."""


class Prompts(Dataset):
    """`<path>/prompts.parquet`: a prompt a row, perhaps its response, and the task that it belongs to.

    A prompt is text, or a list of chat messages with role and content. Responses may stand in a column, or in
    `responses.parquet` or `responses.csv` beside the file, with the columns `row_id` and `response`; prompts without
    one can be chosen, and need one before a model is fine-tuned on them. Strategies never see a response: neither it
    nor anything computed from it enters the embedding store.
    """

    path: str = Field(min_length=1)
    """Below the data root, or a URI."""
    file: str = "prompts.parquet"
    """A file, a folder of files, or a pattern such as `prompts-*.parquet`."""
    prompt: str = "prompt"
    response: str = "response"
    """Its column may be missing."""
    task_column: str | None = None
    """The column of each prompt's task; None: `task`, if it is there."""
    row_id: str | None = None
    """The column of unique ids; None: `path` if it is one, else the file's name and the row's number in it."""
    test_rows: NonNegativeInt = 200
    """Prompts that are held out to measure fine-tuned models, dealt to the tasks by their sizes."""
    facts: tuple[str, ...] = Field(default=(), exclude_if=lambda facts: not facts)
    """Columns of numbers that strategies may read, such as `mean_entropy` of prompts that vLLM has scored."""
    deduplicate: bool = True
    """Have strategies leave out exact repeats of a prompt; the one with the lowest id may be chosen."""

    @property
    def task(self) -> str:
        return "response"

    def modality(self) -> Modality:
        return Modality.TEXT

    def load(self, root: Path) -> Source:
        top = locate(root, self.path)
        files = open_split(top, self.file, f"{self.file} with the column {self.prompt!r}")
        response = self.response if self.response in files.schema.names else None
        check_prompts(files, self.prompt, response)
        key, note = key_column(files, self.row_id)
        further = next((top / name for name in RESPONSE_FILES if (top / name).exists()), None)
        row_ids = _row_ids(files, key)
        hashed = hashlib.sha256("\0".join(row_ids).encode(errors="surrogatepass")).hexdigest() if key else ""
        table = PromptTable(files, self.prompt, response, key, hashed, further, str(top))
        tasks_N, names = self._tasks(files)
        held_out_N = held_out(row_ids, tasks_N, self.test_rows, str(files.places[0]))
        facts = column_facts(files, self.facts, fact_numbers) if self.facts else Facts()
        if self.deduplicate:
            facts[DUPLICATE_OF] = duplicates(_comparable(files, self.prompt), row_ids, ~held_out_N)
        return Source(
            classes=names,
            splits=prompt_splits(table, tasks_N, names, held_out_N, facts),
            signature=signature([*names, *files.facts()]),
            findings=Findings(
                origins={"pool": files.origin, "test": files.origin},
                ignored=ignored(files.ignored, beside(top, [self.file, *RESPONSE_FILES])),
                notes=(note, _responses_note(table), *duplicates_note(facts)),
            ),
        )

    def _tasks(self, files: ParquetFiles) -> tuple[NDArray[np.int64], tuple[str, ...]]:
        """The number of each prompt's task, and the tasks' names."""
        column = self.task_column or ("task" if "task" in files.schema.names else None)
        if column is None:
            return np.zeros(len(files), np.int64), ALL_PROMPTS
        groups = column_groups(files, column)
        return groups.numbers_N, groups.names


def _row_ids(files: ParquetFiles, key: str | None) -> list[str]:
    if key is None:
        return files.row_names(np.arange(len(files)))
    return [str(value) for value in files.column(key).to_pylist()]


def _comparable(files: ParquetFiles, prompt: str) -> list[object]:
    column = files.column(prompt)
    if pa.types.is_nested(column.type):
        return [None if value is None else repr(value) for value in column.to_pylist()]
    values: list[object] = column.to_pylist()
    return values


def _responses_note(table: PromptTable) -> str:
    places = [f"column {table.response!r}"] if table.response else []
    if isinstance(table.beside, Place):
        places.append(table.beside.name)
    return f"responses: {' and '.join(places)}" if places else "responses: none yet; `labelbench finetune` needs them"
