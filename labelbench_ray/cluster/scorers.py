"""Scorers: Ray actors that own stretches of a large pool and compute on them where they are.

A view over scorers differs from one in process only in `map`. Every call carries what it needs (references to the
proxy, the labeled ids and the function), so a scorer that dies is restarted by Ray and its work repeated, with the
same result.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray.util.placement_group import PlacementGroup
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from labelbench_ray.store import EmbeddingStore
from labelbench_ray.types import Ids, Model, ModelShard, PoolView, Result, Shard, cuts

RESTARTS = 3
"""A scorer that dies more often, of too little memory say, fails its trial."""


@ray.remote(max_restarts=RESTARTS, max_task_retries=RESTARTS)
class Scorer:
    """Owns rows start .. stop-1 of a store's pool; keeps the shard of the view that it was last asked about."""

    def __init__(self, store: Path, start: int, stop: int) -> None:
        self._ids_S = np.arange(start, stop)
        self._raw_SD = EmbeddingStore.open(store).arrays().pool.embeddings_ND[start:stop]
        self._view = -1

    def apply(self, view: int, model: Model, labeled_L: Ids, function: Callable[[Shard], Result]) -> Result:
        """`function` of the shard as the view shows it."""
        if view != self._view:
            self._shard = ModelShard(self._ids_S, self._raw_SD, np.isin(self._ids_S, labeled_L), model)
            self._view = view
        return function(self._shard)


@dataclass(frozen=True, slots=True, eq=False)
class ScorerView(PoolView):
    """A pool view whose shards lie in scorers."""

    actors: tuple[Any, ...]
    number: int
    model: Any
    """Reference to the model in the object store; likewise the labeled ids."""
    labeled: Any

    def map(self, function: Callable[[Shard], Result]) -> list[Result]:
        """`function` of every shard, all at once, in the order of the shards."""
        sent = ray.put(function)
        results: list[Result] = ray.get(
            [actor.apply.remote(self.number, self.model, self.labeled, sent) for actor in self.actors]
        )
        return results


class Scorers:
    """The scorers of one trial; calling it opens a view (a `loop.OpenView`)."""

    def __init__(self, store: EmbeddingStore, actors: int, group: PlacementGroup | None = None) -> None:
        """`group`: the trial's placement group, whose bundles 1, 2, ... are reserved for the scorers."""
        self._num_rows = store.manifest.count("pool")
        self._views = 0
        self._actors = tuple(
            Scorer.options(num_cpus=1, scheduling_strategy=_strategy(group, number)).remote(  # type: ignore[attr-defined]
                store.directory, rows.start, rows.stop
            )
            for number, rows in enumerate(cuts(self._num_rows, actors))
        )

    def __call__(self, model: Model, labeled: Ids, labels: Ids) -> PoolView:
        self._views += 1
        return ScorerView(
            (),
            self._num_rows,
            model.num_classes,
            labeled,
            labels,
            self._actors,
            self._views,
            ray.put(model),
            ray.put(labeled),
        )

    def close(self) -> None:
        """End the actors."""
        for actor in self._actors:
            ray.kill(actor)


def _strategy(group: PlacementGroup | None, number: int) -> Any:  # noqa: ANN401  Ray takes a strategy or a word
    return "SPREAD" if group is None else PlacementGroupSchedulingStrategy(group, number + 1)
