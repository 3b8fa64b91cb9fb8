"""Made-up linear tasks that share a representation, as in papers on active multi-task learning: answers are numbers.

    M source tasks      D dimensions of an input      R dimensions of the shared representation

A row's answer is xᵀ B w + noise, with x standard normal, B (D, R) orthonormal, and w its task's head. The last task is
the target, and test rows are of it, without noise: their mean squared error is the excess risk.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveInt

from labelbench_ray.datasets import Dataset, Modality, Records, Rows, Source, Split, signature
from labelbench_ray.datasets.task_rows import task_sizes
from labelbench_ray.types import Ids

Reals = NDArray[np.float64]
Kind = Literal["sparse", "repo", "skew"]
NEARLY_EQUAL: Final = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Instance:
    """What answers are made of."""

    basis_DR: Reals
    heads_RM: Reals
    """Of the source tasks, each of length 1."""
    target_R: Reals

    @property
    def weights_DT(self) -> Reals:
        """(D, M + 1): of all tasks, the target last."""
        return self.basis_DR @ np.column_stack([self.heads_RM, self.target_R])


def instance(kind: Kind, seed: int, dimensions: int = 16, rank: int = 3, sources: int = 24) -> Instance:
    """An instance of that kind.

    sparse: random heads; the target's is a sum, with signs, of R - 1 of them. repo: after the recipe of the authors'
    code, two thirds of the heads nearly equal, and the target's equal to the first. skew: one source task alone has the
    target's direction.
    """
    rng = np.random.default_rng([seed, *kind.encode()])
    basis_DR = np.linalg.qr(rng.normal(size=(dimensions, rank)))[0]
    if kind == "repo":
        heads_RM = rng.uniform(size=(rank, sources))
        third = sources // 3
        heads_RM[:, third:] = heads_RM[:, third : third + 1] + NEARLY_EQUAL * rng.uniform(size=(rank, sources - third))
    else:
        heads_RM = rng.normal(size=(rank, sources))
        heads_RM[0] *= kind != "skew"
        if kind == "skew":
            heads_RM[:, 0] = np.eye(rank)[0]
    heads_RM = heads_RM / np.linalg.norm(heads_RM, axis=0)
    target_R = heads_RM[:, 0].copy()
    if kind == "sparse":
        target_R = heads_RM[:, rng.choice(sources, rank - 1, replace=False)] @ rng.choice([-1.0, 1.0], rank - 1)
    return Instance(basis_DR, heads_RM, target_R)


class SyntheticTasks(Dataset):
    """Rows of text with `dimensions` numbers each, for the encoder `numbers`; the fact `task` numbers the tasks."""

    kind: Kind
    instance_seed: NonNegativeInt = 0
    dimensions: PositiveInt = 16
    rank: PositiveInt = 3
    sources: PositiveInt = 24
    """Source tasks, numbered from 0; the target has the number after them."""
    noise: NonNegativeFloat = 0.5
    """The standard deviation of the answers of the pool."""
    rows_per_task: PositiveInt = 3000
    target_rows: PositiveInt = 300
    test_rows: PositiveInt = 2000

    @property
    def task(self) -> str:
        return "regression"

    def modality(self) -> Modality:
        return Modality.TEXT

    def load(self, root: Path) -> Source:
        made = instance(self.kind, self.instance_seed, self.dimensions, self.rank, self.sources)
        sizes_T = task_sizes(self.sources + 1, self.sources, self.rows_per_task, self.target_rows, self.max_rows)
        pool = _table("pool", made, np.repeat(np.arange(self.sources + 1), sizes_T), self.noise, self.instance_seed)
        held_out = {
            name: _table(name, made, np.full(rows, self.sources), 0.0, self.instance_seed)
            for name, rows in (("validation", self.test_rows // 4 + 1), ("test", self.test_rows))
        }
        tables = {"pool": pool, **held_out}
        return Source(
            classes=("answer",),
            splits={
                name: Split(table, np.arange(len(table)), facts={"task": table.tasks_N} if name == "pool" else {})
                for name, table in tables.items()
            },
            signature=signature(["synthetic_tasks", self.recipe_text()]),
        )

    def recipe_text(self) -> str:
        """All settings, which decide every row."""
        return self.model_dump_json(exclude={"max_rows", "drop_duplicates", "drop_near_duplicates"})


@dataclass(frozen=True, slots=True, eq=False)
class NumbersTable:
    """Rows of numbers as text."""

    name: str
    inputs_ND: NDArray[np.float16]
    answers_N: Reals
    tasks_N: Ids

    def __len__(self) -> int:
        return len(self.answers_N)

    def read(self, rows: Rows) -> Records:
        places_B = np.asarray(rows, np.int64)
        return Records(
            [f"{self.name}/{place:07d}" for place in places_B.tolist()],
            [" ".join(map(str, row_D)) for row_D in self.inputs_ND[places_B].tolist()],
            self.labels(rows),
        )

    def labels(self, rows: Rows) -> Reals:
        """(B,) answers of these rows."""
        return self.answers_N[np.asarray(rows, np.int64)]


def _table(name: str, made: Instance, tasks_N: Ids, noise: float, seed: int) -> NumbersTable:
    rng = np.random.default_rng([seed, *name.encode()])
    # float16, as embeddings are stored: answers are made of the inputs that a model sees.
    inputs_ND = rng.normal(size=(len(tasks_N), len(made.basis_DR))).astype(np.float16)
    answers_N = np.einsum("nd,dn->n", inputs_ND.astype(np.float64), made.weights_DT[:, tasks_N])
    return NumbersTable(name, inputs_ND, answers_N + noise * rng.normal(size=len(tasks_N)), tasks_N)
