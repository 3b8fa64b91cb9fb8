"""Prompts with planted responses, an encoder of texts that states their tasks, and a trial that chooses among them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from labelbench_ray.config import Part, Trial

ROWS, TEST_ROWS = 60, 9
SENTINEL = "zebra-sentinel"
TASKS = ("copy", "count", "sum")
TRIAL = Trial(
    dataset=Part.of("prompts", path="p", row_id="row_id", test_rows=TEST_ROWS),
    encoder=Part(name="tests.word_counts"),
    strategy="random",
    first_batch="random",
    proxy="none",
    trainer="none",
    oracle="responses",
    seed=0,
    rounds=1,
    budget=12,
)


def response(row: int) -> str:
    return f"{SENTINEL} {row}" + " more" * (row % 4)


def columns() -> dict[str, Any]:
    """The last ten prompts repeat the first ten."""
    return {
        "row_id": [f"r{row:03d}" for row in range(ROWS)],
        "prompt": [f"copy the word number {row % 50} " + "a " * (row % 50 % 7) for row in range(ROWS)],
        "response": [response(row) for row in range(ROWS)],
        "task": [TASKS[row % 50 % 3] for row in range(ROWS)],
    }


def write_prompts(folder: Path, without: Sequence[str] = (), **changed: Any) -> Path:
    """`p/prompts.parquet` below a folder; returns its path."""
    (folder / "p").mkdir(parents=True, exist_ok=True)
    path = folder / "p" / "prompts.parquet"
    kept = {name: values for name, values in (columns() | changed).items() if name not in without}
    pq.write_table(pa.table(kept), path)
    return path
