"""The labels of a campaign as one parquet file that `datasets` of Hugging Face and the data set `tables` read.

Columns: row_id; text, or image or audio with bytes and path; label, a number of a class, whose names the metadata hold,
and label_name (both are lists where a row may have several classes); confidence, the method's probability of the label;
source, "people" or "model"; answers, annotators, batch and tools, where the label came from.
"""

import json
import os
import secrets
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from labelbench_ray.answers import consensus
from labelbench_ray.answers.events import Status
from labelbench_ray.answers.fold import RowState, latest
from labelbench_ray.campaign.label_kinds import SEVERAL_CLASSES, Names
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
    labels: Names
    """One class, or any number of them where rows may have several."""
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
    classes = standing.named_classes
    labels = people_labels(standing, classes, method)
    if not labels:
        raise ConfigError(f"{folder}: no row has a label yet; ingest answers first")
    used = {name for each in labels for name in each.labels}
    classes = standing.campaign.classes or tuple(name for name in classes if name in used)
    people = len(labels)
    left_out = len(standing.found.asked.keys() - {each.row_id for each in labels})
    if predict:
        labels += _predicted(standing, environment, release_audit, {each.row_id for each in labels})
    make_folder(Path(os.path.abspath(out)).parent)
    several = standing.kind is SEVERAL_CLASSES
    _write(out, labels, classes, _Payloads(standing, environment) if payloads else None, several)
    return Exported(out, people, len(labels) - people, classes, 0 if predict else left_out)


def people_labels(standing: Standing, classes: Sequence[str], method: str = "majority") -> list[FinalLabel]:
    """The label of each row that has enough answers which agree: rows that were asked in their order, then others."""
    found = standing.kind.decided(standing.events, classes, consensus.of(method))
    asked = standing.found.asked
    others = sorted(row_id for row_id in found if row_id not in asked)
    row_ids = [
        row_id
        for row_id in (*asked, *others)
        if row_id in found and standing.found.state(row_id) in (RowState.AGREED, RowState.DISPUTED)
    ]
    people, tools = _who(standing)
    return [
        FinalLabel(
            row_id=row_id,
            labels=found[row_id][0],
            confidence=found[row_id][1],
            source=PEOPLE,
            answers=len(people[row_id]),
            annotators=tuple(people[row_id]),
            batch=asked[row_id].id if row_id in asked else "",
            tools=tuple(dict.fromkeys(tools[row_id])),
        )
        for row_id in row_ids
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


def _predicted(
    standing: Standing, environment: Environment, release_audit: bool, labeled: Collection[str]
) -> list[FinalLabel]:
    """What the model of all labels predicts for rows that people did not label."""
    chooser = chooser_of(standing, environment.store)
    known = standing.knowledge(release_audit=release_audit)
    model = chooser.model(known, len(standing.batches))
    if model is None:
        raise ConfigError(f"--predict: {standing.folder} has labels of fewer than two classes, too few for a model")
    row_ids = [row_id for row_id in standing.rows.row_ids if row_id not in labeled]
    labels_B, confidence_B = predictions(chooser, model, standing.rows.places(row_ids))
    return [
        FinalLabel(row_id, names, confidence, MODEL, 0)
        for row_id, names, confidence in zip(
            row_ids, chooser.kind.names(labels_B, known.classes), confidence_B.tolist(), strict=True
        )
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


def _write(
    out: Path, labels: Sequence[FinalLabel], classes: tuple[str, ...], payloads: _Payloads | None, several: bool
) -> None:
    """Write a draft, and rename it."""
    schema = _schema(classes, payloads, several)
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
            "label": [[numbers[name] for name in each.labels] for each in some],
            "label_name": [[*each.labels] for each in some],
            "confidence": [each.confidence for each in some],
            "source": [each.source for each in some],
            "answers": [each.answers for each in some],
            "annotators": [each.annotators for each in some],
            "batch": [each.batch for each in some],
            "tools": [each.tools for each in some],
        }
        if payloads is not None:
            columns[payloads.name] = payloads.column(columns["row_id"])
        for name in ("label", "label_name"):
            if not pa.types.is_list(schema.field(name).type):
                columns[name] = [value for (value,) in columns[name]]
        arrays = [pa.array(columns[field.name], field.type) for field in schema]
        yield pa.table(arrays, schema=schema)


def _schema(classes: tuple[str, ...], payloads: _Payloads | None, several: bool) -> Any:  # noqa: ANN401
    """The columns, and the metadata by which `datasets` knows the classes."""
    number, name = (pa.list_(kind) if several else kind for kind in (pa.int64(), pa.string()))
    fields = [
        pa.field("row_id", pa.string()),
        *([payloads.field] if payloads else []),
        pa.field("label", number),
        pa.field("label_name", name),
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
    of_label = {"names": [*classes], "_type": "ClassLabel"}
    features |= {"label": {"feature": of_label, "_type": "List"} if several else of_label}
    lists = ("annotators", "tools", *(("label_name",) if several else ()))
    features |= {name: {"feature": {"dtype": "string", "_type": "Value"}, "_type": "List"} for name in lists}
    if payloads is not None and payloads.feature:
        features[payloads.name] = {"_type": payloads.feature}
    return pa.schema(fields, {"huggingface": json.dumps({"info": {"features": features}}, ensure_ascii=False)})
