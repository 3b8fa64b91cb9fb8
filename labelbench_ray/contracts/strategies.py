"""The laws of strategies: what is chosen, and from what. Those about equal choices: `strategies_alike`."""

from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.contracts.law import Law, NotApplicable, raising_nothing, require
from labelbench_ray.contracts.pools import identical_rows, make_pool, purchases_of, unlearned
from labelbench_ray.contracts.trying import (
    chosen,
    chosen_on,
    modeled,
    pools_for,
    require_choice,
    usual_pool,
    wanted,
    with_facts,
)
from labelbench_ray.errors import BudgetError
from labelbench_ray.pool.blocks import ArrayShard, Rows
from labelbench_ray.pool.distributions import Distribution
from labelbench_ray.strategies import NO_NOTE, ChosenRound, MemoryStrategy, Strategy
from labelbench_ray.types import Floats

TIES_DRAWN, RAREST_CHANCE = 100, 1e-4
"""Draws in which tied rows must be chosen equally often, and how unlikely a difference must be to count as one."""


def chooses_the_budget(strategy: Strategy) -> None:
    """On ordinary and odd pools."""
    for name, pool in pools_for(strategy).items():
        chosen_on(f"on the pool {name!r}", strategy, pool, 12)


def chooses_from_small_pools(strategy: Strategy) -> None:
    """Of one row to thirty, with no labels to all labels, and any budget."""
    rng = np.random.default_rng(0)
    for case in range(25):
        rows = int(rng.integers(1, 31)) if case > 2 else case + 1
        labeled = int(rng.integers(0, rows + 1))
        budget = int(rng.integers(0, rows - labeled + 1))
        pool = usual_pool(strategy, rows, labeled, seed=case)
        chosen_on(f"on a pool of {rows} rows, {labeled} of them labeled", strategy, pool, budget)


def budget_of_nothing(strategy: Strategy) -> None:
    """An empty array."""
    chosen_on("with a budget of 0", strategy, usual_pool(strategy, 50), 0)


def budget_of_everything(strategy: Strategy) -> None:
    """All unlabeled rows."""
    pool = usual_pool(strategy, 50)
    chosen_on("with a budget of all unlabeled rows", strategy, pool, len(pool.unlabeled))


def refuses_an_impossible_budget(strategy: Strategy) -> None:
    """Too many rows, too few, or not a number of rows."""
    pool = usual_pool(strategy, 50)
    for budget in (31, 1000, -1, 2.5, 3.0, True, None, "3"):
        try:
            chosen(strategy, pool.view(), budget, pool.truth)  # type: ignore[arg-type]
        except ValueError:
            continue
        require(
            False,
            f"asked for {budget!r} of 30 unlabeled rows it chose some",
            "leave `select` as it is and write `choose`, `scorer` or `score`",
        )


def returns_pool_ids(strategy: Strategy) -> None:
    """The pool's own ids, which need not be 0, 1, 2 ..."""
    pool = usual_pool(strategy, 100)
    ids_N = 1_000 + 7 * np.arange(100)
    truth = np.zeros((2_000, *pool.truth.shape[1:]), pool.truth.dtype)
    truth[ids_N] = pool.truth
    fix = "ids come from `shard.ids_S` and `block.ids_B`; they are never positions"
    with raising_nothing("on a pool whose ids are 1000, 1007, 1014 ...", fix):
        found = chosen(strategy, pool.view(ids=ids_N), 15, truth)
    require_choice("on a pool whose ids are 1000, 1007, 1014 ...", found, 15, ids_N[pool.unlabeled])


def chooses_with_a_sure_model(strategy: Strategy) -> None:
    """Probabilities of exactly 0 and 1."""
    pool = usual_pool(strategy)
    for scale in (1, 30, 1000):
        weight = scale * np.random.default_rng(4).normal(size=(6, 4)).astype(np.float32)
        model = _Linear(weight, pool.view().distribution)
        for budget in (12, 65, 130):
            view = modeled(pool, model)
            chosen_on(f"with a model that is sure (logits times {scale})", strategy, pool, budget, view)


