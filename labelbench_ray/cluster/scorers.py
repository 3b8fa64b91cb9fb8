"""Scorers: Ray actors that own stretches of a large pool and compute on them where they are.

A view over scorers differs from one in process only in `map`. Every call carries what it needs (references to the
proxy, the labeled ids and the function), so a scorer that dies is restarted by Ray and its work repeated, with the
same result. Calls wait for the restart, however long it takes to notice that a node is lost; a scorer that died too
often for that fails its calls, which counts as the death of the trial's worker.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import ray
from ray.exceptions import RayTaskError
from ray.util.placement_group import PlacementGroup
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from labelbench_ray.cluster.deaths import is_death
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.embeddings.stretches import pool_stretch
from labelbench_ray.pool.blocks import Ids, Model, ModelShard, cuts
from labelbench_ray.types import PoolView, Result
from labelbench_ray.user_code import portable

RESTARTS = 3
"""A scorer that dies more often, for example of too little memory, ends its trial's worker."""


# Calls are repeated without limit: while a lost node is not yet declared dead, any number is spent within seconds.
@ray.remote(max_restarts=RESTARTS, max_task_retries=-1)
class Scorer:
    """Owns rows start .. stop-1 of a store's pool, and reads no other; keeps the shard of the view asked about last."""

    def __init__(self, store: Path, start: int, stop: int) -> None:
        self._ids_S = np.arange(start, stop)
        self._stretch = pool_stretch(EmbeddingStore.open(store), start, stop)
        self._view = -1

    def apply(
        self,
        view: int,
        model: Model,
        labeled_L: Ids,
        open_U: Ids | None,
        function: Callable[..., Result],
        *items: Any,  # noqa: ANN401  whatever the function takes
    ) -> Result:
        """`function` of the shard as the view shows it; `open_U`: ids that may be chosen, None for all unlabeled."""
        if view != self._view:
            labeled_S = np.isin(self._ids_S, labeled_L)
            raw_SD, facts = self._stretch.embeddings_SD, self._stretch.facts
            shard = ModelShard(self._ids_S, raw_SD, labeled_S, ~labeled_S, model, facts=facts)
            self._shard = shard if open_U is None else shard.only(open_U)
            self._view = view
        try:
            return function(self._shard, *items)
        except Exception as error:
            raise portable(error) from error


@dataclass(frozen=True, slots=True, eq=False)
class ScorerView(PoolView):
    """A pool view whose shards lie in scorers."""

    actors: tuple[Any, ...]
    numbers: Iterator[int]
    """Gives each view of these scorers a number of its own."""
    number: int
    model: Any
    """Reference to the model in the object store; likewise the labeled ids, and the ids that may be chosen or None."""
    labeled: Any
    open: Any = None

    def map(self, function: Callable[..., Result], *each: Sequence[Any]) -> list[Result]:
        """`function` of every shard, all at once, in the order of the shards; with an item of every `each`."""
        sent = ray.put(function)
        answers = [
            actor.apply.remote(self.number, self.model, self.labeled, self.open, sent, *items)
            for actor, *items in zip(self.actors, *each, strict=True)
        ]
        try:
            results: list[Result] = ray.get(answers)
        except RayTaskError as error:  # its text is a traceback of Ray's
            if is_death(error) or not isinstance(error.cause, Exception):
                raise
            raise error.cause from error
        return results

    def only(self, ids: Ids) -> Self:
        """The same pool and labels, where only rows of these ids may be chosen."""
        open_U = np.sort(ids)
        return replace(self, num_unlabeled=len(open_U), number=next(self.numbers), open=ray.put(open_U))


class Scorers:
    """The scorers of one trial; calling it opens a view (a `fitting.OpenView`)."""

    def __init__(
        self, store: EmbeddingStore, actors: int, group: PlacementGroup | None = None, gpus: float = 0.0
    ) -> None:
        """Start them.

        Args:
            group: the trial's placement group, whose bundles 1, 2, ... are reserved for the scorers.
            gpus: that each of them reserves.
        """
        self._num_rows = store.manifest.count("pool")
        self._fact_names = tuple(sorted(store.manifest.facts))
        self._views = itertools.count()
        self._actors = tuple(
            Scorer.options(  # type: ignore[attr-defined]
                num_cpus=1, num_gpus=gpus, scheduling_strategy=_strategy(group, number)
            ).remote(store.directory, rows.start, rows.stop)
            for number, rows in enumerate(cuts(self._num_rows, actors))
        )

    def __call__(self, model: Model, labeled: Ids, labels: Ids) -> PoolView:
        return ScorerView(
            shards=(),
            num_rows=self._num_rows,
            num_unlabeled=self._num_rows - len(labeled),
            num_classes=model.num_classes,
            labeled_L=labeled,
            labels_L=labels,
            distribution=model.distribution,
            fact_names=self._fact_names,
            actors=self._actors,
            numbers=self._views,
            number=next(self._views),
            model=ray.put(model),
            labeled=ray.put(labeled),
        )

    def close(self) -> None:
        """End the actors."""
        for actor in self._actors:
            ray.kill(actor)


def _strategy(group: PlacementGroup | None, number: int) -> Any:  # noqa: ANN401  Ray takes a strategy or a word
    return "SPREAD" if group is None else PlacementGroupSchedulingStrategy(group, number + 1)
