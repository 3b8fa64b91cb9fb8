"""A file of 10,000 answers goes into a campaign of 1,000,000 rows that has 100,000 answers; and what 1,000,000 come to.

.venv/bin/python benchmarks/answers.py [--rows 1000000] [--recorded 100000] [--answers 10000] [--tiny]

ingest: reading the CSV, checking its rows and classes against the pool, and merging it into the log on disk. Half of
its answers are new, a quarter corrects and a quarter repeats recorded ones. `repeated`: the same file once more.
fold: the states of all rows from a log of as many events as the pool has rows, two annotators a row.
Wall and CPU seconds; the pool's ids are in memory, as a campaign has them.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from machine import parser, show
from numpy.typing import NDArray

from labelbench_ray.answers.checking import Rules, checked
from labelbench_ray.answers.events import SCHEMA, Status
from labelbench_ray.answers.fold import row_states
from labelbench_ray.answers.formats import read
from labelbench_ray.answers.formats.stated import Stated
from labelbench_ray.answers.ingest import Ingested, ingest
from labelbench_ray.answers.log import AnswerLog
from labelbench_ray.answers.names import Names
from labelbench_ray.answers.revisions import revision

TARGET = 5.0
"""Wall seconds of an ingest on two idle cores, at most."""
CLASSES = tuple(f"class {number}" for number in range(77))
ANNOTATORS = ("ann", "bob")
SAVED = datetime(2026, 5, 1, 12, tzinfo=UTC)
TINY = {"rows": 5_000, "recorded": 400, "answers": 40}


def main(words: Sequence[str] | None = None) -> None:
    """Make the log and the file, ingest, fold, and show."""
    options = parser(__doc__)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--recorded", type=int, default=100_000)
    options.add_argument("--answers", type=int, default=10_000)
    options.add_argument("--tiny", action="store_true", help="few rows, to see that it works")
    arguments = options.parse_args(words)
    rows, recorded, answers = (
        TINY[name] if arguments.tiny else getattr(arguments, name) for name in ("rows", "recorded", "answers")
    )
    pool = [f"photos/{number:08d}.jpg" for number in range(rows)]
    rules = Rules(
        asked=Names(dict.fromkeys(pool, "batch")),
        batches={"batch": frozenset(pool)},
        classes=Names({name: number for number, name in enumerate(CLASSES)}),
    )
    with tempfile.TemporaryDirectory(prefix="labelbench-") as folder:
        log, path = AnswerLog(Path(folder) / "answers.parquet"), Path(folder) / "batch.csv"
        log.append_table(recorded_events(pool, recorded))
        write_answers(path, pool, recorded, answers)
        first, ingested = timed(lambda: ingested_file(log, path, rules))
        again, repeated = timed(lambda: ingested_file(log, path, rules))
        size = log.path.stat().st_size
    every = crowd_events(pool, rows // 2)
    fold, states = timed(lambda: row_states(every, overlap=2))
    assert (ingested.new, ingested.corrected, ingested.repeated, ingested.rejected) == (
        answers - 2 * (answers // 4), answers // 4, answers // 4, ()
    )  # fmt: skip
    assert repeated.repeated == answers
    assert len(states) == rows // 2
    measured = {
        "rows": rows,
        "recorded": recorded,
        "answers": answers,
        "ingest": first,
        "repeated": again,
        "log_bytes_an_answer": size / (recorded + answers * 3 / 4),
        "fold": fold | {"events": rows},
    }
    show("answers", measured, {"ingest_wall_seconds": TARGET}, met=first["wall_seconds"] <= TARGET)


def ingested_file(log: AnswerLog, path: Path, rules: Rules) -> Ingested:
    """One ingest of a file."""
    return ingest(log, [checked(read(path, annotator=ANNOTATORS[0], batch="batch"), rules)])


def label(row: int) -> str:
    """What is recorded of a row."""
    return CLASSES[row % len(CLASSES)]


def recorded_events(pool: Sequence[str], count: int) -> pa.Table:
    """One answer to each of the first rows of the pool, as a file's would be."""
    stated = [
        Stated(
            row=2,
            row_id=pool[row],
            annotator=ANNOTATORS[0],
            labels=(label(row),),
            status=Status.SUBMITTED,
            batch="batch",
        )
        for row in range(count)
    ]
    ids, contents = ([getattr(each, name) for each in stated] for name in ("answer_id", "content"))
    return events(pool, np.arange(count), ANNOTATORS[0], ids, [revision(SAVED, content) for content in contents])


def crowd_events(pool: Sequence[str], count: int) -> pa.Table:
    """Two answers, of two annotators, to each of so many rows."""
    tables = []
    for number, annotator in enumerate(ANNOTATORS):
        ids = pa.array(np.arange(count) + number * count).cast(pa.string())
        rows = np.random.default_rng(number).permutation(count)
        tables.append(events(pool, rows, annotator, ids, pa.repeat(revision(SAVED), count)))
    return pa.concat_tables(tables)


def events(pool: Sequence[str], rows: NDArray[np.int64], annotator: str, ids: Any, revisions: Any) -> pa.Table:  # noqa: ANN401
    """One answer of an annotator to each of these rows, with its id and revision."""
    count = len(rows)
    labels = pa.array([[name] for name in CLASSES]).take(pa.array(rows % len(CLASSES)))
    same = {"status": "submitted", "batch": "batch", "gold": False, "tool": "file", "source_sha256": "0" * 64}
    given = {
        "row_id": pa.array(pool[: rows.max() + 1]).take(pa.array(rows)),
        "annotator": pa.repeat(annotator, count),
        "labels": labels,
        "answer_id": ids,
        "revision": revisions,
        "answered_at": pa.repeat(pa.scalar(SAVED, SCHEMA.field("answered_at").type), count),
        **{name: pa.repeat(value, count) for name, value in same.items()},
        **{name: pa.nulls(count, SCHEMA.field(name).type) for name in ("seconds", "shown")},
    }
    return pa.table([given[name] for name in SCHEMA.names], schema=SCHEMA)


def write_answers(path: Path, pool: Sequence[str], recorded: int, answers: int) -> None:
    """A file that was saved a minute later: answers to rows that have none, corrections, and repetitions."""
    old = np.random.default_rng(0).permutation(recorded)[: 2 * (answers // 4)]
    rows = [*old.tolist(), *range(recorded, recorded + answers - len(old))]
    lines = [f"{pool[row]},{label(row + (place < answers // 4))}" for place, row in enumerate(rows)]
    path.write_text("\n".join(["row_id,label", *lines]) + "\n")
    os.utime(path, (SAVED.timestamp() + 60, SAVED.timestamp() + 60))


def timed(work: Callable[[], Any]) -> tuple[dict[str, float], Any]:
    """Wall and CPU seconds, and the result."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return {"wall_seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}, result


if __name__ == "__main__":
    sys.exit(main())
