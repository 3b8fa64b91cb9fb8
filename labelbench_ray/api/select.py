"""Which rows to label next, from plain arrays: the strategies alone, without experiments, stores and ledgers."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labelbench_ray import plugins
from labelbench_ray.errors import ConfigError
from labelbench_ray.plugins import Part
from labelbench_ray.pool import checks
from labelbench_ray.pool.distributions import BERNOULLI, CATEGORICAL, Distribution
from labelbench_ray.pool.facts import checked_facts
from labelbench_ray.strategies import PACKAGE, Strategy
from labelbench_ray.types import NO_FACTS, Ask, Floats, Ids, Labels, PoolView


def select(
    embeddings: ArrayLike,
    probabilities: ArrayLike | None,
    labeled: ArrayLike,
    labels: ArrayLike,
    strategy: str | Part | Strategy = "margin",
    budget: int = 100,
    seed: int | np.random.Generator = 0,
    *,
    ask: Ask | None = None,
    facts: Mapping[str, ArrayLike] = NO_FACTS,
) -> Ids:
    """Choose the rows of a pool to label next.

    Args:
        embeddings: (N, D) floats, a row for each row of the pool; like all arrays here, anything that
            `numpy.asarray` takes.
        probabilities: (N, K) floats, what your model predicts for the rows: each sums to 1, or, with several labels a
            row, each entry lies in 0 .. 1. None where the strategy reads embeddings and labels alone.
        labeled: (L,) the rows that have labels already, by their number in the pool; [] at the beginning.
        labels: (L,) their class numbers, 0 .. K-1. Or, with several labels a row, (L, K): 1 for a class that is there,
            0 for one that is not, -1 where that is unknown; `numpy.empty((0, K))` at the beginning.
        strategy: a name (`labelbench list strategies`), the module path of your own, a `Part` with settings, or a
            strategy that is made.
        budget: how many rows to choose.
        seed: of every random choice. Give each round another one, such as the round's number, or a generator that
            all rounds share.
        ask: row numbers -> their labels, for strategies that need answers while they choose (`galaxy`, `direct`).
        facts: by name, (N,) floats, integers or booleans: what else strategies of your own read of each row.

    Returns:
        (budget,) int64: distinct rows without a label, in order of selection. The same for the same arguments.

    Raises:
        ValueError: an array has the wrong shape or type, holds NaN, a row or a label out of range; a strategy, setting,
            budget or seed that cannot be; what the strategy raises.
    """
    chooser = _made(strategy)
    distribution = CATEGORICAL if np.asarray(labels).ndim < 2 else BERNOULLI
    if probabilities is None:
        view = _without_probabilities(embeddings, labeled, labels, distribution, facts)
    else:
        make = PoolView.from_arrays if distribution == CATEGORICAL else PoolView.from_multi_label
        view = make(embeddings, probabilities, labeled, labels, facts=facts)
    answers = None if ask is None else partial(_answers, ask=ask, view=view)
    return chooser.select(view, budget, _stream(seed), answers)


def _made(strategy: str | Part | Strategy) -> Strategy:
    if isinstance(strategy, Strategy):
        return strategy
    if not isinstance(strategy, str | Part):
        example = f"{strategy.__name__}()" if isinstance(strategy, type) else "'margin'"
        raise ConfigError(
            f"strategy: {strategy!r} is not a name, a Part or a strategy that is made; give one, such as {example}"
        )
    return plugins.build(Strategy, PACKAGE, Part(name=strategy) if isinstance(strategy, str) else strategy)


def _stream(seed: int | np.random.Generator) -> np.random.Generator:
    if isinstance(seed, np.random.Generator):
        return seed
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ConfigError(f"seed: {seed!r} is neither an integer from 0 on nor a numpy Generator; give one of them")
    return np.random.default_rng(seed)


def _answers(ids: Ids, ask: Ask, view: PoolView) -> Labels:
    """What `ask` returns for these rows, as labels; `ValueError` where it is something else."""
    try:
        _, labels = view.distribution.checked_labels(ids, ask(ids), view.num_classes)
    except ValueError as error:
        raise ValueError(f"ask: its answer to {len(ids)} row numbers is not their labels: {error}") from error
    return labels


def _without_probabilities(
    embeddings: ArrayLike,
    labeled: ArrayLike,
    labels: ArrayLike,
    distribution: Distribution,
    facts: Mapping[str, ArrayLike],
) -> PoolView:
    labels_L = np.asarray(labels)
    largest = int(labels_L.max()) + 1 if labels_L.size and labels_L.dtype.kind in "iu" else 0
    num_classes = max(largest, 2) if distribution == CATEGORICAL else labels_L.shape[1]
    rows_ND, model = checks.embeddings(embeddings), Unpredicted(num_classes, distribution)
    return PoolView.from_model(rows_ND, model, labeled, labels, facts=checked_facts(facts, len(rows_ND)))


@dataclass(frozen=True, slots=True)
class Unpredicted:
    """A model of a pool without predictions (a `types.Model`); its features are the embeddings as they are."""

    num_classes: int
    distribution: Distribution

    def probabilities(self, raw_BD: NDArray[Any]) -> Floats:
        """Raises `ConfigError`."""
        raise ConfigError(
            "probabilities: None, and this strategy reads them; give (N, K) floats, a row for each row of the pool, or "
            "use a strategy that reads embeddings alone, such as 'coreset' or 'typiclust'"
        )

    def features(self, raw_BD: NDArray[Any]) -> Floats:
        """(B, D) float32."""
        return raw_BD.astype(np.float32, copy=False)
