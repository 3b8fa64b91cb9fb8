"""Prompts that reasoning-gym makes up, with responses that it verifies: 106 families of tasks, and no download."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from labelbench_ray.datasets import Dataset, Findings, Modality, Records, Rows, Source, signature
from labelbench_ray.datasets.prompt_rows.splits import duplicates, duplicates_note, prompt_splits
from labelbench_ray.errors import unknown
from labelbench_ray.pool.facts import DUPLICATE_OF, Facts
from labelbench_ray.tasks.response import not_written
from labelbench_ray.types import Labels

FAMILIES: Final = (
    "chain_sum",
    "spell_backward",
    "coin_flip",
    "gcd",
    "letter_counting",
    "base_conversion",
    "number_sequence",
    "calendar_arithmetic",
)


class ReasoningGym(Dataset):
    """Families of made-up tasks as prompts; frequent and rare ones, each with its share of the held-out prompts."""

    packages: ClassVar[tuple[str, ...]] = ("reasoning_gym",)
    families: tuple[str, ...] = Field(default=FAMILIES, min_length=1)
    """As reasoning-gym names them."""
    rows: tuple[PositiveInt, ...] = (80, 40, 20, 20, 12, 12, 8, 8)
    """Prompts of each family in the pool."""
    test_rows: NonNegativeInt = 36
    """Prompts that are held out to measure fine-tuned models, as many of each family as there are of any, or one more
    of the first ones."""
    seed: NonNegativeInt = 0
    """Of the prompts that are made up."""
    deduplicate: bool = Field(default=True, exclude_if=lambda on: on)
    """Have strategies leave out exact repeats of a prompt, which families with few different ones make."""

    @model_validator(mode="after")
    def _check_families(self) -> Self:
        if len(self.rows) != len(self.families):
            raise ValueError(f"rows: {len(self.rows)} numbers for {len(self.families)} families; give one for each")
        if len(set(self.families)) < len(self.families):
            raise ValueError(f"families: {', '.join(self.families)}: one is named twice; name each once")
        return self

    @property
    def task(self) -> str:
        return "response"

    def modality(self) -> Modality:
        return Modality.TEXT

    def load(self, root: Path) -> Source:
        _check_known(self.families)
        held = [
            self.test_rows // len(self.rows) + (place < self.test_rows % len(self.rows))
            for place in range(len(self.rows))
        ]
        sizes = [rows + more for rows, more in zip(self.rows, held, strict=True)]
        tasks_N = np.repeat(np.arange(len(sizes)), sizes)
        held_out_N = np.concatenate(
            [np.arange(size) < more for size, more in zip(sizes, held, strict=True)]  # rows are drawn independently
        )
        table = GymTable(self.families, tuple(sizes), self.seed)
        facts = repeated(table, held_out_N) if self.deduplicate else Facts()
        return Source(
            classes=self.families,
            splits=prompt_splits(table, tasks_N, self.families, held_out_N, facts),
            signature=signature(["reasoning_gym", _version(), self.families, sizes, self.seed]),
            findings=Findings(notes=duplicates_note(facts)),
        )


@dataclass(frozen=True, slots=True)
class GymTable:
    """All prompts, family after family (a `LabeledTable` and a `RespondedTable`)."""

    families: tuple[str, ...]
    sizes: tuple[int, ...]
    seed: int

    def __len__(self) -> int:
        return sum(self.sizes)

    def read(self, rows: Rows) -> Records:
        places = [self._place(row) for row in rows]
        return Records(
            [f"{family}/{number:05d}" for family, number, _ in places],
            [self._entry(*place)["question"] for place in places],
            self.labels(rows),
        )

    def labels(self, rows: Rows) -> Labels:
        """(B, 5) none: responses are looked up where they are paid for."""
        return not_written(len(rows))

    def responses(self, rows: Rows) -> list[str | None]:
        """The answers that the families state."""
        return [str(self._entry(*self._place(row))["answer"]) for row in rows]

    def where_to_write(self) -> str:
        """Nowhere: every prompt has one."""
        raise AssertionError("every prompt of reasoning-gym has a response")

    def score(self, rows: Rows, answers: list[str]) -> list[float]:
        """What the families' own verifiers give each answer, 0 .. 1."""
        places = [self._place(row) for row in rows]
        return [
            float(_made(family, size, self.seed).score_answer(answer.strip(), self._entry(family, number, size)))
            for (family, number, size), answer in zip(places, answers, strict=True)
        ]

    def _place(self, row: int) -> tuple[str, int, int]:
        """The family of a row, its number in it, and the family's size."""
        ends = np.cumsum(self.sizes)
        family = int(np.searchsorted(ends, row, side="right"))
        return self.families[family], int(row - (ends[family] - self.sizes[family])), self.sizes[family]

    def _entry(self, family: str, number: int, size: int) -> dict[str, Any]:
        entry: dict[str, Any] = _made(family, size, self.seed)[number]
        return entry


def repeated(table: GymTable, held_out_N: NDArray[np.bool_]) -> Facts:
    """Which prompts repeat another one; no fact where none does, so that stores of distinct prompts stay the same."""
    records = table.read(range(len(table)))
    repeats_N = duplicates(records.payloads, records.row_ids, ~held_out_N)
    return Facts({DUPLICATE_OF: repeats_N}) if (repeats_N >= 0).any() else Facts()


@cache
def _made(family: str, size: int, seed: int) -> Any:  # noqa: ANN401  a class of each family
    # Imported here: it takes seconds, and a plan of other data does without.
    import reasoning_gym

    return reasoning_gym.create_dataset(family, size=size, seed=seed)


def _check_known(families: tuple[str, ...]) -> None:
    from reasoning_gym.factory import DATASETS

    from labelbench_ray.errors import ConfigError

    for family in families:
        if family not in DATASETS:
            raise ConfigError(f"families: {unknown('family of reasoning-gym', family, DATASETS)}")


def _version() -> str:
    from importlib.metadata import version

    return version("reasoning-gym")
