"""Decoded images as memory-mapped arrays in the order of pool ids, for trainers that train the encoder.

    <store>/<key>/arrays/<content>/images/pool.npy    uint8 (N, H, W, 3), and so for validation and test

Made once on each machine from the data set and the encoder's own `decode`, beside the store's arrays; every process
maps the same pages. A row is matched to its pool id by its row_id, so rejected rows leave no gap. Rows are decoded in
child processes: the calling process may be the driver, which no decoder must end.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.datasets import Source, Split
from labelbench_ray.embeddings.contents import payload_hash
from labelbench_ray.embeddings.isolation import Decoding, Outcome, Rejected, apart
from labelbench_ray.embeddings.origin import check_signature, recorded_contents
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.encoders import Trainable
from labelbench_ray.environment import ROW_SECONDS
from labelbench_ray.errors import ChangedDataError, DataError, StoreError
from labelbench_ray.storage.memory_maps import check_room, make_once, mapped

READ_ROWS = 256
Progress = Callable[[str, int, int], None]
"""(split, its rows done, its rows in all)."""


@dataclass(frozen=True, slots=True, eq=False)
class DecodedImages:
    """Every split's images, (N, H, W, 3) uint8, memory-mapped, in the order of the store's rows."""

    splits: Mapping[str, NDArray[np.uint8]]

    @property
    def pool(self) -> NDArray[np.uint8]:
        """The pool's images."""
        return self.splits["pool"]

    @property
    def validation(self) -> NDArray[np.uint8]:
        """The validation rows' images."""
        return self.splits["validation"]


def image_bytes(rows: Mapping[str, int], encoder: Trainable) -> int:
    """Bytes on disk of the decoded images, by the number of rows of each split."""
    height, width, colors = encoder.shape()
    return sum(rows.values()) * height * width * colors


def decoded_images(
    store: EmbeddingStore,
    source: Source,
    encoder: Trainable,
    progress: Progress = lambda split, done, total: None,
    row_seconds: float = ROW_SECONDS,
) -> DecodedImages:
    """The decoded images of a store's rows; made by the first process of a machine that needs them.

    Args:
        row_seconds: limit for the decoding of one row.

    Raises:
        ChangedDataError: the store was made from other data.
        StoreError: the store was made from other weights or another preprocessing, or the arrays are damaged.
        DataError: a row of the store is no longer in the data set, or can no longer be decoded.
    """
    check_signature(store, source)  # the plan has compared the rows, on the driver's machine
    _check_origin(store, source, encoder)
    store.arrays()  # makes the folder that ours lies in
    folder = store.arrays_folder / "images"

    def make(draft: Path) -> None:
        needed = _embedded_rows(store) * image_bytes({"row": 1}, encoder)
        check_room(folder, needed, "use another --store (of a remote one: LABELBENCH_CACHE), or a smaller image size")
        draft.mkdir()
        with apart(encoder, row_seconds) as decode:
            for split in store.manifest.splits:
                file = draft / f"{split}.npy"
                _decode_split(file, split, store, source.splits[split], encoder.shape(), decode, progress)

    make_once(folder, make)
    hint = f"delete {folder} to have it made again"
    images = {
        split: mapped(folder / f"{split}.npy", np.uint8, (store.manifest.count(split), *encoder.shape()), hint)
        for split in store.manifest.splits
    }
    return DecodedImages(images)


def _check_origin(store: EmbeddingStore, source: Source, encoder: Trainable) -> None:
    manifest = store.manifest
    for what, stated, found in (
        # A full model starts from the weights on this machine; its proxies and heads use those of the store.
        ("weights", manifest.weights, encoder.weights()),
        ("preprocessing", manifest.preprocessing, encoder.preprocessing()),
        ("rows", _embedded_rows(store) + manifest.rejects, sum(map(len, source.splits.values()))),
    ):
        if stated != found:
            raise StoreError(
                f"{store.directory}: was made from other {what} ({stated}, here {found}); use another --store, or "
                "delete that directory to embed again"
            )


def _embedded_rows(store: EmbeddingStore) -> int:
    return sum(store.manifest.count(split) for split in store.manifest.splits)


def _decode_split(
    path: Path,
    name: str,
    store: EmbeddingStore,
    split: Split,
    shape: tuple[int, int, int],
    decode: Decoding,
    progress: Progress,
) -> None:
    places = {row_id: place for place, row_id in enumerate(store.row_ids(name))}
    contents = recorded_contents(store, name)
    images_NHWC = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(len(places), *shape))
    for start in range(0, len(split), READ_ROWS):
        records = split.read(start, start + READ_ROWS)
        # The others were rejected when the store was made.
        rows = {
            row_id: payload
            for row_id, payload in zip(records.row_ids, records.payloads, strict=True)
            if row_id in places
        }
        for row_id, outcome in zip(rows, decode(list(rows.values())), strict=True):
            images_NHWC[places.pop(row_id)] = _image(row_id, outcome, shape)
            if contents[row_id] not in (None, payload_hash(rows[row_id])):
                raise ChangedDataError(
                    f"row {row_id!r} of the split {name!r} has other content than when it was embedded; put the "
                    "earlier file back, or start afresh with another --runs and another --store"
                )
        progress(name, min(start + READ_ROWS, len(split)), len(split))
    if places:
        raise DataError(
            f"row {next(iter(places))!r} of the split {name!r} is in {store.directory} and not in the data set (so are "
            f"{len(places) - 1} more); bring it back, or delete that directory to embed again"
        )
    images_NHWC.flush()


def _image(row_id: str, outcome: Outcome, shape: tuple[int, int, int]) -> NDArray[Any]:
    if isinstance(outcome, Rejected):
        raise DataError(
            f"row {row_id!r} was embedded and can no longer be decoded ({outcome.reason}); fix it, or embed the data "
            "again"
        )
    assert not isinstance(outcome, str)
    assert outcome.shape == shape
    return outcome
