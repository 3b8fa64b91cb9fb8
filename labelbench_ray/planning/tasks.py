"""Trials over a pool of several tasks: a target that is there, enough rows of it, costs, and parts that fit."""

import numpy as np

from labelbench_ray.errors import ConfigError, unknown
from labelbench_ray.planning.stores import PlannedStore
from labelbench_ray.pool.distributions import CATEGORICAL
from labelbench_ray.pool.facts import missing_facts
from labelbench_ray.proxies.multitask_linear import TASK, MultitaskLinear
from labelbench_ray.strategies.task_relevance import TaskRelevance
from labelbench_ray.trial.parts import Parts


def check_tasks(built: Parts, store: PlannedStore) -> None:
    """Refuse what cannot be; `ConfigError` states the value, the rule and what fits instead."""
    _check_parts(built)
    if not isinstance(built.proxy, MultitaskLinear):
        return
    named = f"proxy {built.trial.proxy}"
    if store.classes and built.task.distribution == CATEGORICAL and len(store.classes) != 2:
        raise ConfigError(
            f"{named}: serves numbers and two classes, and the data set {built.trial.dataset} has "
            f"{len(store.classes)}; use the proxy 'linear', or a data set that asks one question a task"
        )
    if store.rows and (missing := missing_facts(built.proxy.facts, store.facts)):
        raise ConfigError(
            f"{named}: {missing} (data set {built.trial.dataset}); number the tasks in a column and name it, as in "
            'facts=["task"] of parquet, or leave out `target` for a pool of one task'
        )
    if built.proxy.target is not None and store.source is not None:
        numbers_N = store.source.splits["pool"].facts[TASK]
        counts = dict(zip(*(each.tolist() for each in np.unique(numbers_N, return_counts=True)), strict=True))
        _check_counts(built, built.proxy.target, {int(task): rows for task, rows in counts.items()})


def pool_tasks(store: PlannedStore) -> int:
    """How many tasks the pool's rows are of; 1 where they state none, or the data are not here."""
    facts = store.source.splits["pool"].facts if store.source else {}
    return len(np.unique(facts[TASK])) if TASK in facts else 1


def _check_parts(built: Parts) -> None:
    trial, proxy = built.trial, built.proxy
    for what, named, strategy in (
        ("strategy", trial.strategy, built.strategy),
        ("first_batch", trial.first_batch, built.first_batch),
    ):
        if strategy.needs_ask and not built.task.answers_every_row:
            raise ConfigError(
                f"{what} {named}: asks for labels while it chooses its batch, and rows of the data set "
                f"{trial.dataset} may be of none of the classes; use another strategy, such as 'margin' or 'badge', or "
                "one with arms, such as 'tailor'"
            )
        if not isinstance(strategy, TaskRelevance):
            continue
        if not isinstance(proxy, MultitaskLinear) or proxy.target != strategy.target:
            raise ConfigError(
                f"{what} {named}: reads the heads of its target {strategy.target}, and the proxy is {trial.proxy}; use "
                f'proxy=Part.of("multitask_linear", target={strategy.target})'
            )
    if isinstance(built.strategy, TaskRelevance) and not isinstance(built.first_batch, TaskRelevance):
        raise ConfigError(
            f"first_batch {trial.first_batch}: need not have rows of the target {built.strategy.target}, from which "
            f'relevance is estimated; use first_batch=Part.of("task_relevance", target={built.strategy.target})'
        )


def _check_counts(built: Parts, target: int, rows: dict[int, int]) -> None:
    trial, tasks = built.trial, [str(task) for task in rows]
    if target not in rows:
        known = f"{', '.join(tasks[:20])}{', ...' if len(tasks) > 20 else ''}"
        raise ConfigError(f"proxy {trial.proxy}: no row of the pool is of the task {target}; its tasks are: {known}")
    if len(rows) < 2:
        raise ConfigError(
            f"proxy {trial.proxy}: all rows of the pool are of the target {target}; add rows of other tasks, or leave "
            "out `target`"
        )
    _check_target_rows(built, target, rows[target])
    for strategy in (built.strategy, built.first_batch):
        for task in strategy.costs if isinstance(strategy, TaskRelevance) else ():
            if task not in rows:
                raise ConfigError(f"strategy {trial.strategy}: costs: {unknown('task', str(task), tasks)}")


def _check_target_rows(built: Parts, target: int, there: int) -> None:
    trial, proxy, first = built.trial, built.proxy, built.first_batch
    assert isinstance(proxy, MultitaskLinear)
    rank = proxy.rank if isinstance(proxy.rank, int) else 1
    asked = first.target_rows if isinstance(first, TaskRelevance) else None
    if asked is not None and asked >= trial.budget:
        raise ConfigError(
            f"first_batch {trial.first_batch}: {asked} rows of the target leave none of {trial.budget} for other "
            "tasks; lower `target_rows`, or raise `budget`"
        )
    most = first.most_target_rows(trial.budget) if isinstance(first, TaskRelevance) else there
    have = min(there, most)
    if have < 2 * rank:
        raise ConfigError(
            f"proxy {trial.proxy}: the target {target} has {have} rows in the first batch ({there} in the pool), and "
            f"rank={rank} needs {2 * rank}; lower `rank`, or label more rows of the target: `target_rows`, `budget`"
        )
