"""The embedding stores that a plan needs: what is there, what is missing, and whether their data have changed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from labelbench_ray.augmentations import WantedViews
from labelbench_ray.datasets import FileTable, Modality, Source, Split, without_label
from labelbench_ray.datasets.vectors.table import VectorTable
from labelbench_ray.embeddings.augmented import finished_views, read_view_manifest
from labelbench_ray.embeddings.external.store import names_files
from labelbench_ray.embeddings.facts import stored_facts
from labelbench_ray.embeddings.origin import changed_data, data_changes, recorded_folded
from labelbench_ray.embeddings.overlaps import Overlaps, count_overlaps, left_out, read_overlaps, write_overlaps
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.environment import Environment
from labelbench_ray.errors import ConfigError, NotProvidedError, StoreError
from labelbench_ray.ledger.data_notes import note_change, note_overlaps
from labelbench_ray.planning.data_words import describe_source
from labelbench_ray.pool.distributions import CATEGORICAL
from labelbench_ray.trial.parts import Parts

BYTES_PER_VALUE = 2


@dataclass(frozen=True, slots=True)
class PlannedViews:
    """Augmented views of an embedding store that trials need."""

    example: Parts
    """The trial that needs the most of them."""
    wanted: WantedViews
    there: int
    """How many of them are embedded."""

    def __str__(self) -> str:
        name, settings = self.wanted.recipe["name"], self.wanted.augmentation
        return f"{self.wanted.count} augmented views of the pool by {name} ({settings})"


@dataclass(frozen=True, slots=True)
class PlannedStore:
    """An embedding store that trials need."""

    key: str
    example: Parts
    """Any trial that reads it."""
    rows: Mapping[str, int]
    """By split; empty while the data are not here."""
    classes: tuple[str, ...] | None
    """None while neither the data nor the embeddings are here."""
    content: str
    """Content hash; "" while it is not embedded."""
    to_be_provided: tuple[str, ...]
    """Data and weights that are not on this machine."""
    rejects: int
    """Rows of all splits that embedding left out; 0 while it is not embedded."""
    views: tuple[PlannedViews, ...]
    """One entry for each augmentation."""
    found: tuple[str, ...] = ()
    """The contents of the data set in words, and warnings about its embeddings."""
    overlaps: Overlaps | None = None
    """Rows that are in two splits; None before they are counted."""
    unlabeled: int = 0
    """Rows of the pool without a label, as far as that is known without reading payloads."""
    first_unlabeled: str = ""
    """The id of the first of them."""
    facts: tuple[str, ...] = ()
    """The facts of pool rows; none are known while neither the data nor the embeddings are here."""
    class_counts: tuple[int, ...] = ()
    """Rows of the pool of each class, where every row has one class and that is known without reading payloads."""
    given_dimensions: int = 0
    """Of embeddings that the data set brings; 0 where the encoder makes them."""
    converted: int | None = None
    """Rows that a store that names files converts; None: the store holds all rows."""
    source: Source | None = field(default=None, compare=False, repr=False)
    """The opened data set, which a command lists once; None while the data are not here."""

    @property
    def dimensions(self) -> int:
        """D; 0 while it is not known."""
        return self.example.encoder.dimensions() or self.given_dimensions

    @property
    def done(self) -> bool:
        """It is embedded; views may be missing."""
        return bool(self.content)

    @property
    def left_out(self) -> str:
        """Why rows were left out, in words; "" for none."""
        return left_out(self.rejects, self.overlaps)

    @property
    def complete(self) -> bool:
        """It is embedded, and so are all views."""
        return self.done and all(views.there == views.wanted.count for views in self.views)

    @property
    def examples(self) -> tuple[Parts, ...]:
        """Trials that together need all of it."""
        return tuple(views.example for views in self.views) or (self.example,)

    @property
    def bytes(self) -> int:
        """Bytes of its embeddings: float16, once in shards and once as arrays; 0 while the rows are unknown.

        A view holds two embeddings of each pool row. Of rows in files that it names, it holds the converted ones once.
        """
        if self.converted is not None:
            return self.converted * self.dimensions * BYTES_PER_VALUE
        rows = sum(self.rows.values()) + 2 * self.rows.get("pool", 0) * sum(views.wanted.count for views in self.views)
        return 2 * rows * self.dimensions * BYTES_PER_VALUE


def wanted_views(key: str, built: Iterable[Parts], environment: Environment) -> tuple[PlannedViews, ...]:
    """The views of a store that trials need: for each augmentation, as many as the trial with the most."""
    most: dict[str, PlannedViews] = {}
    for each in built:
        wanted = each.wanted_views if each.embedding == key else None
        if wanted and (wanted.digest not in most or wanted.count > most[wanted.digest].wanted.count):
            there = len(finished_views(environment.store / key, wanted.digest, wanted.count))
            most[wanted.digest] = PlannedViews(each, wanted, there)
    return tuple(most.values())


def _check_data(store: EmbeddingStore, source: Source, folder: Path) -> None:
    """Refuse data that changed since they were embedded, and record that for `report` and `status`."""
    changes = data_changes(store, source)
    note_change(folder, store.manifest.content, str(changes or ""))
    if changes:
        raise changed_data(store, changes)


def _overlaps(store: EmbeddingStore, modality: Modality) -> Overlaps | None:
    """Rows in two splits: counted once for a store of an earlier version; None if one of its shards is damaged."""
    if (counted := read_overlaps(store.directory, store.manifest.content)) is not None:
        return counted
    try:
        counted = count_overlaps(store.directory, store.manifest.shards, modality, partial(recorded_folded, store))
    except StoreError:
        return None
    write_overlaps(store.directory, counted, store.manifest.content)
    return counted


def planned_store(
    key: str, example: Parts, views: tuple[PlannedViews, ...], environment: Environment, folder: Path
) -> PlannedStore:
    """Look up what a store holds and what it is made from.

    Args:
        example: any trial that reads it.
        views: its views that trials need.
        folder: the experiment's, where a change of the data is recorded.

    Raises:
        ChangedDataError: it was made from other data.
        StoreError: it or a view of it is damaged.
        ConfigError: missing views cannot be embedded here.
    """
    missing: list[str] = []
    rows: dict[str, int] = {}
    classes: tuple[str, ...] | None = None
    found: tuple[str, ...] = ()
    source: Source | None = None
    facts: Iterable[str] = ()
    try:
        source = example.dataset.open(environment.data_root)
        classes = source.classes
        rows = {name: len(split) for name, split in source.splits.items()}
        found, facts = describe_source(source), stored_facts(source, example.encoder)
        example = replace(example, encoder=example.encoder.fitted(source.splits["pool"]))
    except NotProvidedError as error:
        missing.append(str(error))
    try:
        example.encoder.weights()
    except NotProvidedError as error:
        missing.append(str(error))
    content, rejects, overlaps, stored = "", 0, None, 0
    if (environment.store / key / "manifest.json").is_file():
        store = EmbeddingStore.open(environment.store / key)
        overlaps = read_overlaps(store.directory, store.manifest.content)
        if source:
            _check_data(store, source, folder)
            overlaps = _overlaps(store, Modality.of(example.dataset.modality()))
            note_overlaps(folder, store.manifest.content, overlaps or Overlaps())
        content, classes, rejects = store.manifest.content, store.manifest.classes, store.manifest.rejects
        facts, stored = store.manifest.facts, store.manifest.dimensions
        rows = {name: store.manifest.count(name) for name in store.manifest.splits}
        found = (*found, *store.manifest.warnings)
        for each in views:
            _check_views(each, store, missing)
    unlabeled, names = unlabeled_rows(source.splits["pool"]) if source else (0, ""), tuple(sorted(facts))
    known = (key, example, rows, classes, content, tuple(missing), rejects, views, found, overlaps)
    counts, given = class_counts(source) if source else (), given_dimensions(source) if source else 0
    converted = None
    if source and names_files(example.dataset, example.encoder, source, environment.store):
        converted = sum(len(table) for table in source.tables().values() if getattr(table, "mapped", None) is None)
    return PlannedStore(*known, *unlabeled, names, counts, given or stored, converted, source)


def given_dimensions(source: Source) -> int:
    """D of embeddings that a data set brings; 0 where an encoder makes them."""
    table = source.splits["pool"].table
    return table.vectors.shape[1] if isinstance(table, VectorTable) else 0


def class_counts(source: Source) -> tuple[int, ...]:
    """(K,) rows of the pool of each class; none where a row may have none or several, or labels are not known yet."""
    labels_N = source.splits["pool"].labels()
    if source.task.distribution != CATEGORICAL or labels_N is None or without_label(labels_N).any():
        return ()
    return tuple(source.task.class_counts(labels_N, len(source.classes)).tolist())


def unlabeled_rows(pool: Split) -> tuple[int, str]:
    """How many rows have no label, and the id of the first; none where labels are known with payloads only."""
    labels_N = pool.labels()
    rows = np.empty(0, np.int64) if labels_N is None else np.flatnonzero(without_label(labels_N))
    if not len(rows):
        return 0, ""
    number, table = np.asarray(pool.rows)[rows[:1]], pool.table
    return len(rows), table.row_ids(number)[0].as_py() if isinstance(table, FileTable) else f"number {number[0]}"


def _check_views(views: PlannedViews, store: EmbeddingStore, missing: Sequence[str]) -> None:
    for view in finished_views(store.directory, views.wanted.digest, views.wanted.count):
        read_view_manifest(store, views.wanted.digest, view)
    if missing and views.there < views.wanted.count:
        hint = f"lower `views` to {views.there}" if views.there else "use a trainer that needs none"
        raise ConfigError(
            f"trainer {views.example.trial.trainer}: {views.wanted.count} views are asked for, the store "
            f"{store.directory} has {views.there}, and what the others are made from is not here; {hint}, or: "
            + "; ".join(missing)
        )
