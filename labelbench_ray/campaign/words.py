"""A campaign in words, as its commands print it."""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from labelbench_ray.answers.fold import RowState
from labelbench_ray.answers.formats.delimited import join_classes
from labelbench_ray.answers.formats.stated import Rejected
from labelbench_ray.campaign.doubt import WHY
from labelbench_ray.campaign.export import Exported
from labelbench_ray.campaign.ingest import Accepted
from labelbench_ray.campaign.label_kinds import KINDS, ONE_CLASS, SEVERAL_CLASSES, LabelKind
from labelbench_ray.campaign.places import FoundPool, shown_path
from labelbench_ray.campaign.propose import Proposal
from labelbench_ray.campaign.tool_files import TOOLS
from labelbench_ray.report.words import several

BACK: Final = {
    "label-studio": "import the tasks, export the project as JSON, and run: labelbench annotate ingest EXPORT.json",
    "argilla": "log the records with dataset.records.from_json(PATH), save dataset.records.to_list(flatten=True) as "
    "JSON, and run: labelbench annotate ingest EXPORT.json",
    "prodigy": "run prodigy mark DATASET {path} --view-id choice, then prodigy db-out DATASET > EXPORT.jsonl, and "
    "then: labelbench annotate ingest EXPORT.jsonl",
}
"""How a tool takes a batch, and gives its answers."""
SEVERAL_IN: Final = {
    "argilla": "ask with MultiLabelQuestion",
    "prodigy": 'set "choice_style": "multiple" in prodigy.json',
}
SHOWN: Final = 5
"""Rejected answers that are printed; the file has all."""


def describe_pool(found: FoundPool) -> list[str]:
    """What the data are read as."""
    return [f"{found.data.root / found.data.name}: {found.data.what}"]


def describe_proposal(proposal: Proposal, campaign: Path) -> list[str]:
    """What was chosen, where it is, and what to do with it."""
    begun = proposal.campaign
    classes = join_classes(begun.classes) if begun.classes else "named by the answers"
    kind = KINDS[begun.task]
    several = f"; {kind.in_words}" if kind is SEVERAL_CLASSES else ""
    weighs = "; models count each label by its confidence" if begun.weight_by_confidence else ""
    how = f"campaign {shown_path(campaign)}: encoder {begun.encoder}; classes: {classes}{several}{weighs}"
    return [how, *_chosen(proposal), *_files(proposal), *_next(proposal)]


def _chosen(proposal: Proposal) -> Iterator[str]:
    batch = proposal.batch
    if proposal.gained:
        yield f"the pool has {several(proposal.gained, 'new row')}, {proposal.rows:,} in all"
    asked = len(batch.row_ids)
    if proposal.again:
        yield f"batch {batch.number} was proposed before: the same {several(asked, 'row')} of {proposal.rows:,}"
        return
    why = "no labels to learn from yet"
    if batch.labels:
        labels = several(batch.labels, "label")
        why = f"by a model of {labels}" if batch.model else f"{labels} of fewer than two classes: too few for a model"
    chosen = (
        f"chosen by {batch.chosen_by} ({why})" if batch.new_rows else "none of them new: all rows were asked before"
    )
    yield f"batch {batch.number}: {several(asked, 'row')} of {proposal.rows:,}, {chosen}"
    if batch.audit:
        measure = several(len(batch.audit), "of them only measures", "of them only measure")
        yield (
            f"{measure} the model, drawn at random; the files do not show which, so that people label all rows alike"
        )
    if batch.again:
        gets = several(len(batch.again), "of them has", "of them have")
        yield (
            f"{gets} answers that leave doubt ({WHY}): each gets one more, of somebody who did not answer it, up to "
            f"{batch.max_answers} answers a row"
        )
    elif batch.max_answers:
        yield f"no row is asked again: no answers leave doubt that one more can settle ({WHY})"
    if proposal.pending:
        waiting = _await(proposal.pending, "row of earlier batches", "rows of earlier batches")
        yield f"{waiting} answers; counted as chosen"


