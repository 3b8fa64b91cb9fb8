"""Everything that a campaign's folder holds, read once; and the models of its labels, measured on the audit rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from labelbench_ray.answers.log import AnswerLog
from labelbench_ray.campaign.audit import AuditRows, audit_reserve, audit_rows
from labelbench_ray.campaign.choosing import Chooser, Knowledge, parts_of
from labelbench_ray.campaign.doubt import class_names, label_weights
from labelbench_ray.campaign.known import Answered, answered, knowledge
from labelbench_ray.campaign.label_kinds import KINDS, LabelKind
from labelbench_ray.campaign.pool import KnownRows, known_rows
from labelbench_ray.campaign.record import ANSWERS, Batch, Campaign, asked_rows, read_batches, read_campaign
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.plugins import Part
from labelbench_ray.pool.blocks import BLOCK_ROWS
from labelbench_ray.proxies import Classifier
from labelbench_ray.report.statistics.audit import AuditEstimate
from labelbench_ray.types import Floats, Ids, Labels

ANY_STRATEGY = Part(name="random")
"""Parts are built with one; a fit does not depend on it."""


@dataclass(frozen=True)
class Standing:
    """A campaign as its folder holds it."""

    folder: Path
    campaign: Campaign
    batches: tuple[Batch, ...]
    events: Any
    """Rows of `answers.events.SCHEMA`."""
    rows: KnownRows
    found: Answered

    @cached_property
    def reserve(self) -> list[str]:
        """The rows that measure the model, in the order in which they are asked."""
        return reserve_of(self.campaign, self.rows)

    @cached_property
    def audit(self) -> AuditRows:
        """The rows that score models, with their labels as numbers of `classes`."""
        known = {*self.classes}
        sets = {row_id: names for row_id, names in self.found.labels.items() if known.issuperset(names)}
        labels = dict(zip(sets, self.kind.numbers([*sets.values()], self.classes), strict=True))
        version_N = self.rows.table.column("version").to_numpy()
        version_R = version_N[self.rows.places(self.reserve)].astype(np.int64)
        return audit_rows(self.reserve, version_R, np.bincount(version_N), self.found.asked, labels)

    @cached_property
    def weights(self) -> Mapping[str, float] | None:
        """How much each label counts in a fit, by row; None: all alike."""
        return label_weights(self.campaign, self.events, self.found)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names in order: the declared ones, or those of today's answers."""
        return self.campaign.classes or self.found.classes

    @property
    def named_classes(self) -> tuple[str, ...]:
        """Every class that is declared; or that an answer gives, whether people agree on it or not."""
        return class_names(self.campaign.classes, self.events)

    @property
    def kind(self) -> LabelKind:
        """How many classes a row has."""
        return KINDS[self.campaign.task]

    def knowledge(self, batches: int | None = None, release_audit: bool = False) -> Knowledge:
        """What is known by pool id; of the first batches alone, where a number is given.

        Args:
            batches: labels of later batches, and of rows that no batch asked for, are left out. None: no label is.
            release_audit: learn from the audit rows, too.
        """
        found = self.found
        if batches is not None:
            asked = asked_rows(self.batches[:batches])
            labels = {row_id: label for row_id, label in found.labels.items() if row_id in asked}
            found = Answered(asked, found.states, labels)
        closed = () if release_audit else self.reserve
        return knowledge(found, self.rows, self.classes, closed, self.weights, self.kind)


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """A model of a campaign's labels."""

    known: Knowledge
    model: Classifier

    @property
    def labels(self) -> int:
        """How many it learned from."""
        return len(self.known.labeled_L)


@dataclass(frozen=True, slots=True)
class Point:
    """A model of a campaign's labels, measured on the audit rows."""

    labels: int
    estimate: AuditEstimate
    predicted_R: Labels = field(compare=False, repr=False)
    """Its classes for the audit reserve."""


def reserve_of(campaign: Campaign, rows: KnownRows) -> list[str]:
    """The rows that measure the model, in the order in which they are asked; none where the campaign has none."""
    return audit_reserve(rows.row_ids, campaign.audit_key, campaign.audit_limit) if campaign.audit_limit else []


def read_standing(folder: Path) -> Standing:
    """What a campaign's folder holds.

    Raises:
        ConfigError: it is not a campaign's.
        DamagedError: a file in it is damaged.
    """
    campaign = read_campaign(folder)
    batches, events = read_batches(folder, campaign), AnswerLog(folder / ANSWERS).read()
    return Standing(
        folder, campaign, tuple(batches), events, known_rows(folder), answered(events, batches, KINDS[campaign.task])
    )


def chooser_of(standing: Standing, store: Path) -> Chooser:
    """What fits the models of a campaign.

    Raises:
        StoreError: its embeddings are not below `store`.
    """
    built = parts_of(standing.campaign, ANY_STRATEGY, 1)
    return Chooser(built, EmbeddingStore.open(store / standing.rows.store).arrays())


def predictions(chooser: Chooser, model: Classifier, ids_B: Ids) -> tuple[Labels, Floats]:
    """What the model answers to each row, as labels are held, and (B,) the probability of the answer."""
    embeddings_ND, found = chooser.embedded.pool.embeddings_ND, []
    for start in range(0, max(len(ids_B), 1), BLOCK_ROWS):
        found.append(chooser.kind.predicted(model.probabilities(embeddings_ND[ids_B[start : start + BLOCK_ROWS]])))
    return np.concatenate([labels for labels, _ in found]), np.concatenate([sure for _, sure in found])


def learned(standing: Standing, chooser: Chooser) -> list[Learned]:
    """The model after each batch, by the answers of today; a batch that added no label adds none."""
    found: list[Learned] = []
    for number in range(1, len(standing.batches) + 1):
        known = standing.knowledge(number)
        if found and len(known.labeled_L) <= found[-1].labels:
            continue
        model = chooser.model(known, number)
        if model is not None:
            found.append(Learned(known, model))
    return found


def curve(standing: Standing, chooser: Chooser, models: Sequence[Learned]) -> list[Point]:
    """The models, measured on all answered audit rows. Empty before the first answered audit row."""
    if not len(standing.audit):
        return []
    reserve_R = standing.rows.places(standing.reserve)
    points: list[Point] = []
    for each in models:
        predicted_R, confidence_R = predictions(chooser, each.model, reserve_R)
        estimate = standing.audit.estimate(predicted_R, confidence_R.astype(np.float64))
        if estimate is not None:
            points.append(Point(each.labels, estimate, predicted_R))
    return points
