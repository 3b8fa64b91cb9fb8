"""The labels of a campaign as one parquet file that `datasets` of Hugging Face and the data set `tables` read.

Columns: row_id; text, or image or audio with bytes and path; label, a number of a class, whose names the metadata hold;
label_name; confidence, the method's probability of the label; source, "people" or "model"; answers, annotators, batch
and tools, where the label came from.
"""

import json
import os
import secrets
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from labelbench_ray.answers import consensus
from labelbench_ray.answers.consensus.of_events import of_events
from labelbench_ray.answers.events import Status
from labelbench_ray.answers.fold import RowState, latest
from labelbench_ray.campaign.doubt import class_names
from labelbench_ray.campaign.standing import Standing, chooser_of, predictions, read_standing
from labelbench_ray.datasets import Modality
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.environment import Environment
from labelbench_ray.errors import ConfigError
from labelbench_ray.storage.folders import make_folder
from labelbench_ray.trial.stored_rows import stored_rows

ROWS_AT_ONCE: Final = 256
"""Whose payloads are in memory."""
FILES: Final = {Modality.IMAGE: ("image", "Image"), Modality.AUDIO: ("audio", "Audio")}
"""The column of payloads that are files, and the feature that `datasets` reads it as."""
PEOPLE, MODEL = "people", "model"


@dataclass(frozen=True, slots=True)
class FinalLabel:
    """The label of a row, and where it came from."""

    row_id: str
    label: str
    confidence: float
    source: str
    answers: int
    annotators: tuple[str, ...] = ()
    batch: str = ""
    tools: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Exported:
    """What a file holds."""

    path: Path
    people: int
    model: int
    classes: tuple[str, ...]
    left_out: int
    """Rows that were asked and have no label."""


def export_labels(
    folder: Path,
    out: Path,
    environment: Environment,
    *,
    method: str = "majority",
    predict: bool = False,
    release_audit: bool = False,
    payloads: bool = True,
) -> Exported:
    """Write the labels of the campaign in a folder.

    Args:
        folder: the campaign's.
        out: the file; it is replaced.
        environment: where data and embeddings lie.
        method: how several answers to a row become one label (`answers.consensus.METHODS`).
        predict: add what a model of these labels predicts for all other rows.
        release_audit: let that model learn from the audit rows, too: nothing measures it then.
        payloads: write texts, images or sounds beside the labels.

    Raises:
        ConfigError: there is no label, or the file's name does not end in .parquet.
        UserError: data or embeddings are not here, if they are needed.
    """
    if out.suffix != ".parquet":
        raise ConfigError(f"--out {out}: labels are written as parquet; give a name such as labels.parquet")
    standing = read_standing(folder)
    classes = named_classes(standing)
    labels = people_labels(standing, classes, method)
    if not labels:
        raise ConfigError(f"{folder}: no row has a label yet; ingest answers first")
    used = {each.label for each in labels}
    classes = standing.campaign.classes or tuple(name for name in classes if name in used)
    people = len(labels)
    if predict:
        labels += _predicted(standing, environment, release_audit)
    make_folder(Path(os.path.abspath(out)).parent)
    _write(out, labels, classes, _Payloads(standing, environment) if payloads else None)
    left_out = sum(row_id not in standing.found.labels for row_id in standing.found.asked)
    return Exported(out, people, len(labels) - people, classes, 0 if predict else left_out)


def people_labels(standing: Standing, classes: Sequence[str], method: str = "majority") -> list[FinalLabel]:
    """One label for each row that has enough answers which agree: rows that were asked in their order, then others."""
    found = of_events(standing.events, classes, consensus.of(method))
    place, asked = found.place(), standing.found.asked
    others = sorted(row_id for row_id in place if row_id not in asked)
    row_ids = [
        row_id
        for row_id in (*asked, *others)
        if row_id in place and standing.found.state(row_id) in (RowState.AGREED, RowState.DISPUTED)
    ]
    people, tools = _who(standing)
    return [
        FinalLabel(
            row_id=row_id,
            label=classes[label],
            confidence=float(found.consensus.confidence_N[place[row_id]]),
            source=PEOPLE,
            answers=len(people[row_id]),
            annotators=tuple(people[row_id]),
            batch=asked[row_id].id if row_id in asked else "",
            tools=tuple(dict.fromkeys(tools[row_id])),
        )
        for row_id in row_ids
        if (label := int(found.consensus.labels_N[place[row_id]])) >= 0
    ]


def _who(standing: Standing) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """The annotators and the tools of the answers that hold, by row; sorted."""
    people: dict[str, list[str]] = defaultdict(list)
    tools: dict[str, list[str]] = defaultdict(list)
    held = latest(standing.events)
    held = held.filter(pc.equal(held.column("status"), Status.SUBMITTED))
    columns = (held.column(name).to_pylist() for name in ("row_id", "annotator", "tool"))
    for row_id, annotator, tool in sorted(zip(*columns, strict=True)):
        people[row_id].append(annotator)
        tools[row_id].append(tool)
    return people, tools


