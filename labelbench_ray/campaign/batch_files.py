"""The files of a batch that leave the campaign.

    OUT/batch.csv, or one for each annotator
       /batch.<id of the batch>/0007.png      the image of row 7, where the data set has no file of it
       /manifest.json

The same batch gives the same bytes. OUT is a folder of people: nothing in it is removed or changed, a file that they
have begun to fill in is left as it is, and every file is compared before the first one is written.
"""

import csv
import io
import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from labelbench_ray.campaign.annotators import plan
from labelbench_ray.campaign.doubt import WHY
from labelbench_ray.campaign.record import Batch
from labelbench_ray.errors import ConfigError, DataError
from labelbench_ray.oracles import PoolRows, Question
from labelbench_ray.oracles._answer_files import BATCH, read_file
from labelbench_ray.oracles._batch import FILES, batch_bytes, shown
from labelbench_ray.storage.atomic import publish
from labelbench_ray.storage.folders import make_folder
from labelbench_ray.storage.spreadsheets import guarded
from labelbench_ray.types import Ids

MANIFEST: Final = "manifest.json"


@dataclass(frozen=True, slots=True)
class Written:
    """A file of a batch in its folder."""

    path: Path
    rows: int
    kept: bool
    """It was there, with rows of this batch in it."""


def assigned(batch: Batch) -> dict[str, list[int]]:
    """The rows of each file by its name, as places in the batch; one file for all where there are no annotators."""
    if not batch.annotators:
        return {BATCH: list(range(len(batch.row_ids)))}
    groups = iter(plan(batch.new_rows, len(batch.annotators), batch.overlap))
    names = [
        {batch.again[row_id]} if row_id in batch.again else {batch.annotators[number] for number in next(groups)}
        for row_id in batch.row_ids
    ]
    return {
        annotator_file(name): [row for row, asked in enumerate(names) if name in asked] for name in batch.annotators
    }


def annotator_file(annotator: str) -> str:
    """The name of an annotator's file."""
    return f"batch.{annotator}.csv"


def contents(batch: Batch, ids_B: Ids, rows: PoolRows) -> dict[str, bytes]:
    """Each file's content by its name in the folder, images and sounds that are not files of their own first.

    Args:
        batch: the proposal.
        ids_B: the pool ids of its rows.
        rows: what the data set holds for them.
    """
    question = Question(batch.number, ids_B, batch.classes, batch.chosen_by, Path(batch.out), rows)
    folder = f"{FILES}.{batch.id}"
    seen = shown(question, Path(batch.out) / folder)
    files = {
        name: batch_bytes(question, [batch.row_ids[row] for row in places], [seen.cells[row] for row in places])
        for name, places in assigned(batch).items()
    }
    files = {name: _signed(data, name, batch) for name, data in files.items()}
    pictures = {f"{folder}/{name}": data for name, data in seen.files.items()}
    return pictures | files | {MANIFEST: _manifest(batch, files)}


def files_there(batch: Batch, files: Mapping[str, bytes]) -> frozenset[str]:
    """The files of a batch that are in its folder and are to be kept. The folder is made, and nothing is written.

    Raises:
        ConfigError: a file of another batch is there, or the folder cannot be written.
    """
    folder = Path(batch.out)
    there = frozenset(name for name, data in files.items() if _is_there(folder / name, data, batch))
    make_folder(folder)
    return there


def write_files(batch: Batch, files: Mapping[str, bytes], there: Collection[str]) -> list[Written]:
    """Write the files that are not there yet."""
    folder = Path(batch.out)
    for name, data in files.items():
        if name not in there:
            publish(make_folder((folder / name).parent) / Path(name).name, data)
    return [Written(folder / name, len(places), name in there) for name, places in assigned(batch).items()]


def _is_there(path: Path, data: bytes, batch: Batch) -> bool:
    """Whether a file is there that is to be kept."""
    if not os.path.lexists(path):
        return False
    if path.is_file() and (path.read_bytes() == data or (path.name == MANIFEST and _is_of(path, batch))):
        return True
    refusal = ConfigError(f"--out {batch.out}: {path.name} is there and is not of this batch; give another folder")
    if path.suffix != ".csv" or not path.is_file():
        raise refusal
    try:
        listed = {answer.row_id for answer in read_file(path.name, path)}
    except DataError as error:
        raise refusal from error
    if not listed or not listed <= {*batch.row_ids}:
        raise refusal
    return True


def _is_of(manifest: Path, batch: Batch) -> bool:
    """Whether a manifest names the batch; an earlier version may have written other files for it."""
    try:
        stated = json.loads(manifest.read_bytes())
    except ValueError:
        return False
    return isinstance(stated, dict) and stated.get("batch") == batch.id


def _signed(data: bytes, name: str, batch: Batch) -> bytes:
    """A file with the batch's id in each row, wherever people move it; and who answers, where it is for one annotator.

    The column of labels, which people fill in, is the last of those before the annotator.
    """
    annotator = next((each for each in batch.annotators if annotator_file(each) == name), None)
    who = [] if annotator is None else [guarded(annotator)]
    header, *rows = csv.reader(io.StringIO(data.decode(), newline=""))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*header[:-1], "batch", header[-1], *("annotator" for _ in who)])
    writer.writerows([*row[:-1], batch.id, row[-1], *who] for row in rows)
    return text.getvalue().encode()


def again_in_words(batch: Batch) -> dict[str, object]:
    """How many rows are asked again and why; not which, so that people label all rows alike."""
    return {
        "max_answers": batch.max_answers,
        "asked_again": len(batch.again),
        "asked_again_are": f"rows that are {WHY}",
    }


def _manifest(batch: Batch, files: Mapping[str, bytes]) -> bytes:
    """What the files are, without what annotators should not know: which rows measure the model."""
    stated = {
        "format": 1,
        "campaign": batch.campaign,
        "batch": batch.id,
        "number": batch.number,
        "rows": len(batch.row_ids),
        "strategy": batch.strategy,
        "classes": list(batch.classes),
        "annotators": list(batch.annotators),
        "overlap": batch.overlap,
        **(again_in_words(batch) if batch.max_answers else {}),
        "files": {name: sha256(data).hexdigest() for name, data in files.items()},
    }
    return json.dumps(stated, indent=1, ensure_ascii=False).encode(errors="replace") + b"\n"