def _files(proposal: Proposal) -> Iterator[str]:
    for written in proposal.written:
        done = "is there already, and stays as it is" if written.kept else "written"
        yield f"{shown_path(written.path)}: {several(written.rows, 'row')}, {done}"


def _next(proposal: Proposal) -> Iterator[str]:
    batch = proposal.batch
    if batch.overlap > 1 and not batch.annotators:
        file = shlex.quote(shown_path(proposal.written[0].path))
        yield (
            f"next: each row is to get {batch.overlap} answers: give a copy of {file} to each person, and run for each "
            "copy: labelbench annotate ingest COPY --annotator NAME (--annotators NAME,... shares the rows out)"
        )
        return
    files = " ".join(shlex.quote(shown_path(written.path)) for written in proposal.written)
    yield f"next: {KINDS[proposal.campaign.task].to_fill_in}, then run: labelbench annotate ingest {files}"


def describe_tool_files(tool: str, paths: Sequence[Path], kind: LabelKind = ONE_CLASS) -> list[str]:
    """What was written for a tool, how several classes a row are asked for there, and how its answers come back."""
    written = [f"{shown_path(path)}: for {TOOLS[tool]}, written" for path in paths]
    path = shlex.quote(shown_path(paths[0]))
    if kind is SEVERAL_CLASSES and tool in SEVERAL_IN:
        written.append(f"several classes a row in {TOOLS[tool]}: {SEVERAL_IN[tool]}")
    return [*written, f"or label in {TOOLS[tool]}: {BACK[tool].format(path=path)}"]


def describe_ingest(accepted: Accepted, campaign: Path) -> list[str]:
    """What was taken from the files, what was not, and what to do next."""
    return [*_taken(accepted), *_rejected(accepted), *_after(accepted, campaign)]


def _taken(accepted: Accepted) -> Iterator[str]:
    found = accepted.ingested
    counts = {
        "new": found.new,
        "corrected": found.corrected,
        "already there": found.repeated,
        "older than what is there": found.outdated,
        "retracted": found.retracted,
    }
    stated = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
    yield f"answers: {stated or 'none in the files'}"
    if accepted.new_classes:
        names = join_classes(accepted.new_classes)
        yield f"new classes: {names} (correct a misspelled one in the file; ingest it again)"


def _rejected(accepted: Accepted) -> Iterator[str]:
    rejected: tuple[Rejected, ...] = accepted.ingested.rejected
    if not rejected:
        return
    where = shown_path(accepted.rejected_file)
    yield f"not used: {len(rejected):,}, while the others are kept; {where} lists them:"
    yield from (f"  {each}" for each in rejected[:SHOWN])


def _after(accepted: Accepted, campaign: Path) -> Iterator[str]:
    asked = accepted.found.asked
    labeled = sum(row_id in accepted.found.labels for row_id in asked)
    yield f"labeled: {labeled:,} of the {several(len(asked), 'row')} asked"
    open_rows = sum(
        accepted.found.state(row_id) in (RowState.OPEN, RowState.PART) or row_id in accepted.found.awaited
        for row_id in asked
    )
    if open_rows:
        yield f"{_await(open_rows, 'row', 'rows')} answers; the next batch can be proposed at any time"
    where = shlex.quote(shown_path(campaign))
    yield f"next: propose with another --out, or labelbench annotate status --campaign {where}"


def describe_export(exported: Exported) -> list[str]:
    """What a file of labels holds."""
    by_model = f", and predictions of a model for {several(exported.model, 'other row')}" if exported.model else ""
    lines = [f"{shown_path(exported.path)}: {several(exported.people, 'label')} of people{by_model}"]
    lines.append(f"classes: {join_classes(exported.classes) if exported.classes else 'none; no row has any'}")
    if exported.left_out:
        lines.append(f"left out: {several(exported.left_out, 'row')} asked, without a label")
    return lines


def _await(number: int, noun: str, plural: str) -> str:
    return f"{several(number, noun, plural)} {'awaits' if number == 1 else 'await'}"