def named_classes(standing: Standing) -> tuple[str, ...]:
    """Every class that an answer gives or that is declared, in order."""
    return class_names(standing.campaign.classes, standing.events)


def _predicted(standing: Standing, environment: Environment, release_audit: bool) -> list[FinalLabel]:
    """What the model of all labels predicts for rows without one."""
    chooser = chooser_of(standing, environment.store)
    known = standing.knowledge(release_audit=release_audit)
    model = chooser.model(known, len(standing.batches))
    if model is None:
        raise ConfigError(f"--predict: {standing.folder} has labels of fewer than two classes, too few for a model")
    row_ids = [row_id for row_id in standing.rows.row_ids if row_id not in standing.found.labels]
    labels_B, confidence_B = predictions(chooser, model, standing.rows.places(row_ids))
    return [
        FinalLabel(row_id, known.classes[label], confidence, MODEL, 0)
        for row_id, label, confidence in zip(row_ids, labels_B.tolist(), confidence_B.tolist(), strict=True)
    ]


class _Payloads:
    """The texts, images or sounds of rows, as a column."""

    def __init__(self, standing: Standing, environment: Environment) -> None:
        built = chooser_of(standing, environment.store).built
        store = EmbeddingStore.open(environment.store / standing.rows.store)
        self.rows = standing.rows
        self.source = stored_rows(built, store, environment.data_root)
        self.name, self.feature = FILES.get(self.source.modality, ("text", ""))

    @property
    def field(self) -> Any:  # noqa: ANN401  pyarrow has no types
        """The column."""
        file = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        return pa.field(self.name, file if self.feature else pa.string())

    def column(self, row_ids: Sequence[str]) -> Any:  # noqa: ANN401
        """Of these rows."""
        payloads = self.source.payloads(self.rows.places(row_ids))
        if self.feature:
            values = [{"bytes": data, "path": row_id} for data, row_id in zip(payloads, row_ids, strict=True)]
            return pa.array(values, self.field.type)
        texts = [each if isinstance(each, str) else each.decode(errors="replace") for each in payloads]
        return pa.array(texts, pa.string())


def _write(out: Path, labels: Sequence[FinalLabel], classes: tuple[str, ...], payloads: _Payloads | None) -> None:
    """Write a draft, and rename it."""
    schema = _schema(classes, payloads)
    draft = out.with_name(f".{out.name}.{secrets.token_hex(4)}.draft")
    try:
        with pq.ParquetWriter(draft, schema, compression="zstd") as writer:
            for table in _tables(labels, classes, payloads, schema):
                writer.write_table(table)
        draft.replace(out)
    finally:
        draft.unlink(missing_ok=True)


def _tables(
    labels: Sequence[FinalLabel],
    classes: tuple[str, ...],
    payloads: _Payloads | None,
    schema: Any,  # noqa: ANN401
) -> Iterator[Any]:
    numbers = {name: number for number, name in enumerate(classes)}
    for start in range(0, len(labels), ROWS_AT_ONCE):
        some = labels[start : start + ROWS_AT_ONCE]
        columns: dict[str, Any] = {
            "row_id": [each.row_id for each in some],
            "label": [numbers[each.label] for each in some],
            "label_name": [each.label for each in some],
            "confidence": [each.confidence for each in some],
            "source": [each.source for each in some],
            "answers": [each.answers for each in some],
            "annotators": [each.annotators for each in some],
            "batch": [each.batch for each in some],
            "tools": [each.tools for each in some],
        }
        if payloads is not None:
            columns[payloads.name] = payloads.column(columns["row_id"])
        arrays = [pa.array(columns[field.name], field.type) for field in schema]
        yield pa.table(arrays, schema=schema)


def _schema(classes: tuple[str, ...], payloads: _Payloads | None) -> Any:  # noqa: ANN401
    """The columns, and the metadata by which `datasets` knows the classes."""
    fields = [
        pa.field("row_id", pa.string()),
        *([payloads.field] if payloads else []),
        pa.field("label", pa.int64()),
        pa.field("label_name", pa.string()),
        pa.field("confidence", pa.float64()),
        pa.field("source", pa.string()),
        pa.field("answers", pa.int32()),
        pa.field("annotators", pa.list_(pa.string())),
        pa.field("batch", pa.string()),
        pa.field("tools", pa.list_(pa.string())),
    ]
    features: dict[str, Any] = {
        each.name: {"dtype": str(each.type).replace("double", "float64"), "_type": "Value"} for each in fields
    }
    features |= {"label": {"names": [*classes], "_type": "ClassLabel"}}
    features |= {
        name: {"feature": {"dtype": "string", "_type": "Value"}, "_type": "List"} for name in ("annotators", "tools")
    }
    if payloads is not None and payloads.feature:
        features[payloads.name] = {"_type": payloads.feature}
    return pa.schema(fields, {"huggingface": json.dumps({"info": {"features": features}}, ensure_ascii=False)})
