"""A user's own plug-ins with mistakes, one of each kind; each setting `mistake` names what goes wrong where."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.augmentations import Augmentation
from labelbench_ray.datasets import Records, Rows, Source, Split
from labelbench_ray.datasets.digits import Digits, DigitsTable
from labelbench_ray.encoders import Decoded, Device
from labelbench_ray.encoders.pixels import PixelNetwork, Pixels
from labelbench_ray.planning import synthetic_view
from labelbench_ray.strategies import RowStrategy
from labelbench_ray.types import Block


class UnfitToTravel(Exception):
    """Cannot be pickled: it is made of two arguments, and keeps one."""

    def __init__(self, text: str, number: int) -> None:
        super().__init__(text)


class RaisingDigits(Digits):
    mistake: str = ""

    def load(self, root: Path) -> Source:
        source = super().load(root)
        if self.mistake == "open":
            raise KeyError("no such column")
        table = RaisingTable(self.mistake)
        splits = {name: Split(table, split.rows) for name, split in source.splits.items()}
        return replace(source, splits=splits)


@dataclass(frozen=True)
class RaisingTable(DigitsTable):
    mistake: str

    def read(self, rows: Rows) -> Records:
        if self.mistake == "read":
            raise UnfitToTravel("planned in read", 1)
        records = super().read(rows)
        changed: dict[str, Callable[[], Records]] = {
            "ids are numbers": lambda: replace(records, row_ids=[int(row_id[-4:]) for row_id in records.row_ids]),
            "ids repeat": lambda: replace(records, row_ids=[f"{row_id[:-1]}" for row_id in records.row_ids]),
            "one label less": lambda: replace(records, labels_B=records.labels_B[:-1]),
            "labels beyond": lambda: replace(records, labels_B=records.labels_B + 5),
            "labels are lists": lambda: replace(records, labels_B=records.labels_B.tolist()),
            "labels are floats": lambda: replace(records, labels_B=records.labels_B + 0.5),
            "one payload less": lambda: replace(records, payloads=records.payloads[:-1]),
            "payloads are texts": lambda: replace(records, payloads=["text"] * len(records.row_ids)),
            "payloads are None": lambda: replace(records, payloads=[None] * len(records.row_ids)),
            "a row less": lambda: Records(records.row_ids[1:], records.payloads[1:], records.labels_B[1:]),
            "no records": lambda: None,
        }
        return changed.get(self.mistake, lambda: records)()


class RaisingPixels(Pixels):
    mistake: str = ""

    def decode(self, payload: bytes | str) -> Decoded:
        if self.mistake == "decode":
            raise UnfitToTravel("planned in decode", 1)
        return super().decode(payload)

    def load(self, device: Device) -> "RaisingNetwork":
        if self.mistake == "load":
            raise UnfitToTravel("planned in load", 1)
        return RaisingNetwork(mistake=self.mistake)


@dataclass(frozen=True)
class RaisingNetwork(PixelNetwork):
    mistake: str = ""

    def embed(self, decoded: Sequence[Decoded]) -> NDArray[np.float32]:
        embeddings_BD = super().embed(decoded)
        if self.mistake == "embed":
            raise UnfitToTravel("planned in embed", 1)
        changed = {
            "shape": embeddings_BD[:-1],
            "list": embeddings_BD.tolist(),
            "width": embeddings_BD[:, : 3 + len(decoded) % 5],
        }
        return changed.get(self.mistake, embeddings_BD)


class RaisingAugmentation(Augmentation):
    payload = "image"
    mistake: str = ""

    def weak(self, decoded: Decoded, key: int) -> Decoded:
        if self.mistake == "augment":
            raise UnfitToTravel("planned in augment", 1)
        return decoded

    def strong(self, decoded: Decoded, key: int) -> Decoded:
        return decoded


class RaisingScores(RowStrategy):
    mistake: str = ""

    def score(self, block: Block) -> NDArray[np.float64]:
        if len(block.ids_B) and block.ids_B.max() > synthetic_view.ROWS:  # not on the made-up rows of a plan
            if self.mistake == "score":
                raise UnfitToTravel("planned in score", 1)
            if self.mistake == "nan":
                return np.full(len(block.ids_B), np.nan)
        return np.zeros(len(block.ids_B))
