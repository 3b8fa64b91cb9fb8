"""Another data set with corrupted copies of its test images as further evaluation splits."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from pydantic import Field, PositiveInt, field_validator, model_validator

from labelbench_ray.datasets import (
    LabeledTable,
    Modality,
    Records,
    Rows,
    Source,
    Table,
    signature,
)
from labelbench_ray.datasets._wrapped import Wrapped
from labelbench_ray.datasets.shifts.corruptions import CORRUPTIONS, SAMPLE, SEVERITIES, SPLIT, corrupted
from labelbench_ray.datasets.shifts.published import sampled
from labelbench_ray.errors import DataError, unknown
from labelbench_ray.types import Labels


class Corrupted(Wrapped):
    """Adds one evaluation split for each corruption and severity, `test_noise_1` to `test_pixelate_3`.

    Each has every test row once, corrupted in a way that depends on its id alone. The other splits stay as they are.
    An image is corrupted whenever it is read, so nothing but its embedding is stored.
    """

    corruptions: tuple[str, ...] = Field(default=tuple(CORRUPTIONS), min_length=1)
    """Which: noise, blur, jpeg, contrast, brightness, pixelate."""
    severities: tuple[int, ...] = Field(default=SEVERITIES, min_length=1)
    """Which: 1, 2, 3."""
    rows: PositiveInt | None = None
    """Corrupt at most this many test rows, a sample with a fixed seed, because each is embedded once a split. The
    split `test_sample` has the same rows as they are, so that a gap is that of the corruption and not of the rows."""

    @field_validator("corruptions")
    @classmethod
    def _refuse_unknown_corruptions(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in CORRUPTIONS:
                raise ValueError(unknown("corruption", name, CORRUPTIONS))
        return _once(names)

    @field_validator("severities")
    @classmethod
    def _refuse_unknown_severities(cls, severities: tuple[int, ...]) -> tuple[int, ...]:
        for severity in severities:
            if severity not in SEVERITIES:
                raise ValueError(f"{severity} is not a severity; there are {', '.join(map(str, SEVERITIES))}")
        return _once(severities)

    @model_validator(mode="after")
    def _refuse_what_holds_no_images(self) -> Self:
        if (modality := self.modality()) is not Modality.IMAGE:
            raise ValueError(
                f"dataset: {self.dataset} holds {modality.traits.plural}; only images are corrupted, take another one"
            )
        return self

    def load(self, root: Path) -> Source:
        source = self.inner.open(root)
        test = sampled(source.splits["test"], self.rows)
        kinds = [(name, severity) for name in self.corruptions for severity in self.severities]
        splits = {
            SPLIT.format(name=name, severity=severity): replace(test, table=_table(test.table, name, severity))
            for name, severity in kinds
        }
        if len(test) < len(source.splits["test"]):
            splits[SAMPLE] = test
        if taken := sorted(splits.keys() & source.splits.keys()):
            raise DataError(
                f"{self}: {self.dataset} has a split {taken[0]!r} already; leave that corruption, or `rows`, out"
            )
        note = f"{len(kinds)} splits of {len(test):,} corrupted test rows each, {len(kinds) * len(test):,} rows in all"
        if SAMPLE in splits:
            note += f"; {SAMPLE} has the same {len(test):,} rows as they are, to compare them with"
        return Source(
            source.classes,
            source.splits | splits,
            signature(["corrupted", 2, source.signature, kinds, self.rows]),
            replace(source.findings, notes=(*source.findings.notes, note)),
        )


@dataclass(frozen=True, slots=True, eq=False)
class CorruptedTable:
    """A table whose images are read corrupted."""

    table: Table
    name: str
    severity: int

    def __len__(self) -> int:
        return len(self.table)

    def read(self, rows: Rows) -> Records:
        records = self.table.read(rows)
        ids_and_payloads = zip(records.row_ids, records.payloads, strict=True)
        payloads = [corrupted(payload, self.name, self.severity, row_id) for row_id, payload in ids_and_payloads]
        return replace(
            records, row_ids=[f"{row_id}#{self.name}-{self.severity}" for row_id in records.row_ids], payloads=payloads
        )


@dataclass(frozen=True, slots=True, eq=False)
class LabeledCorruptedTable(CorruptedTable):
    """The same of a table that knows its labels without reading payloads."""

    def labels(self, rows: Rows) -> Labels:
        """(B, ...) labels of these rows."""
        table = self.table
        assert isinstance(table, LabeledTable)
        return table.labels(rows)


def _table(table: Table, name: str, severity: int) -> CorruptedTable:
    return (LabeledCorruptedTable if isinstance(table, LabeledTable) else CorruptedTable)(table, name, severity)


def _once(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Each value once, in the order given."""
    return tuple(dict.fromkeys(values))
