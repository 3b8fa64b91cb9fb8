"""A campaign in words, as its commands print it."""

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from labelbench_ray.campaign.places import FoundPool
from labelbench_ray.campaign.propose import Proposal, Request


def describe_pool(found: FoundPool, request: Request) -> list[str]:
    """What the data are read as."""
    classes = ", ".join(found.classes) if found.classes else "named by the answers"
    place = found.data.root / found.data.name
    return [f"{place}: {found.data.what}; encoder {request.campaign.encoder}; classes: {classes}"]


def describe_proposal(proposal: Proposal, campaign: Path) -> list[str]:
    """What was chosen, where it is, and what to do with it."""
    return [*_chosen(proposal), *_files(proposal), *_next(proposal), f"campaign: {shown_path(campaign)}"]


def _chosen(proposal: Proposal) -> Iterator[str]:
    batch = proposal.batch
    if proposal.gained:
        yield f"the pool has {proposal.gained:,} new rows, {proposal.rows:,} in all"
    asked = len(batch.row_ids)
    if proposal.again:
        yield f"batch {batch.number} was proposed before: the same {asked:,} rows of {proposal.rows:,}"
        return
    why = f"by a model of {batch.labels:,} labels" if batch.model else "no labels to learn from yet"
    yield f"batch {batch.number}: {asked:,} rows of {proposal.rows:,}, chosen by {batch.chosen_by} ({why})"
    if batch.audit:
        yield (
            f"{len(batch.audit):,} of them are a random sample that only measures the model; the file does not show "
            "which, so that they are labeled like all others"
        )
    if proposal.pending:
        yield f"{proposal.pending:,} rows of earlier batches await labels; they were counted as chosen"


def _files(proposal: Proposal) -> Iterator[str]:
    for written in proposal.written:
        done = "is there already, and stays as it is" if written.kept else "written"
        yield f"{shown_path(written.path)}: {written.rows:,} rows, {done}"


def _next(proposal: Proposal) -> Iterator[str]:
    files = " ".join(shlex.quote(shown_path(written.path)) for written in proposal.written)
    yield f"next: fill in the column label, then run: labelbench annotate ingest {files}"


def shown_path(path: Path) -> str:
    """A path, relative to the working directory where it lies in it."""
    absolute = Path(os.path.abspath(path))
    return str(absolute.relative_to(Path.cwd())) if Path.cwd() in absolute.parents else str(absolute)
