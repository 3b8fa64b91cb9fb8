"""Handing a batch to people: `batch.csv`, and images and sounds of rows that are not files of their own.

    <trial's folder>/batch.csv           row_id; path or text; order; strategy; label, to be filled in
                    /batch/000/0007.png  the image of row 7 of round 0, where the data set has no file of it
                    /answers/            where labels belong

Nothing that people wrote is lost: a `batch.csv` with labels in it is read as answers, and copied to `answers/` before
the next batch takes its place.
"""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final

from PIL import Image, UnidentifiedImageError

from labelbench_ray.datasets import Payload
from labelbench_ray.errors import DataError
from labelbench_ray.oracles import Question
from labelbench_ray.oracles._answer_files import BATCH, FOLDER, LABEL, ROW_ID, read_file
from labelbench_ray.storage.atomic import publish, remove
from labelbench_ray.storage.spreadsheets import guarded

FILES: Final = "batch"


@dataclass(frozen=True, slots=True)
class Shown:
    """What people look at, and the files for it that are still to be written."""

    cells: list[str]
    """A text of each row, or the path of its image or sound."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """By name, in the folder that the cells name; empty where the data set has a file of each row."""


def post_batch(question: Question) -> None:
    """Write `batch.csv` unless it lists rows of this question already: people may have begun to fill it in."""
    path = question.directory / BATCH
    row_ids = question.row_ids
    if path.is_file():
        try:
            listed = read_file(BATCH, path)
        except DataError:
            _keep(path)
        else:
            if listed and {answer.row_id.strip() for answer in listed} <= {row_id.strip() for row_id in row_ids}:
                return
            if any(answer.label.strip() for answer in listed):
                _keep(path)
    (question.directory / FOLDER).mkdir(parents=True, exist_ok=True)
    folder = question.directory / FILES / f"{question.round:03d}"
    seen = shown(question, folder)
    if seen.files:
        remove(folder.parent)  # of the round before; the trial's folder is not a person's
        folder.mkdir(parents=True)
        for name, data in seen.files.items():
            publish(folder / name, data)
    publish(path, batch_bytes(question, row_ids, seen.cells))


def batch_bytes(question: Question, row_ids: list[str], shown: list[str]) -> bytes:
    """The rows in the order in which they were chosen."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([ROW_ID, "path" if question.rows.modality.traits.is_file else "text", "order", "strategy", LABEL])
    for order, (row_id, row) in enumerate(zip(row_ids, shown, strict=True)):
        writer.writerow([guarded(row_id), guarded(row), order, guarded(question.strategy), ""])
    return text.getvalue().encode(errors="replace")


def _keep(path: Path) -> None:
    """Copy a `batch.csv` that people changed to where answers are read; the same copy has the same name."""
    data = path.read_bytes()
    folder = path.parent / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    publish(folder / f"batch-{sha256(data).hexdigest()[:8]}.csv", data)


def shown(question: Question, folder: Path) -> Shown:
    """What people look at; rows that are not files of their own become files in `folder`. Nothing is written."""
    rows, ids_B = question.rows, question.ids_B
    if not rows.modality.traits.is_file:
        return Shown([_text(payload) for payload in question.payloads])
    if locations := rows.locations(ids_B):
        return Shown(locations)
    contents = [payload.encode() if isinstance(payload, str) else payload for payload in question.payloads]
    names = [f"{order:04d}{_suffix(data)}" for order, data in enumerate(contents)]
    return Shown([str(folder / name) for name in names], dict(zip(names, contents, strict=True)))


def _suffix(data: bytes) -> str:
    if data[:4] in (b"RIFF", b"RF64") and data[8:12] == b"WAVE":
        return ".wav"
    if data.startswith(b"fLaC"):
        return ".flac"
    try:
        with Image.open(io.BytesIO(data)) as image:
            return f".{(image.format or 'img').lower()}"
    except (UnidentifiedImageError, OSError):
        return ".img"


def _text(payload: Payload) -> str:
    return payload if isinstance(payload, str) else payload.decode(errors="replace")
