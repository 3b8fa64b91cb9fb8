"""The rows of a shard, decoded and, for an augmented view, augmented; and those that cannot be, with their reasons."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, TypeGuard

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.augmentations import Augmentation, key
from labelbench_ray.datasets import Records
from labelbench_ray.embeddings.contents import RowContents, row_contents
from labelbench_ray.embeddings.isolation import Decoding, Rejected, decode_here
from labelbench_ray.encoders import Decoded, Encoder
from labelbench_ray.pool.facts import Facts
from labelbench_ray.types import Labels

SORTED_ROWS: Final = 1024
"""So many rows of the data set after each other are sorted by row_id, whether a shard holds them or more: stores with
larger shards have the same pool ids."""


@dataclass(frozen=True, slots=True, eq=False)
class DecodedShard:
    """Rows that were decoded, in the order of `SORTED_ROWS`; and the rejected ones with their reasons."""

    row_ids: Sequence[str]
    labels_B: Labels
    forms: tuple[Sequence[Decoded], ...]
    """What is embedded of each row, side by side: the row as it is; in an augmented view its weak and strong form."""
    rejects: Mapping[str, str]
    contents: RowContents | None = None
    """The content of these rows in the data set; None for augmented views."""
    groups_B: NDArray[np.int64] | None = None
    """Group numbers; None for splits without groups and for augmented views."""
    facts: Facts = field(default_factory=Facts)
    """Facts that the data set brings; none for evaluation splits and for augmented views."""


def decode_shard(
    records: Records, encoder: Encoder, decode: Decoding | None = None, known: Mapping[str, str] | None = None
) -> DecodedShard:
    """Decode every row; a row that cannot be decoded is rejected with the reason.

    Args:
        decode: decodes rows; None: in this process.
        known: rows that were rejected before, with their reasons; they are not decoded again.
    """
    order = sorted(range(len(records.row_ids)), key=lambda place: (place // SORTED_ROWS, records.row_ids[place]))
    known = known or {}
    places = [place for place in order if records.row_ids[place] not in known]
    kept: list[int] = []
    decoded = _Rows(len(places))
    rejects = {row_id: known[row_id] for row_id in records.row_ids if row_id in known}
    outcomes = (decode or partial(decode_here, encoder))([records.payloads[place] for place in places])
    for place, outcome in zip(places, outcomes, strict=True):
        if isinstance(outcome, Rejected):
            rejects[records.row_ids[place]] = outcome.reason
        else:
            kept.append(place)
            decoded.append(outcome)
    row_ids, contents = [records.row_ids[place] for place in kept], row_contents(records, kept, rejects)
    groups_B = None if records.groups_B is None else records.groups_B[kept]
    facts = records.facts.take(np.array(kept, np.intp))
    return DecodedShard(
        row_ids, records.labels_B[kept], (decoded.rows(),), dict(sorted(rejects.items())), contents, groups_B, facts
    )


class _Rows:
    """Decoded rows in their order: images of one shape in one array (B, H, W, 3), so that none lies in memory twice."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._images_BHWC: NDArray[np.uint8] | None = None
        self._others: list[Decoded] = []
        self._count = 0

    def append(self, row: Decoded) -> None:
        if self._count == 0 and _is_image(row):
            self._images_BHWC = np.empty((self._most, *row.shape), np.uint8)
        images = self._images_BHWC
        if images is not None and _is_image(row) and row.shape == images.shape[1:]:
            images[self._count] = row
        else:
            self._others = [*self.rows()] if images is not None else self._others
            self._images_BHWC = None
            self._others.append(row)
        self._count += 1

    def rows(self) -> Sequence[Decoded]:
        images: Any = self._images_BHWC
        return self._others if images is None else images[: self._count]


def _is_image(row: Decoded) -> TypeGuard[NDArray[np.uint8]]:
    return isinstance(row, np.ndarray) and row.dtype == np.uint8


def augment(shard: DecodedShard, augmentation: Augmentation, view: int) -> DecodedShard:
    """The weak and the strong form of every row as it is, each drawn from its (row_id, view)."""
    (decoded,) = shard.forms

    def changed(change: Callable[[Decoded, int], Decoded]) -> Sequence[Decoded]:
        rows = zip(shard.row_ids, decoded, strict=True)
        return packed([change(each, key(row_id, view)) for row_id, each in rows])

    forms = (changed(augmentation.weak), changed(augmentation.strong))
    return replace(shard, forms=forms, contents=None, groups_B=None, facts=Facts())


def packed(decoded: Sequence[Decoded]) -> Sequence[Decoded]:
    """Images as one array (B, H, W, 3), which travels between processes without being copied; texts as they are."""
    images: Any = decoded
    if isinstance(images, np.ndarray) or not len(images) or isinstance(images[0], str):
        return decoded
    return np.stack(images)  # type: ignore[return-value]
