"""A campaign's batches in Label Studio: pushed as tasks of a project, and pulled as answers."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

import pyarrow.compute as pc

from labelbench_ray.answers.formats.label_studio import TOOL
from labelbench_ray.answers.label_studio.client import Server
from labelbench_ray.answers.label_studio.pictures import Address, data_uri
from labelbench_ray.answers.label_studio.project import LONGEST_TITLE, Wanted, label_config
from labelbench_ray.answers.label_studio.tasks import BatchOfTasks, import_file
from labelbench_ray.answers.label_studio.transfer import Pushed, pull, push
from labelbench_ray.answers.log import AnswerLog
from labelbench_ray.answers.to_show import FileAt, Suggestion, ToShow
from labelbench_ray.campaign.choosing import Chooser, Knowledge, model_hash, parts_of
from labelbench_ray.campaign.doubt import label_weights
from labelbench_ray.campaign.ingest import Accepted, ingest_reads
from labelbench_ray.campaign.known import answered, knowledge
from labelbench_ray.campaign.label_kinds import KINDS, SEVERAL_CLASSES
from labelbench_ray.campaign.pool import known_rows
from labelbench_ray.campaign.record import ANSWERS, SUFFIX, Batch, read_batches, read_campaign
from labelbench_ray.campaign.standing import reserve_of
from labelbench_ray.datasets import Modality
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.errors import ConfigError
from labelbench_ray.oracles._to_show import rows_to_show
from labelbench_ray.plugins import Part
from labelbench_ray.storage.atomic import publish
from labelbench_ray.trial.stored_rows import stored_rows
from labelbench_ray.types import Ids

DIGITS: Final = 16
"""Of a model's hash that answers keep."""


@dataclass(frozen=True, slots=True)
class Showing:
    """How annotators see rows."""

    address: Callable[[Path], Address] = lambda pool: data_uri
    """Where images and sounds are loaded from, given the pool's folder."""
    predictions: bool = False
    """Whether they see what the model of the answers so far predicts. Audit rows never show it."""


HIDDEN: Final = Showing()


def default_title(folder: Path) -> str:
    """The title of a campaign's project where none is given: that of its folder."""
    return f"{folder.name.removesuffix(SUFFIX)} labels"[:LONGEST_TITLE]


def batch_of_tasks(
    folder: Path, store: Path, title: str, number: int | None = None, showing: Showing = HIDDEN
) -> BatchOfTasks:
    """A batch as tasks.

    Args:
        folder: the campaign's.
        store: where embeddings lie.
        title: the project's.
        number: of the batch; None: the last one.
        showing: how its rows are shown.

    Raises:
        UserError: there is no such batch, its classes are not declared, or its rows cannot be read.
    """
    campaign = read_campaign(folder)
    batches = read_batches(folder, campaign)
    batch = chosen_batch(batches, number)
    if not campaign.classes:
        raise ConfigError(
            f"{folder}: declares no classes, and Label Studio offers choices alone; begin a campaign with --classes"
        )
    if batch.again:
        raise ConfigError(
            f"batch {batch.number}: asks {len(batch.again):,} rows again, each of one annotator, which tasks of Label "
            f"Studio cannot state; label the files in {batch.out}"
        )
    known = known_rows(folder)
    built, kind = parts_of(campaign, Part(name="random"), batch.budget), KINDS[campaign.task]
    opened = EmbeddingStore.open(store / known.store)
    ids_B = known.places(batch.row_ids)
    rows = rows_to_show(stored_rows(built, opened, Path(campaign.data_root)), ids_B)
    if showing.predictions:
        events = AnswerLog(folder / ANSWERS).read()
        found = answered(events, batches, kind)
        reserve = reserve_of(campaign, known)
        chooser = Chooser(built, opened.arrays())
        weights = label_weights(campaign, events, found)
        learned = knowledge(found, known, campaign.classes, reserve, weights, kind)
        suggested = _suggestions(chooser, learned, batch, ids_B)
        rows = tuple(replace(row, suggestion=suggested.get(row.row_id)) for row in rows)
    modality = Modality.of(built.dataset.modality()).value
    wanted = Wanted(title, modality, campaign.classes, kind is SEVERAL_CLASSES, batch.overlap, showing.predictions)
    return BatchOfTasks(campaign.id, batch.id, rows, wanted, showing.address(pool_folder(rows)))


