"""Shards and slices as rows of a Ray data set: from a reader to an actor, and from an actor to the driver."""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.cluster.slices import EmbeddedSlice
from labelbench_ray.costs import Cost
from labelbench_ray.embeddings.contents import RowContents
from labelbench_ray.embeddings.decoding import DecodedShard, packed
from labelbench_ray.embeddings.embed import EmbeddedShard
from labelbench_ray.embeddings.shards import ShardEntry, ShardId, ShardRows
from labelbench_ray.pool.facts import Facts

FORMS = ("form_1", "form_2")
"""Columns of what is embedded of each row: one for the store itself, two for an augmented view."""


def one_row(columns: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """A batch of a single row; Ray takes an array over as a tensor, without a copy."""
    return {
        name: value[np.newaxis] if isinstance(value, np.ndarray) else _object(value) for name, value in columns.items()
    }


def _object(value: Any) -> NDArray[np.object_]:  # noqa: ANN401
    """A column of one value: of a list of texts, numpy would make a matrix."""
    column = np.empty(1, object)
    column[0] = value
    return column


def columns_of(shard: DecodedShard) -> dict[str, Any]:
    """A decoded shard or slice as columns."""
    return {
        "row_ids": shard.row_ids,
        "labels": shard.labels_B.reshape(-1),
        "label_form": json.dumps([shard.labels_B.dtype.str, shard.labels_B.shape]),
        "groups": json.dumps(None if shard.groups_B is None else shard.groups_B.tolist()),
        "facts": json.dumps({name: values_B.tolist() for name, values_B in shard.facts.items()}),
        "rejects": json.dumps(shard.rejects),
        "contents": shard.contents.model_dump_json() if shard.contents else "",
        "slice": json.dumps([shard.slice_number, shard.is_last]),
        **{name: packed(form) for name, form in zip(FORMS, shard.forms, strict=False)},
    }


def decoded_of(row: dict[str, Any]) -> DecodedShard:
    """What `columns_of` was given."""
    dtype, shape = json.loads(row["label_form"])
    row_ids, labels_B = [str(row_id) for row_id in row["row_ids"]], np.asarray(row["labels"], dtype).reshape(shape)
    contents = RowContents.model_validate_json(row["contents"]) if row["contents"] else None
    forms = tuple(row[name] for name in FORMS if name in row)
    groups = json.loads(row["groups"])
    groups_B = None if groups is None else np.array(groups, np.int64)
    facts = Facts({name: np.array(values, np.float64) for name, values in json.loads(row["facts"]).items()})
    rejects, (number, is_last) = json.loads(row["rejects"]), json.loads(row["slice"])
    return DecodedShard(row_ids, labels_B, forms, rejects, contents, groups_B, facts, number, is_last)


def report(made: EmbeddedShard) -> dict[str, Any]:
    """What the driver needs of a shard that is written."""
    return {
        "error": "",
        "cpu": made.spent.cpu,
        "gpu": made.spent.gpu,
        "entry": made.entry.model_dump_json(),
        "view": json.dumps(made.view),
        "dimensions": made.dimensions,
        "bytes": made.bytes,
        "compute": made.compute,
        "rejects": json.dumps(dict(made.rejects)),
        "device": made.device,
    }


def reported(row: dict[str, Any]) -> EmbeddedShard:
    """What `report` was given."""
    return EmbeddedShard(
        ShardEntry.model_validate_json(row["entry"]),
        row["dimensions"],
        row["compute"],
        json.loads(row["rejects"]),
        int(row["bytes"]),
        Cost(cpu=row["cpu"], gpu=row["gpu"]),
        json.loads(row["view"]),
        row["device"],
    )


def report_slice(row: dict[str, Any], rows: ShardRows, compute: str, device: str, spent: Cost) -> dict[str, Any]:
    """The row of a slice, with its embeddings in place of what was decoded."""
    return {name: value for name, value in row.items() if name not in FORMS} | {
        "facts": json.dumps({name: values_B.tolist() for name, values_B in rows.facts.items()}),
        "embeddings": rows.embeddings_BD.tobytes(),
        "dimensions": rows.embeddings_BD.shape[1],
        "compute": compute,
        "device": device,
        "cpu": spent.cpu,
        "gpu": spent.gpu,
    }


def reported_slice(row: dict[str, Any]) -> tuple[ShardId, EmbeddedSlice]:
    """A slice that `report_slice` made a row of, and its shard."""
    decoded = decoded_of({name: value for name, value in row.items() if name not in FORMS})
    embeddings_BD = np.frombuffer(row["embeddings"], np.float16).reshape(len(decoded.row_ids), row["dimensions"])
    rows = ShardRows(
        [*decoded.row_ids],
        decoded.labels_B,
        embeddings_BD,
        decoded.rejects,
        decoded.contents,
        decoded.groups_B,
        decoded.facts,
    )
    spent = Cost(cpu=row["cpu"], gpu=row["gpu"])
    made = EmbeddedSlice(decoded.slice_number, decoded.is_last, rows, row["compute"], row["device"], spent)
    return ShardId(*json.loads(row["shard"])), made
