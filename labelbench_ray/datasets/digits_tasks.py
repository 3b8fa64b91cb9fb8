"""One question a task: "is it this digit?", of scikit-learn's digits under a corruption. 40 tasks that share a lot."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import NonNegativeInt, PositiveInt

from labelbench_ray.datasets import SPLIT_SEED, Dataset, Records, Rows, Source, Split, signature
from labelbench_ray.datasets.digits import Digits, digit_images, png
from labelbench_ray.datasets.task_rows import TaskTable, balanced, task_sizes
from labelbench_ray.types import Ids

Corruption = Literal["identity", "noise", "rotate", "invert"]
CORRUPTIONS: Final[tuple[Corruption, ...]] = ("identity", "noise", "rotate", "invert")
DIGITS: Final = 10
NOISE: Final = 60
"""The standard deviation of the noise, of 255 levels of gray."""


def task_number(digit: int, corruption: Corruption) -> int:
    """The number of a task, as the fact `task` has it."""
    return digit * len(CORRUPTIONS) + CORRUPTIONS.index(corruption)


class DigitsTasks(Dataset):
    """Rows of 40 tasks, half of them of the task's digit; test and validation rows are of the target.

    Images of the pool are the pool's of `digits`, and those of the held-out splits the other 30 %.
    """

    target: NonNegativeInt = task_number(3, "invert")
    """The number of the target: 4 times the digit, plus 0 (identity), 1 (noise), 2 (rotate) or 3 (invert)."""
    rows_per_task: PositiveInt = 200
    target_rows: PositiveInt = 40

    def load(self, root: Path) -> Source:
        tasks, splits = DIGITS * len(CORRUPTIONS), Digits().load(root).splits
        sizes_T = task_sizes(tasks, self.target, self.rows_per_task, self.target_rows, self.max_rows)
        held_out = np.concatenate([np.asarray(splits[name].rows) for name in ("validation", "test")])
        # Two thirds of what is held out are tested: half of the target's rows are of its digit, so there are few.
        tested = np.random.default_rng(SPLIT_SEED).permutation(held_out)
        cut = len(tested) // 3
        rows = {
            "pool": _rows(np.asarray(splits["pool"].rows), dict(enumerate(sizes_T.tolist()))),
            "validation": _rows(tested[:cut], {self.target: cut}),
            "test": _rows(tested[cut:], {self.target: len(tested)}),
        }
        return Source(
            classes=("other", "this"),
            splits={
                name: Split(table, np.arange(len(table)), facts={"task": table.tasks_N} if name == "pool" else {})
                for name, table in rows.items()
            },
            signature=signature(["digits_tasks", self.target, *sizes_T.tolist()]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class CorruptedDigits:
    """Every digit under one corruption after the other."""

    def __len__(self) -> int:
        return len(CORRUPTIONS) * len(digit_images()[1])

    def read(self, rows: Rows) -> Records:
        images_NHW, labels_N = digit_images()
        places = [divmod(int(row), len(labels_N)) for row in rows]
        return Records(
            [f"digits/{row:04d}/{CORRUPTIONS[corruption]}" for corruption, row in places],
            [png(_corrupted(images_NHW[row], CORRUPTIONS[corruption], row)) for corruption, row in places],
            np.array([labels_N[row] for _, row in places], np.int64),
        )


def _corrupted(image_HW: NDArray[np.uint8], corruption: Corruption, row: int) -> NDArray[np.uint8]:
    if corruption == "noise":
        noise_HW = np.random.default_rng([SPLIT_SEED, row]).normal(0, NOISE, image_HW.shape)
        return np.clip(image_HW + noise_HW, 0, 255).astype(np.uint8)
    if corruption == "rotate":
        return np.rot90(image_HW).copy()
    return 255 - image_HW if corruption == "invert" else image_HW


def _rows(digits_N: Ids, sizes: Mapping[int, int]) -> TaskTable:
    """Balanced rows of tasks, as many of each as stated, as far as there are such."""
    _, labels_N = digit_images()
    parts = []
    for task, size in sizes.items():
        digit, corruption = divmod(task, len(CORRUPTIONS))
        is_digit_N = labels_N[digits_N] == digit
        kept = balanced(is_digit_N, size, np.random.default_rng([SPLIT_SEED, task]))
        rows_B = digits_N[kept] + corruption * len(labels_N)
        parts.append((rows_B, np.full(len(kept), task), is_digit_N[kept].astype(np.int64)))
    return TaskTable(CorruptedDigits(), *(np.concatenate(each) for each in zip(*parts, strict=True)))