def _suggestions(chooser: Chooser, known: Knowledge, batch: Batch, ids_B: Ids) -> dict[str, Suggestion]:
    """What the model of the answers so far predicts for the rows of a batch that do not measure it."""
    model = chooser.model(known, batch.number)
    if model is None:
        raise ConfigError("--show-predictions: there is no label to predict from yet; leave it out for the first batch")
    predicted_B, _ = chooser.kind.predicted(model.probabilities(chooser.embedded.pool.embeddings_ND[ids_B]))
    names = chooser.kind.names(predicted_B, known.classes)
    version, audit = model_hash(model)[:DIGITS], {*batch.audit}
    return {
        row_id: Suggestion(labels, version)
        for row_id, labels in zip(batch.row_ids, names, strict=True)
        if row_id not in audit
    }


def chosen_batch(batches: Sequence[Batch], number: int | None) -> Batch:
    """The batch of this number, or the last one."""
    if not batches:
        raise ConfigError("no batch was proposed yet; run `labelbench annotate propose` first")
    if number is None:
        return batches[-1]
    if not 0 <= number < len(batches):
        raise ConfigError(f"--batch {number}: the campaign has batches 0 to {len(batches) - 1}; give one of these")
    return batches[number]


def push_batch(
    server: Server, folder: Path, store: Path, title: str, number: int | None = None, showing: Showing = HIDDEN
) -> Pushed:
    """Hand a batch to a project.

    Args:
        server: the server.
        folder: the campaign's.
        store: where embeddings lie.
        title: the project's, or its number.
        number: of the batch; None: the last one.
        showing: how its rows are shown.

    Raises:
        UserError: as from `batch_of_tasks` and `push`.
    """
    named = default_title(folder) if title.isdecimal() else title
    tasks = batch_of_tasks(folder, store, named, number, showing)
    return push(server, title, tasks, pool_folder(tasks.rows))


def write_import(folder: Path, store: Path, number: int, out: Path) -> list[Path]:
    """Write a batch as files for Label Studio's own pages, for a server that this machine does not reach.

    Images and sounds are inside the tasks. The same batch gives the same bytes.

    Returns:
        `tasks.json`, for the button Import, and `page.xml`, for Settings > Labeling Interface > Code.

    Raises:
        UserError: as from `batch_of_tasks`.
    """
    tasks = batch_of_tasks(folder, store, default_title(folder), number)
    files = {out / "tasks.json": import_file(tasks), out / "page.xml": label_config(tasks.wanted).encode()}
    for path, data in files.items():
        publish(path, data)
    return [*files]


def pool_folder(rows: Sequence[ToShow]) -> Path:
    """The folder that holds the files of all these rows, as their ids state it."""
    row = rows[0]
    if not isinstance(row.payload, FileAt):
        return Path.cwd()
    path = Path(os.path.abspath(row.payload.location))
    inside = Path(row.row_id)
    return path.parents[len(inside.parts) - 1] if path.parts[-len(inside.parts) :] == inside.parts else path.parent


def pull_answers(
    server: Server, folder: Path, title: str, *, complete: bool = False, changed: bool = False, extra: bool = False
) -> Accepted:
    """Fetch the answers of a project into the campaign's log.

    Args:
        server: the server.
        folder: the campaign's.
        title: the project's, or its number.
        complete: retract answers that the project no longer has.
        changed: fetch only tasks that changed since the newest answer that is known; cannot be complete.
        extra: accept answers to rows of the pool that no batch asked for.

    Raises:
        UserError: as from `pull`, or the log is damaged.
    """
    if complete and changed:
        raise ConfigError("--complete and --changed-only exclude each other: deleted answers are not among the changed")
    campaign = read_campaign(folder)
    since = _newest(AnswerLog(folder / ANSWERS)) if changed else None
    return ingest_reads(folder, campaign, [pull(server, title, since)], accept_extra=extra, complete=complete)


def _newest(log: AnswerLog) -> datetime | None:
    """When the newest answer of this tool was given; None before the first one."""
    events = log.read()
    times = events.filter(pc.equal(events.column("tool"), TOOL)).column("answered_at")
    newest: datetime | None = pc.max(times).as_py()
    return newest
