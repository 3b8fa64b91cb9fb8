"""Does the ranking of strategies change under a shift, and how sure is that?

Strategies are ranked by the area under the curve. Two of them are in the same order surely where both of their
differences, in distribution and under the shift, have an interval on the same side of 0; in the reverse order where the
intervals lie on different sides; else the seeds do not identify it. Their difference changes surely where the interval
of (under the shift less in distribution) excludes 0. The intervals of a shift hold at once (Bonferroni over its pairs,
and over in and out of distribution). Letters: M strategies, S seeds, R resamples.
"""

from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np

from labelbench_ray.report.statistics.paired import ENOUGH_PAIRS, Estimate, Floats, estimate
from labelbench_ray.report.statistics.ranking import FEWEST_SEEDS, around, correlations

RESAMPLES: Final = 2000
FEWEST_RANKED: Final = 3
"""Strategies: a rank correlation of two is 1 or -1 whatever happens."""
FEWEST_HALVED: Final = 4
"""Seeds, so that each half has two."""
BySeed = dict[str, dict[int, float]]
"""A value for each strategy and seed."""


@dataclass(frozen=True, slots=True)
class Order:
    """Two strategies: the first is ahead in distribution. Areas under the curve, the first less the second."""

    first: str
    second: str
    inside: Estimate
    outside: Estimate
    change: Estimate
    """Outside less inside."""

    @property
    def same(self) -> bool:
        """They are surely in the same order."""
        return self._identified and self.inside.value * self.outside.value > 0

    @property
    def reverse(self) -> bool:
        """They are surely in the reverse order."""
        return self._identified and self.inside.value * self.outside.value < 0

    @property
    def changes(self) -> bool:
        """Their difference surely is another one under the shift, whether or not their order is."""
        return self.change.excludes_zero and self.change.has_interval and self.change.seeds >= ENOUGH_PAIRS

    @property
    def _identified(self) -> bool:
        both = (self.inside, self.outside)
        return all(each.excludes_zero and each.has_interval and each.seeds >= ENOUGH_PAIRS for each in both)


@dataclass(frozen=True, slots=True)
class Ranking:
    """The strategies' order in distribution and under a shift, over the seeds that all of them have."""

    seeds: int
    strategies: tuple[str, ...]
    """In distribution, the best first."""
    best_outside: str
    correlation: float | None
    """Spearman's, of the mean areas; None for fewer than three strategies."""
    low: float
    high: float
    """Its 95 % interval, see `around`; -1 and 1 with fewer than eight seeds."""
    of_halves: float | None
    """The same between the rankings of two halves of the seeds, both in distribution: what to expect if nothing changed
    and there were half as many seeds. None for fewer than four seeds."""
    orders: tuple[Order, ...]
    lead: Estimate
    """The best under the shift less the best in distribution, both under the shift; 0 where they are the same. The
    interval holds for all strategies at once, as any of them could have been the best."""

    @property
    def misleads(self) -> bool:
        """The best in distribution is surely behind another strategy under the shift."""
        return self.lead.low > 0 and self.lead.has_interval and self.seeds >= ENOUGH_PAIRS

    def count(self, name: str) -> int:
        """Pairs that are surely in the `same` or the `reverse` order, or whose difference `changes`."""
        return sum(getattr(order, name) for order in self.orders)

    @property
    def unidentified(self) -> int:
        """Pairs of which the seeds show neither."""
        return len(self.orders) - self.count("same") - self.count("reverse")


def rank(inside: BySeed, outside: BySeed) -> Ranking | None:
    """The ranking by these areas; None for one strategy, or without a common seed."""
    strategies = [strategy for strategy in inside if strategy in outside]
    seeds = common(*(each[strategy] for strategy in strategies for each in (inside, outside)))
    if len(strategies) < 2 or not seeds:
        return None
    inside_MS, outside_MS = (
        np.array([[each[strategy][seed] for seed in seeds] for strategy in strategies]) for each in (inside, outside)
    )
    order_M = np.argsort(-inside_MS.mean(axis=1), kind="stable")
    inside_MS, outside_MS = inside_MS[order_M], outside_MS[order_M]
    names = [strategies[place] for place in order_M]
    pairs = list(combinations(range(len(names)), 2))
    best = int(outside_MS.mean(axis=1).argmax())
    ranked = len(names) >= FEWEST_RANKED
    low, high = _interval(inside_MS, outside_MS) if ranked and len(seeds) >= FEWEST_SEEDS else (-1.0, 1.0)
    return Ranking(
        len(seeds),
        tuple(names),
        names[best],
        spearman(inside_MS.mean(axis=1), outside_MS.mean(axis=1)) if ranked else None,
        low,
        high,
        _of_halves(inside_MS) if ranked and len(seeds) >= FEWEST_HALVED else None,
        tuple(
            Order(
                names[one],
                names[other],
                estimate(inside_MS[one] - inside_MS[other], 2 * len(pairs)),
                estimate(outside_MS[one] - outside_MS[other], 2 * len(pairs)),
                estimate(outside_MS[one] - outside_MS[other] - inside_MS[one] + inside_MS[other], len(pairs)),
            )
            for one, other in pairs
        ),
        estimate(outside_MS[best] - outside_MS[0], len(names) - 1),
    )


def spearman(first_M: Floats, second_M: Floats) -> float:
    """The rank correlation; ties share the mean of their ranks; 0 where all values of one are equal."""
    return float(correlations(first_M[None], second_M[None])[0])


def _interval(inside_MS: Floats, outside_MS: Floats) -> tuple[float, float]:
    """That of the correlation by resampled seeds, the same ones in and out of distribution."""
    picked_RS = _generator().integers(inside_MS.shape[1], size=(RESAMPLES, inside_MS.shape[1]))
    found_R = correlations(*(each_MS[:, picked_RS].mean(axis=2).T for each_MS in (inside_MS, outside_MS)))
    return around(spearman(inside_MS.mean(axis=1), outside_MS.mean(axis=1)), found_R, inside_MS.shape[1])


def _of_halves(inside_MS: Floats) -> float:
    """The mean correlation of the rankings by two halves of the seeds."""
    rng, half = _generator(), inside_MS.shape[1] // 2
    orders = [rng.permutation(inside_MS.shape[1]) for _ in range(RESAMPLES // 10)]
    halves = ([inside_MS[:, each[part]].mean(axis=1) for each in orders] for part in (slice(half), slice(half, None)))
    return float(correlations(*map(np.array, halves)).mean())


def _generator() -> np.random.Generator:
    """The same resamples for every report."""
    return np.random.default_rng([*b"shift"])


def common(*values: dict[int, float]) -> list[int]:
    """The seeds that all have, ascending."""
    return sorted(set.intersection(*(set(each) for each in values))) if values else []