def refuses_nan(strategy: Strategy) -> None:
    """A row whose embedding holds NaN, as after a fit that diverged."""
    if not wanted(strategy) & {"embeddings", "probabilities"}:
        raise NotApplicable("it reads neither embeddings nor probabilities")
    pool = usual_pool(strategy)
    broken = pool.embeddings.copy()
    broken[pool.unlabeled[7]] = np.nan
    model = _Linear(np.ones((broken.shape[1], 4), np.float32), pool.view().distribution)
    view = modeled(replace(pool, embeddings=broken), model)
    try:
        chosen(strategy, view, 130, pool.truth)
    except ValueError as error:
        text = str(error)
    else:
        text = "it chose rows"
    require(
        "nan" in text.lower(),
        f"on a pool with a row of NaN: {text}",
        "read `block.embeddings_BD` and `block.probabilities_BK`, which refuse such rows by name",
    )


def chooses_ties_uniformly(strategy: Strategy) -> None:
    """Rows of the same score have the same chance."""
    from scipy import stats

    pools = [make_pool(60, 3), make_pool(200, 1000)] if "single_label" in strategy.tasks else [usual_pool(strategy, 60)]
    for pool in (identical_rows(with_facts(each, strategy)) for each in pools):
        view, rows = pool.view(), len(pool.truth)
        budget = rows // 10
        picks = [chosen(strategy, view, budget, pool.truth, seed) for seed in range(TIES_DRAWN)]
        counts = np.bincount(np.concatenate(picks), minlength=rows)
        by_place = sum((np.diff(ids) > 0).all() for ids in picks)
        equally = stats.chisquare(counts).pvalue > RAREST_CHANCE and len({tuple(ids) for ids in picks}) > TIES_DRAWN / 2
        require(
            bool(equally and by_place < TIES_DRAWN / 2),
            f"of {rows} equal rows some are chosen up to {counts.max()} times in {TIES_DRAWN} rounds, others "
            f"{counts.min()} times, and {by_place} times in the order of their ids",
            "break ties by `tie_hash(key, ids)`, never by position; `best_rows` does",
        )


def asks_only_for_what_it_chooses(strategy: Strategy) -> None:
    """Each answer costs one label of the budget."""
    pool = usual_pool(strategy, 120)
    purchases = purchases_of(pool, 15)
    fix = "ask only for rows that you choose, and for no more than the budget"
    try:
        ids = strategy.select(pool.view(), 15, np.random.default_rng(0), ask=purchases.ask)
    except BudgetError as error:
        require(False, f"with a budget of 15 it asked for too many labels ({error})", fix)
    beside = purchases.bought - set(ids.tolist()) - set(pool.labeled.tolist())
    require(not beside, f"it asked for the labels of {len(beside)} rows that it did not choose", fix)
    if len(purchases.bought) == len(pool.labeled):
        raise NotApplicable("it never asks")


def works_without_ask(strategy: Strategy) -> None:
    """Or states that it needs it."""
    pool = usual_pool(strategy, 120)
    try:
        ids = strategy.select(pool.view(), 15, np.random.default_rng(0))
    except ValueError as error:
        require(
            "ask" in str(error) and strategy.needs_ask,
            f"without `ask` it raises {error}",
            "set `needs_ask = True` and raise a ValueError that names `ask`",
        )
    else:
        require_choice("without `ask`", ids, 15, pool.unlabeled)


def chooses_the_first_batch(strategy: Strategy) -> None:
    """Without labels, and with a model that has learned nothing."""
    if not strategy.cold_start:
        raise NotApplicable("`cold_start` is False")
    pool = unlearned(usual_pool(strategy))
    chosen_on("before the first label, where all classes are equally likely", strategy, pool, 12)


def reads_what_it_states(strategy: Strategy) -> None:
    """Nothing but what its attribute `wants` names: pools may lack the rest, and need not compute it."""
    stated = wanted(strategy)
    if {"embeddings", "probabilities"} <= stated:
        raise NotApplicable("`wants` names embeddings and probabilities")
    pool = usual_pool(strategy)
    shards = tuple(
        _Withheld(
            each.ids_S,
            each.raw_SD,
            each.labeled_S,
            each.open_S,
            pool.probabilities,
            each.distribution,
            facts=each.facts,
            stated=frozenset(stated),
        )
        for each in pool.view().shards
    )
    view = replace(pool.view(), shards=shards)
    with raising_nothing("on a pool that has only what `wants` names", "add what it reads to `wants`"):
        chosen(strategy, view, 12, pool.truth)


