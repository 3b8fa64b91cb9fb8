"""Decoding the rows of a shard: those that can be, sorted by row_id, and the rest with their reasons."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.datasets import Records
from labelbench_ray.embeddings.contents import RowContents, row_contents
from labelbench_ray.embeddings.isolation import Decoding, Rejected, decode_here
from labelbench_ray.encoders import Decoded, Encoder


@dataclass(frozen=True, slots=True, eq=False)
class DecodedShard:
    """Rows that could be decoded, sorted by row_id, aligned; and the rest with their reasons."""

    row_ids: Sequence[str]
    labels_B: NDArray[np.int64]
    decoded: Sequence[Decoded]
    rejects: Mapping[str, str]
    contents: RowContents | None = None
    """What the data set held for these rows; not stated for augmented views."""


def decode_shard(
    records: Records, encoder: Encoder, decode: Decoding | None = None, known: Mapping[str, str] | None = None
) -> DecodedShard:
    """Decode every row; one that cannot be is rejected with the reason.

    Args:
        decode: decodes rows; None: in this process.
        known: rows that were rejected before, with their reasons; they are not decoded again.
    """
    order = np.argsort(np.asarray(records.row_ids, dtype=object), kind="stable").tolist()
    known = known or {}
    places = [place for place in order if records.row_ids[place] not in known]
    kept: list[int] = []
    decoded: list[Decoded] = []
    rejects = {row_id: known[row_id] for row_id in records.row_ids if row_id in known}
    outcomes = (decode or partial(decode_here, encoder))([records.payloads[place] for place in places])
    for place, outcome in zip(places, outcomes, strict=True):
        if isinstance(outcome, Rejected):
            rejects[records.row_ids[place]] = outcome.reason
        else:
            kept.append(place)
            decoded.append(outcome)
    row_ids, contents = [records.row_ids[place] for place in kept], row_contents(records, kept, rejects)
    return DecodedShard(row_ids, records.labels_B[kept], decoded, dict(sorted(rejects.items())), contents)


def packed(decoded: Sequence[Decoded]) -> Sequence[Decoded]:
    """Images as one array (B, H, W, 3), which travels between processes without being copied; texts as they are."""
    images: Any = decoded
    return np.stack(images) if len(images) and isinstance(images[0], np.ndarray) else decoded  # type: ignore[return-value]
