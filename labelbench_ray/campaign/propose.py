"""Proposing a batch: what is known is read, rows are chosen and recorded, and then the files are written.

What can be refused is refused first: a refusal leaves no record, and its rows can be chosen again. Then the record is
written, and the files last. A proposal that was interrupted, or is asked for again, writes the files of the recorded
rows.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow.compute as pc

from labelbench_ray.answers.fold import RowState
from labelbench_ray.answers.log import AnswerLog, content_hash
from labelbench_ray.campaign.annotators import plan
from labelbench_ray.campaign.audit import AUDIT_SHARE, audit_limit, default_reserve, next_audit_rows
from labelbench_ray.campaign.batch_files import Written, contents, files_there, write_files
from labelbench_ray.campaign.choosing import Chooser, Knowledge, model_hash, parts_of
from labelbench_ray.campaign.doubt import (
    check_most_answers,
    check_weighs,
    label_weights,
    rows_to_ask_again,
    share_of_batch,
)
from labelbench_ray.campaign.known import answered, knowledge
from labelbench_ray.campaign.pool import KnownRows, OpenPool, open_pool, read_known
from labelbench_ray.campaign.record import (
    ANSWERS,
    Batch,
    Campaign,
    campaign_file,
    read_batches,
    read_campaign,
    write_batch,
    write_campaign,
)
from labelbench_ray.campaign.standing import reserve_of
from labelbench_ray.embeddings.complete import Embedder, Progress
from labelbench_ray.environment import Environment
from labelbench_ray.errors import ConfigError
from labelbench_ray.plugins import Part
from labelbench_ray.storage.folders import make_folder
from labelbench_ray.storage.locks import Lock, locked
from labelbench_ray.storage.versions import versions
from labelbench_ray.streams import stream
from labelbench_ray.trial.stored_rows import stored_rows

FIXED: Final = ("encoder", "proxy", "trainer", "first_batch", "seed", "classes", "weight_by_confidence")
"""What a campaign keeps from its first proposal on, by the names of the options."""
SEVERAL: Final = "multi_label"
"""The option that asks for several classes a row; it stays as well."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a person asks for."""

    campaign: Campaign
    """As it is begun, if it is not there yet; without its audit limit."""
    given: frozenset[str]
    """Which of `FIXED`, and whether `strategy`, the person stated."""
    budget: int
    strategy: Part
    out: Path
    annotators: tuple[str, ...] = ()
    overlap: int = 1
    max_answers: int | None = None
    """That a row gets at most; None: the overlap."""
    reserve: int | None = None
    """Rows that measure the model, of a new campaign; None: as many as suit its pool."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A batch with its files."""

    campaign: Campaign
    batch: Batch
    written: tuple[Written, ...]
    rows: int
    """Of the pool."""
    gained: int
    """Rows that the pool has gained since the last proposal."""
    pending: int
    """Rows that earlier batches asked for and that await answers; skipped ones do not."""
    again: bool
    """It was recorded before."""


