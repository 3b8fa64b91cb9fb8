"""Files of answers go into a campaign: what it asked for is kept, the rest is named in `rejected.csv`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from labelbench_ray.answers.checking import Rules, checked
from labelbench_ray.answers.formats import read
from labelbench_ray.answers.formats.stated import FILE, Read, Rejected, Source
from labelbench_ray.answers.ingest import Ingested, ingest, without_copies, write_rejected
from labelbench_ray.answers.log import AnswerLog
from labelbench_ray.answers.names import Names
from labelbench_ray.campaign.batch_files import MANIFEST
from labelbench_ray.campaign.known import Answered, answered
from labelbench_ray.campaign.label_kinds import KINDS
from labelbench_ray.campaign.pool import known_rows
from labelbench_ray.campaign.record import ANSWERS, Batch, Campaign, asked_rows, read_batches, read_campaign
from labelbench_ray.errors import DataError
from labelbench_ray.storage.locks import locked

REJECTED: Final = "rejected.csv"


@dataclass(frozen=True, slots=True)
class Accepted:
    """What ingesting files changed."""

    ingested: Ingested
    rejected_file: Path
    new_classes: tuple[str, ...]
    """Names that no answer had before, where the answers name the classes."""
    found: Answered
    """What all answers come to now."""
    batches: tuple[Batch, ...]


def ingest_files(
    folder: Path,
    files: Sequence[Path],
    *,
    annotator: str = "",
    accept_extra: bool = False,
    complete: bool = False,
) -> Accepted:
    """Read files of answers into the campaign of a folder; the same files again change nothing.

    A file that is not one of answers is rejected, and the others are kept, unless they are to be complete.

    Args:
        folder: the campaign's.
        files: CSV, parquet, Argilla's flattened records, Label Studio's JSON export, or Prodigy's JSON lines.
        annotator: who answered, where a file does not state it.
        accept_extra: accept rows that no batch asked for.
        complete: the files hold all answers to their batches: others were deleted.

    Raises:
        DataError: a file is not there, or none is one of answers; nothing is ingested.
    """
    campaign = read_campaign(folder)
    kind = KINDS[campaign.task]
    read_in: list[Read] = []
    errors: list[DataError] = []
    for path in files:
        try:
            read_in.append(read(path, annotator, _foreign_batch(path, campaign), kind.split))
        except DataError as error:
            if complete or not path.is_file():
                raise
            errors.append(error)
            read_in.append(_unreadable(path, error))
    if len(errors) == len(files):
        raise errors[0]
    return ingest_reads(folder, campaign, read_in, accept_extra=accept_extra, complete=complete)


def _unreadable(path: Path, error: DataError) -> Read:
    rule, _, fix = str(error).removeprefix(f"{path.name}: ").rpartition("; ")
    rejected = Rejected(path.name, 0, "", "", rule, fix)
    return Read(Source(path.name, FILE, datetime.now(UTC), ""), "", (), (rejected,))


def ingest_reads(
    folder: Path, campaign: Campaign, reads: Sequence[Read], *, accept_extra: bool = False, complete: bool = False
) -> Accepted:
    """Take what was read from files or from a tool's server into the campaign of a folder.

    Raises:
        DataError: files that are to be complete include a copy that would undo corrections; nothing is ingested.
    """
    kind = KINDS[campaign.task]
    with locked(folder / "lock"):
        batches = read_batches(folder, campaign)
        rules = _rules(folder, campaign, batches, accept_extra)
        log = AnswerLog(folder / ANSWERS)
        events = log.read()
        before = answered(events, batches, kind)
        usable = without_copies(events, [checked(each, rules) for each in reads])
        if complete and (whole := [each for read in usable for each in read.rejected if not each.row]):
            raise DataError(str(whole[0]))
        ingested = ingest(log, usable, complete)
        write_rejected(folder / REJECTED, ingested.rejected)
        after = answered(log.read(), batches, kind)
    learned = {*after.classes} - {*before.classes} if campaign.classes is None else set()
    return Accepted(ingested, folder / REJECTED, tuple(sorted(learned)), after, tuple(batches))


def _rules(folder: Path, campaign: Campaign, batches: Sequence[Batch], accept_extra: bool) -> Rules:
    by_row = dict.fromkeys(known_rows(folder).row_ids, "")
    by_row |= {row_id: batch.id for row_id, batch in asked_rows(batches).items()}
    classes = None if campaign.classes is None else Names({name: place for place, name in enumerate(campaign.classes)})
    return Rules(
        asked=Names(by_row),
        batches={batch.id: frozenset(batch.row_ids) for batch in batches},
        classes=classes,
        labels=KINDS[campaign.task].counts,
        accepts_extra=accept_extra,
    )


def _foreign_batch(path: Path, campaign: Campaign) -> str:
    """The batch of a file whose manifest beside it is another campaign's; "" for any other file."""
    try:
        stated = json.loads((path.parent / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return ""
    if not isinstance(stated, dict) or not isinstance(files := stated.get("files"), dict) or path.name not in files:
        return ""
    is_ours = stated.get("campaign") == campaign.id
    return "" if is_ours else f"{stated.get('batch')}"
