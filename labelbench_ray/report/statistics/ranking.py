"""Whether two settings rank the same strategies alike, and how sure that is with these seeds."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from labelbench_ray.report.statistics.comparison import Comparison, Row
from labelbench_ray.report.statistics.paired import ENOUGH_PAIRS, LEVEL, Floats, area_under_curve

FEWEST: Final = 3
"""Strategies: two are in the same order half of the time."""
FEWEST_SEEDS: Final = 8
"""With fewer seeds, seeds drawn anew vary too little: their range holds 41 to 89 % of the time."""
NO_INTERVAL: Final = f"no interval below {FEWEST_SEEDS} seeds"
RESAMPLES: Final = 2000
SEED: Final = 0


@dataclass(frozen=True, slots=True)
class RankAgreement:
    """Spearman's correlation of the strategies' mean areas under the curve in two settings."""

    strategies: int
    seeds: int
    correlation: float
    low: float
    high: float
    """95 %, see `around`, by seeds drawn anew, each with all its trials in both settings; -1 and 1 for none."""
    repeated: float
    """What the first setting would have with itself: the mean over pairs of independent draws of its seeds."""
    best: tuple[str, str]
    """The best strategy in each setting."""
    keeps_best: float
    """The share of the draws in which both settings have the same best strategy."""

    @property
    def has_interval(self) -> bool:
        """There are seeds enough for one."""
        return self.seeds >= FEWEST_SEEDS


def rank_agreement(first: Comparison, second: Comparison) -> RankAgreement | None:
    """How alike two comparisons rank the strategies that both have.

    None with fewer than three strategies, or with fewer than three seeds that all of their trials have.
    """
    names = tuple(row.strategy for row in first.rows if second.row(row.strategy))
    pairs = [(first.row(name), second.row(name)) for name in names]
    rows = [row for pair in pairs for row in pair if row is not None]
    seeds = sorted(set.intersection(*(set(row.curves.seeds) for row in rows))) if rows else []
    if len(names) < FEWEST or len(seeds) < ENOUGH_PAIRS:
        return None
    first_MS, second_MS = (_areas([row for row in side if row], seeds) for side in zip(*pairs, strict=True))
    drawn_RS, other_RS = np.random.default_rng(SEED).integers(len(seeds), size=(2, RESAMPLES, len(seeds)))
    first_RM, second_RM = first_MS[:, drawn_RS].mean(axis=2).T, second_MS[:, drawn_RS].mean(axis=2).T
    again_RM = first_MS[:, other_RS].mean(axis=2).T
    found = float(correlations(first_MS.mean(axis=1)[None], second_MS.mean(axis=1)[None])[0])
    low, high = around(found, correlations(first_RM, second_RM), len(seeds))
    best = tuple(int(each_MS.mean(axis=1).argmax()) for each_MS in (first_MS, second_MS))
    return RankAgreement(
        len(names),
        len(seeds),
        found,
        low,
        high,
        float(correlations(first_RM, again_RM).mean()),
        (names[best[0]], names[best[1]]),
        float((first_RM.argmax(axis=1) == second_RM.argmax(axis=1)).mean()),
    )


def around(correlation: float, drawn_R: Floats, seeds: int) -> tuple[float, float]:
    """The 95 % interval of a correlation, from those of seeds drawn anew; -1 and 1 with fewer than eight seeds.

    Noise lowers a correlation, and drawing seeds anew adds noise: the draws lie below the correlation as that lies
    below the true one. The interval holds both their range and its mirror image at the correlation. The range alone
    holds 76 to 99 % of the time with 8 to 16 seeds, both together 93 to 100 % (benchmarks/rank_agreement.py).
    """
    if seeds < FEWEST_SEEDS:
        return -1.0, 1.0
    tail = 100 * (1 - LEVEL) / 2
    low, high = map(float, np.percentile(drawn_R, [tail, 100 - tail]))
    return max(-1.0, min(low, 2 * correlation - high)), min(1.0, max(high, 2 * correlation - low))


def correlations(first_RM: Floats, second_RM: Floats) -> Floats:
    """(R,) Spearman's correlation of each row's M values; 0 where all values of a row are equal."""
    from scipy.stats import rankdata  # as in `trial.fidelity`

    ranks = (rankdata(each_RM, axis=1) for each_RM in (first_RM, second_RM))
    first, second = (each_RM - each_RM.mean(axis=1, keepdims=True) for each_RM in ranks)
    spread_R = np.sqrt(np.square(first).sum(axis=1) * np.square(second).sum(axis=1))
    found_R: Floats = np.divide((first * second).sum(axis=1), spread_R, out=np.zeros(len(spread_R)), where=spread_R > 0)
    return found_R


def _areas(rows: list[Row], seeds: list[int]) -> Floats:
    """(M, S) the area under the curve of each strategy and seed."""
    return np.stack([area_under_curve(row.curves.labels_T, row.curves.at(tuple(seeds))) for row in rows])