def propose(
    folder: Path, request: Request, environment: Environment, embedder: Embedder, progress: Progress
) -> Proposal:
    """The batch of the folder `request.out`: the recorded one, or the next.

    Raises:
        ConfigError: the campaign or the folder is another one's, or more rows are asked for than are left.
        UserError: the pool cannot be read or embedded, or lost or changed rows.
    """
    if request.annotators:
        plan(0, len(request.annotators), request.overlap)
    most = check_most_answers(request.max_answers, request.overlap, request.annotators)
    make_folder(folder)
    with locked(folder / "lock") as lock:
        campaign = _continued(folder, request) if campaign_file(folder).is_file() else None
        base = campaign or request.campaign
        built = parts_of(base, request.strategy, request.budget)
        if base.weight_by_confidence:
            check_weighs(built)
        rows = read_known(folder) if campaign else None
        pool = open_pool(folder, lock, rows, built, environment, embedder, progress)
        chooser = Chooser(built, pool.store.arrays())
        if campaign is None:
            campaign = _begin(folder, lock, request, pool.known)
        batches = read_batches(folder, campaign)
        batch = next((each for each in batches if each.out == str(request.out)), None)
        reserve = reserve_of(campaign, pool.known)
        _check_reserve(folder, request, pool.known, reserve)
        events = AnswerLog(folder / ANSWERS).read()
        found = answered(events, batches, chooser.kind)
        weights = label_weights(campaign, events, found)
        known = knowledge(found, pool.known, campaign.classes, reserve, weights, chooser.kind)
        is_there = batch is not None
        if batch is None:
            doubtful = rows_to_ask_again(campaign, events, found, request.annotators, most) if most else {}
            order = [row_id for row_id in reserve if row_id not in found.asked and row_id not in found.labels]
            left = len(pool.known) - len(known.labeled_L) - len(known.pending_P) - len(known.closed_C)
            _check_budget(request, len(pool.known), left + len(order), len(doubtful))
            again = share_of_batch(doubtful, *(rows * request.overlap for rows in (request.budget, left + len(order))))
            new = request.budget - ceil(len(again) / request.overlap)
            audit = next_audit_rows(order, (), new, max(AUDIT_SHARE, (new - left) / max(new, 1)))
            draft = _draft(campaign, request, most, len(batches), content_hash(events), known)
            batch = _with_again(_chosen(draft, chooser, known, pool, new, audit), campaign.seed, again)
        else:
            _check_same(batch, request, most)
        ids_B, source_rows = pool.known.places(batch.row_ids), stored_rows(built, pool.store, environment.data_root)
        files = contents(batch, ids_B, source_rows)
        there = files_there(batch, files)
        if not is_there:
            write_batch(folder, lock, batch)
        written = write_files(batch, files, there)
    mine = {*batch.row_ids}
    waiting = {row_id for row_id in found.asked if found.state(row_id) in (RowState.OPEN, RowState.PART)}
    pending = len({*waiting, *found.awaited} - mine)
    return Proposal(campaign, batch, tuple(written), len(pool.known), pool.gained, pending, is_there)


def _continued(folder: Path, request: Request) -> Campaign:
    """The campaign that is there, if the request is of it."""
    campaign = read_campaign(folder)
    if _without_classes(campaign.dataset) != _without_classes(request.campaign.dataset):
        raise ConfigError(
            f"{folder} is the campaign of {campaign.dataset} below {campaign.data_root}, not of "
            f"{request.campaign.dataset}; give --campaign DIR for another pool's"
        )
    if SEVERAL in request.given and campaign.task != request.campaign.task:
        raise ConfigError(
            f"--multi-label: {folder} began with one class a row, which stays; leave the option out, or begin another "
            "campaign with --campaign DIR"
        )
    for name in FIXED:
        stated, there = getattr(request.campaign, name), getattr(campaign, name)
        if name in request.given and stated != there:
            raise _stays(name, stated, folder, there)
    return campaign


def _stays(name: str, stated: object, folder: Path, there: object) -> ConfigError:
    return ConfigError(
        f"--{name.replace('_', '-')} {_words(stated)}: {folder} began with {_words(there)}, which stays; leave the "
        "option out, or begin another campaign with --campaign DIR"
    )


def _check_reserve(folder: Path, request: Request, rows: KnownRows, reserve: Collection[str]) -> None:
    """Refuse another number of audit rows than the campaign began with, which is theirs in the pool's first version."""
    at_first = set(rows.table.filter(pc.equal(rows.table.column("version"), 0)).column("row_id").to_pylist())
    there = sum(row_id in at_first for row_id in reserve)
    if request.reserve not in (None, there):
        raise _stays("audit_reserve", request.reserve, folder, there)


