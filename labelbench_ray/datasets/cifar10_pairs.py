"""Two CIFAR-10 images side by side, with two of the ten labels: a small benchmark of several labels a row."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from labelbench_ray.datasets import (
    SPLIT_SEED,
    Dataset,
    FileTable,
    LabeledTable,
    Payload,
    Records,
    Rows,
    Source,
    Split,
    signature,
)
from labelbench_ray.datasets.cifar10 import CLASSES, Cifar10
from labelbench_ray.types import Labels


@dataclass(frozen=True, slots=True, eq=False)
class PairsTable:
    """Pairs of a split's rows; a payload is one PNG of both images."""

    left: Split
    right: Split

    def __len__(self) -> int:
        return len(self.left)

    def read(self, rows: Rows) -> Records:
        halves = [part.table.read(np.asarray(part.rows)[np.asarray(rows)]) for part in (self.left, self.right)]
        return Records(
            ["+".join(names) for names in zip(*(half.row_ids for half in halves), strict=True)],
            [_beside(*images) for images in zip(*(half.payloads for half in halves), strict=True)],
            _matrix(*(half.labels_B for half in halves)),
        )

    def labels(self, rows: Rows) -> Labels:
        parts = [part.labels() for part in (self.left, self.right)]
        return _matrix(*(labels_N[np.asarray(rows)] for labels_N in parts if labels_N is not None))


class Cifar10Pairs(Dataset):
    """Each image of `cifar10` once, beside a random one of another class of its split; the pairs never change."""

    @property
    def task(self) -> str:
        return "multi_label"

    def load(self, root: Path) -> Source:
        images = Cifar10().open(root)
        splits = {name: _pairs(split) for name, split in images.splits.items()}
        tables = images.tables().values()
        labels = [table.labels_hash() for table in tables if isinstance(table, FileTable)]
        return Source(CLASSES, splits, signature(["pairs", images.signature, *labels]), images.findings)


def _pairs(split: Split) -> Split:
    assert isinstance(split.table, LabeledTable), split.table
    labels_N, rows_N = split.table.labels(split.rows), np.asarray(split.rows)
    left_P, right_P = paired(labels_N)
    table = PairsTable(Split(split.table, rows_N[left_P]), Split(split.table, rows_N[right_P]))
    return Split(table, range(len(table)))


def paired(labels_N: Labels) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Random pairs of rows, each row in one of them, of different classes as far as that goes; an odd row is left out.

    A pair of one class exchanges its second row with a random pair that holds neither class in the way.
    """
    rng = np.random.default_rng(SPLIT_SEED)
    order_N = rng.permutation(len(labels_N))
    left_P, right_P = order_N[: len(order_N) // 2], order_N[len(order_N) // 2 :][: len(order_N) // 2].copy()
    for place in np.flatnonzero(labels_N[left_P] == labels_N[right_P]):
        label = labels_N[left_P[place]]
        if label != labels_N[right_P[place]]:
            continue  # an earlier exchange has changed it
        partners = np.flatnonzero((labels_N[left_P] != label) & (labels_N[right_P] != label))
        if len(partners):
            partner = rng.choice(partners)
            right_P[[place, partner]] = right_P[[partner, place]]
    return left_P, right_P


def _matrix(left_B: Labels, right_B: Labels) -> Labels:
    labels_BK = np.zeros((len(left_B), len(CLASSES)), np.int8)
    for side_B in (left_B, right_B):
        labels_BK[np.arange(len(side_B)), side_B] = 1
    return labels_BK


def _beside(left: Payload, right: Payload) -> bytes:
    """Both images in one; bytes that are not an image make a payload that no encoder decodes."""
    assert isinstance(left, bytes)
    assert isinstance(right, bytes)
    try:
        images = [Image.open(io.BytesIO(payload)).convert("RGB") for payload in (left, right)]
    except OSError:
        return b""
    canvas = Image.new("RGB", (sum(image.width for image in images), max(image.height for image in images)))
    canvas.paste(images[0], (0, 0))
    canvas.paste(images[1], (images[0].width, 0))
    buffer = io.BytesIO()
    canvas.save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()
