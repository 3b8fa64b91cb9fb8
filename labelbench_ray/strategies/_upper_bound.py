"""Upper bounds: they see labels that nobody has paid for, so nobody can use them; they show what is left to gain.

A strategy never sees such a label. An upper bound does not either: it may ask what the model of the round would reach
on validation rows if a batch were labeled, which only the trial can answer, and only where it knows all labels.
"""

from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from typing import ClassVar

import numpy as np

from labelbench_ray.errors import ConfigError
from labelbench_ray.strategies._notes import Chosen
from labelbench_ray.strategies._wrapper import Composed
from labelbench_ray.types import Ask, Ids, PoolView

Worth = Callable[[Ids], float]
"""Pool ids -> the metric that decides, on validation rows, of the model that is fitted once these rows are labeled."""


class UpperBound(Composed):
    """The base of strategies that see labels. `tasks` are those of its kind; it never chooses the first batch."""

    sees_labels: ClassVar[bool] = True

    @property
    def cold_start(self) -> bool:  # type: ignore[override]  # a first batch is shared by all strategies
        return False

    @abstractmethod
    def choose_by_worth(self, view: PoolView, budget: int, key: int, worth: Worth) -> Ids:
        """Choose `budget` distinct unlabeled ids, in order of selection.

        Args:
            view: the pool and the labels paid for so far.
            budget: at least 1, at most the number of unlabeled rows.
            key: 64 random bits of this round.
            worth: how good the round's model gets by these rows; each call fits the proxy once.
        """

    def select_by_worth(self, view: PoolView, budget: int, rng: np.random.Generator, worth: Worth) -> Chosen:
        """The rows of the next round, checked as `select` does; `ValueError` as there."""
        return self._selected(view, budget, rng, partial(self._chosen, worth=worth))

    def choose(self, view: PoolView, budget: int, key: int, ask: Ask | None) -> Ids:
        """Raises ConfigError: outside of a trial nothing states what a batch is worth."""
        raise ConfigError(
            f"{type(self).__name__}: sees labels of the pool, so only a trial whose labels are all known can use it; "
            "use another strategy, such as 'margin' or 'badge'"
        )

    def _chosen(self, view: PoolView, budget: int, key: int, worth: Worth) -> Chosen:
        return Chosen(self.choose_by_worth(view, budget, key, worth))