def _begin(folder: Path, lock: Lock, request: Request, rows: KnownRows) -> Campaign:
    reserve = default_reserve(len(rows)) if request.reserve is None else request.reserve
    limit = audit_limit(rows.row_ids, request.campaign.audit_key, reserve)
    campaign = request.campaign.model_copy(update={"audit_limit": limit})
    write_campaign(folder, lock, campaign)
    return campaign


def _draft(
    campaign: Campaign, request: Request, most: int | None, number: int, answers: str, known: Knowledge
) -> Batch:
    """A batch without rows."""
    return Batch(
        campaign=campaign.id,
        number=number,
        row_ids=(),
        budget=request.budget,
        strategy=str(request.strategy),
        chosen_by="",
        model="",
        answers=answers,
        labels=len(known.labeled_L),
        classes=known.classes,
        annotators=request.annotators,
        overlap=request.overlap,
        max_answers=most,
        out=str(request.out),
        versions=versions(),
    )


def _chosen(draft: Batch, chooser: Chooser, known: Knowledge, pool: OpenPool, new: int, audit: list[str]) -> Batch:
    """The batch with its new rows: those of the strategy in its order, and audit rows at random places among them."""
    trial, model = chooser.built.trial, chooser.model(known, draft.number)
    chosen_B = chooser.choose(known, model, draft.number, new - len(audit))
    row_ids = pool.known.table.column("row_id").take(chosen_B).to_pylist()
    row_ids = _mixed(row_ids, audit, stream(trial.seed, draft.number, "audit places"))
    by = trial.first_batch if model is None else trial.strategy
    update = {"row_ids": tuple(row_ids), "audit": tuple(audit), "chosen_by": str(by), "model": model_hash(model)}
    return draft.model_copy(update=update)


def _with_again(batch: Batch, seed: int, again: Mapping[str, str]) -> Batch:
    """The batch with the rows that are asked again at random places, so that people label all rows alike."""
    if not again:
        return batch
    row_ids = _mixed(batch.row_ids, [*again], stream(seed, batch.number, "again places"))
    return batch.model_copy(update={"row_ids": tuple(row_ids), "again": dict(again)})


def _mixed(row_ids: Sequence[str], others: Sequence[str], draw: np.random.Generator) -> list[str]:
    """Rows with others at random places among them, both in their order."""
    mixed = [*row_ids]
    places = draw.choice(len(row_ids) + len(others), len(others), replace=False)
    for place, row_id in zip(np.sort(places).tolist(), others, strict=True):
        mixed.insert(place, row_id)
    return mixed


def _check_budget(request: Request, rows: int, left: int, doubtful: int) -> None:
    """Refuse more rows than are left: those that were never asked, and those in doubt at one answer each."""
    most = left + ceil(doubtful / request.overlap)
    if request.budget > most:
        fix = f"give at most {most:,}" if doubtful else "give at most that many"
        fix = fix if most else "add rows to the pool, or export the labels"
        doubt = f" and {doubtful:,} in doubt, which get an answer each" if doubtful else ""
        raise ConfigError(
            f"--budget {request.budget}: the pool's {rows:,} rows have {left:,} left for a batch{doubt}; {fix}"
        )


def _check_same(batch: Batch, request: Request, most: int | None) -> None:
    """Refuse a folder that has a batch of another kind."""
    asked = {"budget": request.budget, "annotators": request.annotators, "overlap": request.overlap}
    asked |= {"max_answers": most}
    if "strategy" in request.given:
        asked |= {"strategy": str(request.strategy)}
    for name, stated in asked.items():
        there = getattr(batch, name)
        if stated != there:
            option = name.replace("_", "-")
            raise ConfigError(
                f"--{option} {_words(stated)}: {batch.out} has batch {batch.number}, which was proposed with "
                f"{_words(there)}; give another --out for another batch"
            )


def _without_classes(dataset: Part) -> tuple[str, dict[str, object]]:
    return dataset.name, {name: value for name, value in dataset.settings.items() if name != "classes"}


def _words(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)
