"""What to do next in a campaign, as commands that can be copied."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow.compute as pc

from labelbench_ray.answers.fold import RowState
from labelbench_ray.answers.formats.label_studio import TOOL
from labelbench_ray.campaign.batch_files import annotator_file
from labelbench_ray.campaign.doubt import rows_worth_of_doubt
from labelbench_ray.campaign.places import shown_path
from labelbench_ray.campaign.record import Batch, Campaign, pool_name
from labelbench_ray.campaign.standing import Standing
from labelbench_ray.oracles._answer_files import BATCH
from labelbench_ray.report.statistics.forecast import Call

AWAITS: Final = (RowState.OPEN, RowState.PART)
STRATEGY: Final = "margin"
"""What `propose` takes where none is given."""
STORE: Final = "store"


@dataclass(frozen=True, slots=True)
class Step:
    """Something to do, and its command."""

    what: str
    command: str


def open_rows(standing: Standing, batch: Batch) -> list[str]:
    """The rows of a batch that await answers, in its order."""
    found = standing.found
    return [
        row_id
        for row_id in batch.row_ids
        if (
            found.awaited.get(row_id) == batch.again[row_id] if row_id in batch.again else found.state(row_id) in AWAITS
        )
    ]


def open_batch(standing: Standing) -> Batch | None:
    """The first batch with rows that await answers."""
    return next((batch for batch in standing.batches if open_rows(standing, batch)), None)


def next_steps(standing: Standing, store: Path, call: Call | None) -> tuple[Step, ...]:
    """What to do next, the best first.

    Args:
        standing: the campaign.
        store: where its embeddings lie.
        call: whether another batch is worth it; None where there is no forecast.
    """
    batch = open_batch(standing)
    export = Step("export the labels", _command(standing, store, "export", "--out", "labels.parquet"))
    known = standing.knowledge()
    left = len(standing.rows) - len(known.labeled_L) - len(known.pending_P) - len(known.closed_C)
    left += rows_worth_of_doubt(standing.campaign, standing.events, standing.found, standing.batches[-1:])
    more = (Step("propose the next batch", _propose(standing, store, left)),) if left > 0 and standing.batches else ()
    if batch is not None:
        return _ingest(standing, batch), *more
    return (export, *more) if call is Call.UNLIKELY else (*more, export)


def next_folder(batches: Sequence[Batch]) -> Path:
    """Where the next batch may go: the last one's folder with the next number that is free."""
    last = Path(batches[-1].out)
    stem, number = re.fullmatch(r"(.*?)(\d*)", last.name, re.DOTALL).groups()  # type: ignore[union-attr]  # always matches
    taken = {batch.out for batch in batches}
    counter = int(number or 1) + 1
    stem = stem if number else f"{stem}-"
    while str(folder := last.with_name(f"{stem}{counter:0{len(number)}d}")) in taken or folder.exists():
        counter += 1
    return folder


def _ingest(standing: Standing, batch: Batch) -> Step:
    what = f"label the rest of {shown_path(Path(batch.out))}, then read the answers in"
    campaign = ("--campaign", shown_path(standing.folder))
    if TOOL in pc.unique(standing.events.column("tool")).to_pylist():
        return Step(what, shlex.join(["labelbench", "annotate", "pull", "--url", "URL", *campaign]))
    names = [annotator_file(name) for name in batch.annotators] or [BATCH]
    files = [shown_path(Path(batch.out) / name) for name in names]
    return Step(what, shlex.join(["labelbench", "annotate", "ingest", *files, *campaign]))


def _propose(standing: Standing, store: Path, left: int) -> str:
    last = standing.batches[-1]
    options = ["--budget", str(min(last.budget, left)), "--out", shown_path(next_folder(standing.batches))]
    if last.strategy != STRATEGY:
        options += ["--strategy", last.strategy]
    if last.annotators:
        options += ["--annotators", ",".join(last.annotators)]
    if last.overlap > 1:
        options += ["--overlap", str(last.overlap)]
    if last.max_answers:
        options += ["--max-answers", str(last.max_answers)]
    return _command(standing, store, "propose", *_pool(standing.campaign), *options)


def _pool(campaign: Campaign) -> list[str]:
    """POOL, and the columns that were stated for it."""
    settings, name = campaign.dataset.settings, pool_name(campaign)
    here = "path" in settings and "://" not in name
    pool = [shown_path(Path(campaign.data_root) / name) if here else name]
    if "column" in settings:
        pool += [f"--{settings['payload']}", str(settings["column"])]
    if "row_id" in settings:
        pool += ["--row-id", str(settings["row_id"])]
    return pool


def _command(standing: Standing, store: Path, *words: str) -> str:
    places = ["--campaign", shown_path(standing.folder)]
    if (where := shown_path(store)) != STORE:
        places += ["--store", where]
    return shlex.join(["labelbench", "annotate", *words, *places])