def remembers_by_notes_alone(strategy: Strategy) -> None:
    """A trial that is continued in another process chooses as if it had never stopped."""
    if not isinstance(strategy, MemoryStrategy):
        raise NotApplicable("it is not a MemoryStrategy")
    pool = usual_pool(strategy)

    def rounds(made_anew: bool) -> list[list[int]]:
        view, found = pool.view(), []
        history = [ChosenRound(view.labeled_L, view.labels_L, np.full(len(view.labeled_L), NO_NOTE))]
        for number in range(3):
            each = type(strategy)(**strategy.model_dump(mode="json")) if made_anew else strategy
            rng = np.random.default_rng(number)
            batch = each.select_with_notes(view, 6, rng, lambda ids: pool.truth[ids], tuple(history))
            labels = pool.truth[batch.ids]
            notes = np.full(6, NO_NOTE) if batch.notes is None else batch.notes
            history.append(ChosenRound(batch.ids, labels, notes))
            labeled, known = np.append(view.labeled_L, batch.ids), np.concatenate([view.labels_L, labels])
            view = replace(pool, labeled=labeled, labels=known).view()
            found.append([*batch.ids.tolist(), *notes.tolist()])
        return found

    rounds(made_anew=False)
    require(
        rounds(made_anew=False) == rounds(made_anew=True),
        "three rounds with one strategy give other rows or notes than with a new one in each round",
        "keep what is to be remembered in the notes, never in the strategy, its class or its module",
    )


@dataclass(frozen=True, slots=True)
class _Linear:
    """A linear model of any distribution."""

    weight_DK: Floats
    distribution: Distribution

    @property
    def num_classes(self) -> int:
        return int(self.weight_DK.shape[1])

    def probabilities(self, raw_BD: NDArray[Any]) -> Floats:
        return self.distribution.of_logits(raw_BD @ self.weight_DK)

    def features(self, raw_BD: NDArray[Any]) -> Floats:
        return raw_BD


@dataclass(frozen=True, slots=True, eq=False)
class _Withheld(ArrayShard):
    """A shard that has only what is stated."""

    stated: frozenset[str] = field(default=frozenset(), kw_only=True)

    def probabilities(self, rows: Rows) -> Floats:
        self._give("probabilities")
        return ArrayShard.probabilities(self, rows)

    def features(self, rows: Rows) -> Floats:
        self._give("embeddings")
        return ArrayShard.features(self, rows)

    def _give(self, what: str) -> None:
        require(what in self.stated, f"it reads {what}, which its attribute `wants` does not name", f"add {what!r}")


LAWS: Final[tuple[Law[Strategy], ...]] = (
    Law("chooses as many distinct unlabeled rows as asked for, on ordinary and odd pools", chooses_the_budget),
    Law("chooses from pools of one to thirty rows", chooses_from_small_pools),
    Law("a budget of 0 gives an empty array", budget_of_nothing),
    Law("a budget of all unlabeled rows gives all of them", budget_of_everything),
    Law("refuses a budget that cannot be met or is not an integer", refuses_an_impossible_budget),
    Law("returns the pool's own ids, not positions", returns_pool_ids),
    Law("chooses with a model whose probabilities are exactly 0 and 1", chooses_with_a_sure_model),
    Law("refuses a row of NaN", refuses_nan),
    Law("chooses among tied rows uniformly", chooses_ties_uniformly),
    Law("asks only for rows that it chooses", asks_only_for_what_it_chooses),
    Law("works without `ask`, or states that it needs it", works_without_ask),
    Law("chooses the first batch, if `cold_start` states that it can", chooses_the_first_batch),
    Law("reads only what `wants` names", reads_what_it_states),
    Law("remembers by its notes alone, if it has memory", remembers_by_notes_alone),
)
