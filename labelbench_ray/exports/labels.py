"""The table of bought labels: one row each, with the data set's own row id and the class's name beside the numbers.

Ledgers hold pool ids and class numbers. Row ids and class names come from the embedding store that a trial read, found
by its content hash; without it, from what the trial asked people, and else they are null.
"""

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from pydantic import JsonValue

from labelbench_ray import tasks
from labelbench_ray.embeddings.label_columns import label_column
from labelbench_ray.embeddings.shards import read_keys
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.errors import LedgerError, OtherVersionError, StoreError
from labelbench_ray.exports.columns import TEXT, WHOLE, Member, column, identity, members
from labelbench_ray.ledger.queries import Query, read_query
from labelbench_ray.ledger.records import RoundRecord
from labelbench_ray.report.curves import Experiment, Run

SCHEMA: Final = pa.schema(
    {
        "experiment": TEXT,
        "setting": TEXT,
        "strategy": TEXT,
        "seed": WHOLE,
        "fingerprint": TEXT,
        "round": WHOLE,
        "order": WHOLE,
        "pool_id": WHOLE,
        "row_id": TEXT,
        "label": WHOLE,
        "class_name": TEXT,
        "note": WHOLE,
    }
)


@dataclass(frozen=True)
class PoolNames:
    """The names of a store's pool rows and classes."""

    store: EmbeddingStore

    @cached_property
    def keys(self) -> Any:  # noqa: ANN401  pyarrow has no types
        """The row id of each pool id."""
        entries = (entry for entry in self.store.manifest.shards if entry.split == "pool")
        parts = [pa.array(read_keys(self.store.directory / entry.file).row_ids, TEXT) for entry in entries]
        return pa.concat_arrays(parts)

    def row_ids(self, ids: Sequence[int]) -> Any:  # noqa: ANN401
        """The data set's own keys of these pool ids."""
        return self.keys.take(pa.array(ids, WHOLE))

    def class_names(self, labels: Sequence[JsonValue]) -> Any:  # noqa: ANN401
        """The classes of these labels by name; several are joined."""
        task, classes = tasks.create(self.store.manifest.task), self.store.manifest.classes
        return task.in_words(label_column(task.from_json(labels, len(classes))), classes).cast(TEXT)


def stores_by_content(folder: Path) -> dict[str, PoolNames]:
    """The readable stores in a folder, by content hash."""
    found: dict[str, PoolNames] = {}
    for path in sorted(folder.glob("*/manifest.json")):
        with suppress(StoreError, OtherVersionError):
            store = EmbeddingStore.open(path.parent)
            found.setdefault(store.manifest.content, PoolNames(store))
    return found


def labels_table(experiments: Iterable[Experiment], store: Path) -> Any:  # noqa: ANN401  pyarrow has no types
    """One row a bought label, in the order in which each trial chose; `store`: the folder of embedding stores.

    `label` is the class number, null for a row of none of the classes. Where any of the trials has labels of several
    classes, all are JSON texts.
    """
    of = [each for each in members(experiments) if each.run.records]
    stores = stores_by_content(store)
    is_number = all(
        label is None or isinstance(label, int) for each in of for record in each.run.records for label in record.labels
    )
    parts = [_of_trial(each, stores.get(each.run.store), is_number) for each in of]
    return pa.concat_tables(parts) if parts else SCHEMA.empty_table()


def _of_trial(member: Member, names: PoolNames | None, is_number: bool) -> Any:  # noqa: ANN401
    run = member.run
    ids = [row for record in run.records for row in record.chosen]
    labels = [label for record in run.records for label in record.labels]
    row_ids, classes = (names.row_ids(ids), names.class_names(labels)) if names else _asked(run)
    return pa.table(
        [
            *(values.take(pa.array(np.zeros(len(ids), np.int64))) for values in identity([member]).values()),
            column(WHOLE, (record.round for record in run.records for _ in record.chosen)),
            column(WHOLE, (place for record in run.records for place in range(len(record.chosen)))),
            column(WHOLE, ids),
            row_ids,
            column(WHOLE, labels) if is_number else column(TEXT, map(json.dumps, labels)),
            classes,
            column(WHOLE, (note for record in run.records for note in record.notes or [None] * len(record.chosen))),
        ],
        names=SCHEMA.names,
    )


def _asked(run: Run) -> tuple[Any, Any]:
    """Row ids and class names as far as the trial's queries state them."""
    found = [_of_round(record, _query(run, record.round)) for record in run.records]
    return tuple(column(TEXT, (value for each in found for value in each[place])) for place in (0, 1))


def _of_round(record: RoundRecord, query: Query | None) -> tuple[Sequence[str | None], Sequence[str | None]]:
    if query is None:
        return [None] * len(record.chosen), [None] * len(record.chosen)
    row_ids = dict(zip(query.ids, query.row_ids, strict=True))
    names = [query.classes[label] if isinstance(label, int) else None for label in record.labels]
    return [row_ids.get(row) for row in record.chosen], names


def _query(run: Run, number: int) -> Query | None:
    try:
        return read_query(run.directory, run.fingerprint, number)
    except LedgerError:
        return None
