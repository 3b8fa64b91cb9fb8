"""Files of answers go into a campaign's log, and what cannot be used into `rejected.csv`."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from labelbench_ray.answers.events import SCHEMA, Answer, to_table
from labelbench_ray.answers.fold import ANSWER, REVISION, retractions
from labelbench_ray.answers.formats.stated import FILE, Read, Rejected, Unanswered
from labelbench_ray.answers.log import AnswerLog
from labelbench_ray.answers.ordering import last_of_each
from labelbench_ray.answers.revisions import content_of
from labelbench_ray.storage.atomic import publish
from labelbench_ray.storage.spreadsheets import guarded


@dataclass(frozen=True, slots=True)
class Ingested:
    """What came of files; the numbers count answers."""

    new: int
    corrected: int
    """Answers that the log had with another content."""
    repeated: int
    outdated: int
    """Answers that differ from a later one in the log, which holds: the file was saved before. They are kept too."""
    retracted: int
    rejected: tuple[Rejected, ...]


def ingest(log: AnswerLog, reads: Sequence[Read], complete: bool = False) -> Ingested:
    """Add the answers of files to a log.

    Every event that the log does not have is added, also one that restates an answer: whether that matters is known
    only once the files that were saved in between are read, perhaps later. The fold leaves restatements out.

    Args:
        log: the campaign's.
        reads: what is read and checked.
        complete: the files together hold all answers of their tools to the batches that occur in them, so that others
            are retracted; a CSV or parquet file holds those of the annotators that it names. An answer to a row that
            is rejected is not retracted.
    """
    events = log.read()
    answers = sorted((answer for read in reads for answer in read.answers), key=lambda answer: answer.revision)
    recorded, latest = _recorded(events, answers)
    counts: Counter[str] = Counter()
    fresh: list[Answer] = []
    for answer in answers:
        key = (answer.tool, answer.answer_id)
        last = latest.get(key)
        if answer.identity in recorded:
            counts["repeated"] += 1
            continue
        fresh.append(answer)
        counts[_came(answer, last)] += 1
        latest[key] = answer.revision if last is None else max(last, answer.revision)
    gone = _gone(events, reads) if complete else SCHEMA.empty_table()
    log.append_table(pa.concat_tables([to_table(fresh), gone]))
    rejected = tuple(each for read in reads for each in read.rejected)
    return Ingested(counts["new"], counts["corrected"], counts["repeated"], counts["outdated"], len(gone), rejected)


def without_copies(events: pa.Table, reads: Sequence[Read]) -> list[Read]:
    """The reads, and a rejection for each file whose content was read before and would undo corrections now.

    A copy of a file has a later time and the same content, so it would hold as what was saved last.
    """
    sources = {*pc.unique(events.column("source_sha256")).to_pylist()}
    return [_without_copy(events, each) if each.source.sha256 in sources else each for each in reads]


def _without_copy(events: pa.Table, read: Read) -> Read:
    recorded, latest = _recorded(events, read.answers)
    changed = sum(
        answer.identity not in recorded and _came(answer, latest.get((answer.tool, answer.answer_id))) == "corrected"
        for answer in read.answers
    )
    if not changed:
        return read
    rule = f"the same content was read before, and {changed:,} of its answers were changed since, so none is taken"
    fix = "to go back to its answers, change the file (an empty line at its end is enough) and ingest it again"
    return replace(read, found=(), unanswered=(), rejected=(Rejected(read.source.name, 0, "", "", rule, fix),))


def write_rejected(path: Path, rejected: Sequence[Rejected]) -> None:
    """Publish what was rejected, for a spreadsheet; without any, remove what the ingest before left."""
    if not rejected:
        path.unlink(missing_ok=True)
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(field.name for field in fields(Rejected))
    for each in rejected:
        writer.writerow(value if isinstance(value, int) else guarded(value) for value in astuple(each))
    publish(path, text.getvalue().encode(errors="replace"))


def _came(answer: Answer, last: str | None) -> str:
    """What an event is that the log does not have, given the latest revision of the same answer."""
    if last is None:
        return "new"
    if content_of(answer.revision) == content_of(last) != "":
        return "repeated"
    return "outdated" if answer.revision < last else "corrected"


def _recorded(
    events: pa.Table, answers: Iterable[Answer]
) -> tuple[set[tuple[str, str, str]], dict[tuple[str, str], str]]:
    """Of these answers, the identities in the log, and the latest revision of each."""
    ids = pa.array([answer.answer_id for answer in answers], pa.string())
    known = events.filter(pc.is_in(events.column("answer_id"), value_set=ids)).select(REVISION)
    found = last_of_each(known, REVISION, ANSWER)
    return {*_identities(known)}, {(tool, answer): revision for tool, answer, revision in _identities(found)}


def _identities(table: pa.Table) -> Iterable[tuple[str, str, str]]:
    return zip(*(table.column(name).to_pylist() for name in REVISION), strict=True)


def _gone(events: pa.Table, reads: Sequence[Read]) -> pa.Table:
    """Retractions of what complete files no longer have."""
    tables = [SCHEMA.empty_table()]
    for tool in sorted({read.source.tool for read in reads}):
        of_tool = [read for read in reads if read.source.tool == tool]
        answers = [answer for read in of_tool for answer in read.answers]
        rejected = pa.array({each.row_id for read in of_tool for each in read.rejected}, pa.string())
        at_rejected = events.filter(pc.is_in(events.column("row_id"), value_set=rejected)).column("answer_id")
        kept = {*(answer.answer_id for answer in answers), *at_rejected.to_pylist()}
        saved_at = max(read.source.saved_at for read in of_tool)
        named: list[Answer | Unanswered] = [*answers, *(each for read in of_tool for each in read.unanswered)]
        annotators = {each.annotator for each in named} if tool == FILE else None
        tables.append(retractions(events, kept, tool, saved_at, {each.batch for each in named}, annotators))
    return pa.concat_tables(tables)
