"""The rows of a shard, decoded and, for an augmented view, augmented; and those that cannot be, with their reasons."""

from collections.abc import Callable, Iterator, Mapping, Sequence
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
    """Rows that were decoded, in the order of `SORTED_ROWS`; and the rejected ones with their reasons.

    They are all rows of the shard, or one of its slices. The last slice has what holds for the whole shard.
    """

    row_ids: Sequence[str]
    labels_B: Labels
    forms: tuple[Sequence[Decoded], ...]
    """What is embedded of each row, side by side: the row as it is; in an augmented view its weak and strong form."""
    rejects: Mapping[str, str]
    """Of the whole shard; none in the slices before the last."""
    contents: RowContents | None = None
    """The content of the shard's rows in the data set; None for augmented views and for the slices before the last."""
    groups_B: NDArray[np.int64] | None = None
    """Group numbers; None for splits without groups and for augmented views."""
    facts: Facts = field(default_factory=Facts)
    """Facts that the data set brings; none for evaluation splits and for augmented views."""
    slice_number: int = 0
    is_last: bool = True
    """Whether no slice of the shard follows."""

    @property
    def is_whole(self) -> bool:
        """Whether these are all rows of the shard."""
        return self.slice_number == 0 and self.is_last


def decode_shard(
    records: Records, encoder: Encoder, decode: Decoding | None = None, known: Mapping[str, str] | None = None
) -> DecodedShard:
    """Decode every row; a row that cannot be decoded is rejected with the reason.

    Args:
        decode: decodes rows; None: in this process.
        known: rows that were rejected before, with their reasons; they are not decoded again.
    """
    (whole,) = decode_slices(records, encoder, decode, known)
    return whole


def decode_slices(
    records: Records,
    encoder: Encoder,
    decode: Decoding | None = None,
    known: Mapping[str, str] | None = None,
    rows: int | None = None,
) -> Iterator[DecodedShard]:
    """The same, at most so many rows at a time, cut after the rejects are left out; None: all at once.

    Each slice is decoded when it is asked for, and none is kept. All but the last one have exactly `rows` rows.
    """
    order = sorted(range(len(records.row_ids)), key=lambda place: (place // SORTED_ROWS, records.row_ids[place]))
    known = known or {}
    places = [place for place in order if records.row_ids[place] not in known]
    most, decode = rows or len(places), decode or partial(decode_here, encoder)
    kept: list[int] = []
    rejects = {row_id: known[row_id] for row_id in records.row_ids if row_id in known}
    begun = number = 0
    is_last = False
    while not is_last:
        first, decoded = len(kept), _Rows(min(most, len(places) - begun))
        # Rejects leave room for rows after them, so that every slice but the last is full.
        while wanted := places[begun : begun + most - (len(kept) - first)]:
            outcomes = decode([records.payloads[place] for place in wanted])
            for place, outcome in zip(wanted, outcomes, strict=True):
                if isinstance(outcome, Rejected):
                    rejects[records.row_ids[place]] = outcome.reason
                else:
                    kept.append(place)
                    decoded.append(outcome)
            begun += len(wanted)
        is_last = begun == len(places)
        yield replace(
            _taken(records, kept[first:], decoded.rows()),
            rejects=dict(sorted(rejects.items())) if is_last else {},
            contents=row_contents(records, kept, rejects) if is_last else None,
            slice_number=number,
            is_last=is_last,
        )
        del decoded  # else it would lie in memory beside the next slice
        number += 1


def _taken(records: Records, places: Sequence[int], decoded: Sequence[Decoded]) -> DecodedShard:
    """These places of the records."""
    row_ids = [records.row_ids[place] for place in places]
    groups_B = None if records.groups_B is None else records.groups_B[[*places]]
    facts = records.facts.take(np.array(places, np.intp))
    return DecodedShard(row_ids, records.labels_B[[*places]], (decoded,), {}, None, groups_B, facts)


class _Rows:
    """Decoded rows in order: arrays of one shape and type in one array (B, ...), so that none lies in memory twice."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._stacked: NDArray[Any] | None = None
        self._others: list[Decoded] = []
        self._count = 0

    def append(self, row: Decoded) -> None:
        if self._count == 0 and isinstance(row, np.ndarray):
            self._stacked = np.empty((self._most, *row.shape), row.dtype)
        stacked = self._stacked
        if stacked is not None and _fits(row, stacked):
            stacked[self._count] = row
        else:
            self._others = [*self.rows()] if stacked is not None else self._others
            self._stacked = None
            self._others.append(row)
        self._count += 1

    def rows(self) -> Sequence[Decoded]:
        stacked: Any = self._stacked
        return self._others if stacked is None else stacked[: self._count]


def _fits(row: Decoded, stacked: NDArray[Any]) -> TypeGuard[NDArray[Any]]:
    return isinstance(row, np.ndarray) and (row.dtype, row.shape) == (stacked.dtype, stacked.shape[1:])


def augment(shard: DecodedShard, augmentation: Augmentation, view: int) -> DecodedShard:
    """The weak and the strong form of every row as it is, each drawn from its (row_id, view)."""
    (decoded,) = shard.forms

    def changed(change: Callable[[Decoded, int], Decoded]) -> Sequence[Decoded]:
        rows = zip(shard.row_ids, decoded, strict=True)
        return packed([change(each, key(row_id, view)) for row_id, each in rows])

    forms = (changed(augmentation.weak), changed(augmentation.strong))
    return replace(shard, forms=forms, contents=None, groups_B=None, facts=Facts())


def packed(decoded: Sequence[Decoded]) -> Sequence[Decoded]:
    """Arrays of one shape and type as one array, which travels between processes without a copy; others as they are."""
    if isinstance(decoded, np.ndarray):
        return decoded
    arrays = [row for row in decoded if isinstance(row, np.ndarray)]
    if len(arrays) < len(decoded) or len({(row.dtype, row.shape) for row in arrays}) != 1:
        return decoded
    return np.stack(arrays)  # type: ignore[return-value]
