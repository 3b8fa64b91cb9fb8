"""Which points a search tries: Ray Tune's searchers, asked from the start each time.

A suggestion depends on the search and on the results before it alone, never on what ran when: a search that is resumed
suggests the same points, and finds their ledgers finished. Nothing here needs a cluster.
"""

from collections.abc import Sequence
from importlib.util import find_spec

import numpy as np
from ray import tune
from ray.tune.search.sample import Domain

from labelbench_ray.planning.search import Choice, Distribution, Integers, LogUniform, Point, Search

DIGITS = 6
"""Significant digits of a suggested number: readable, and the same where a math library differs in the last bits."""
RESULT = "validation"


def searcher_name() -> str:
    """The searcher that is used here, in words."""
    if has_optuna():
        return "Optuna's TPE"
    return "random points (pip install 'labelbench-ray[search]' has Optuna suggest points from earlier results)"


def has_optuna() -> bool:
    """Whether Optuna is installed."""
    return find_spec("optuna") is not None


def suggested(search: Search, values: Sequence[float | None]) -> list[Point]:
    """Every point that a search suggests so far: those with results, and the batch after them.

    Args:
        values: what the first points reached, larger is better, in complete batches; None: a trial without a result.
    """
    points = _optuna(search, values) if has_optuna() else _random(search)
    return [{name: _rounded(search.over[name], point[name]) for name in search.over} for point in points]


def _optuna(search: Search, values: Sequence[float | None]) -> list[Point]:
    import optuna
    from ray.tune.search.optuna import OptunaSearch

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # A point without a result yet counts as a bad one, so that those of one batch lie apart.
    sampler = optuna.samplers.TPESampler(seed=search.seed, constant_liar=True)
    searcher = OptunaSearch(sampler=sampler)
    searcher.set_search_properties(RESULT, "max", _space(search))
    points: list[Point] = []
    while len(points) < search.trials and len(points) <= len(values):
        numbers = range(len(points), min(len(points) + search.batch, search.trials))
        points += [searcher.suggest(str(number)) or {} for number in numbers]
        for number in numbers[: max(0, len(values) - numbers.start)]:
            value = values[number]
            searcher.on_trial_complete(str(number), None if value is None else {RESULT: value}, error=value is None)
    return points


def _random(search: Search) -> list[Point]:
    """All points at once: none depends on a result."""
    random = np.random.RandomState(search.seed)  # what Tune's distributions draw from
    space = _space(search)
    return [{name: space[name].sample(random_state=random) for name in space} for _ in range(search.trials)]


def _space(search: Search) -> dict[str, Domain]:
    return {name: _domain(distribution) for name, distribution in search.over.items()}


def _domain(distribution: Distribution) -> Domain:
    """The same distribution in Tune's words."""
    if isinstance(distribution, Choice):
        return tune.choice(list(distribution.numbers))
    if isinstance(distribution, Integers):
        return tune.randint(distribution.low, distribution.high + 1)
    made = tune.loguniform if isinstance(distribution, LogUniform) else tune.uniform
    return made(distribution.low, distribution.high)


def _rounded(distribution: Distribution, value: float) -> float:
    if isinstance(distribution, Choice):
        return value
    if isinstance(distribution, Integers):
        return int(value)
    return min(max(float(f"{value:.{DIGITS}g}"), distribution.low), distribution.high)
