"""What a model of several tasks learned of each: heads on one shared linear representation.

    M source tasks       R dimensions of the representation

A head says how a task's answers depend on the representation: answer = head · (basisᵀ x) + bias.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Heads:
    """One estimate of all heads."""

    heads_RM: Reals
    target_R: Reals
    """The head of the target."""


@dataclass(frozen=True, slots=True, eq=False)
class TaskHeads:
    """The heads of all tasks, and two further estimates, each from one half of every task's rows."""

    target: int
    """The number of the target, as the fact `task` has it."""
    tasks_M: NDArray[np.int64]
    """The numbers of the source tasks that have labeled rows, ascending."""
    all_rows: Heads
    halves: tuple[Heads, Heads]
