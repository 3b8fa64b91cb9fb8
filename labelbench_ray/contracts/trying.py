"""Trying a strategy on a made-up pool: what it needs beside the pool, and how its choices are compared."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.contracts.law import ContractViolation, raising_nothing, require
from labelbench_ray.contracts.pools import (
    MULTI_LABEL_POOLS,
    POOLS,
    REGRESSION_POOLS,
    Pool,
    make_multi_label_pool,
    make_pool,
    make_regression_pool,
)
from labelbench_ray.pool.facts import checked_facts
from labelbench_ray.strategies import Strategy
from labelbench_ray.types import Ids, Model, PoolView

CHOOSE: Final = "choose distinct ids of unlabeled rows, as many as asked for, as an int64 array"


def everyone(strategy: Strategy) -> Iterator[Strategy]:
    """The strategy and all that are inside it."""
    yield strategy
    for inner in strategy.inner_plugins().values():
        assert isinstance(inner, Strategy)
        yield from everyone(inner)


def wanted(strategy: Strategy) -> set[str]:
    """What it states that it reads, and those inside it."""
    return {want for each in everyone(strategy) for want in each.wants}


def served(strategy: Strategy) -> set[str]:
    """The tasks that it serves, and so do all those inside it."""
    return set.intersection(*(set(each.tasks) for each in everyone(strategy)))


def usual_pool(strategy: Strategy, rows: int = 150, labeled: int = 20, seed: int = 0) -> Pool:
    """An ordinary pool of labels that the strategy serves, with the facts that it reads."""
    made: dict[str, Callable[..., Pool]] = {"single_label": make_pool, "multi_label": make_multi_label_pool}
    make = next((made[task] for task in made if task in strategy.tasks), make_regression_pool)
    return with_facts(make(rows, labeled=labeled, seed=seed), strategy)


def pools_for(strategy: Strategy) -> dict[str, Pool]:
    """Ordinary and odd pools of all labels that the strategy serves, by what is special about them."""
    of_task = {"single_label": POOLS, "multi_label": MULTI_LABEL_POOLS, "regression": REGRESSION_POOLS}
    return {
        name: with_facts(pool, strategy)
        for task, pools in of_task.items()
        if task in served(strategy)
        for name, pool in pools.items()
    }


def with_facts(pool: Pool, strategy: Strategy) -> Pool:
    """The pool with a made-up number of each row for every fact that the strategy reads."""
    names = sorted({name for each in everyone(strategy) for name in each.facts})
    rng = np.random.default_rng(len(pool.truth))
    return replace(pool, facts={name: rng.integers(1, 100, len(pool.truth)).astype(np.float64) for name in names})


def modeled(pool: Pool, model: Model, shards: int = 1) -> PoolView:
    """A view of a pool whose probabilities a model computes."""
    facts = checked_facts(pool.facts, len(pool.truth))
    return PoolView.from_model(pool.embeddings, model, pool.labeled, pool.labels, shards, facts)


def chosen(strategy: Strategy, view: PoolView, budget: int, truth: NDArray[Any], seed: int = 0) -> Ids:
    """What it chooses, given answers from the truth of each id."""
    return strategy.select(view, budget, np.random.default_rng(seed), ask=lambda ids: truth[ids])


def chosen_on(where: str, strategy: Strategy, pool: Pool, budget: int, view: PoolView | None = None) -> Ids:
    """What it chooses of a pool: `ContractViolation` where it raises, or where the choice is not one."""
    fix = "a strategy must choose whatever the pool holds"
    with raising_nothing(f"{where}, asked for {budget} of {len(pool.unlabeled)} unlabeled rows,", fix):
        ids = chosen(strategy, pool.view() if view is None else view, budget, pool.truth)
    require_choice(where, ids, budget, pool.unlabeled)
    return ids


def require_choice(where: str, ids: Any, budget: int, unlabeled: NDArray[Any]) -> None:  # noqa: ANN401  anything
    """`ContractViolation` where what was returned is not `budget` distinct ids of these rows."""
    if not isinstance(ids, np.ndarray) or ids.dtype != np.int64 or ids.shape != (budget,):
        what = f"{ids.dtype} of shape {ids.shape}" if isinstance(ids, np.ndarray) else type(ids).__name__
        raise ContractViolation(f"{where}, asked for {budget} rows, it returned {what}; {CHOOSE}")
    require(len(np.unique(ids)) == budget, f"{where} it chose a row twice", CHOOSE)
    other = ids[~np.isin(ids, unlabeled)]
    require(not len(other), f"{where} it chose {other[:1]}, which is labeled or not in the pool", CHOOSE)


def require_same(found: str, ids: Ids, others: Iterable[Ids], fix: str) -> None:
    """`ContractViolation` where choices differ from the first one."""
    for other in others:
        if not np.array_equal(ids, other):
            place = int(np.flatnonzero(ids != other)[0]) if ids.shape == other.shape else 0
            first = f"the choice at place {place} is row {ids[place]} or row {other[place]}"
            raise ContractViolation(f"{found} ({first}); {fix}")
