"""How often the interval of a rank correlation holds the true one: two settings whose strategies differ a little.

.venv/bin/python benchmarks/rank_agreement.py [--draws 200] [--seeds 8 12 16] [--strategies 4 7] [--tiny]

Strategies' true means are normal with a standard deviation of 1 point, and of half a point around these in the second
setting; each trial has its own error of 1.2 points. `range` is the range of seeds drawn anew alone, `interval` what
reports state: both that and its mirror image. Limit: `interval` holds in 92 % of the draws from eight seeds on.
"""

import sys

import numpy as np
from machine import parser, show

from labelbench_ray.report.statistics import ranking

LEAST = 0.92


def main(arguments: list[str] | None = None) -> int:
    """Simulate and show."""
    options = parser(__doc__)
    options.add_argument("--draws", type=int, default=200)
    options.add_argument("--seeds", type=int, nargs="+", default=[8, 12, 16])
    options.add_argument("--strategies", type=int, nargs="+", default=[4, 7])
    options.add_argument("--tiny", action="store_true", help="20 draws of the first cell")
    given = options.parse_args(arguments)
    sizes = [(seeds, strategies) for seeds in given.seeds for strategies in given.strategies]
    rng = np.random.default_rng(0)
    cells = [cell(rng, *size, 20 if given.tiny else given.draws) for size in (sizes[:1] if given.tiny else sizes)]
    held = min(each["interval"] for each in cells)
    show("rank_agreement", {"cells": cells}, {"interval": LEAST}, met=held >= LEAST)
    return 0


def cell(rng: np.random.Generator, seeds: int, strategies: int, draws: int) -> dict[str, float]:
    """The share of draws in which each holds the true correlation."""
    alone, both = 0, 0
    for _ in range(draws):
        first_M = rng.normal(0, 0.01, strategies)
        second_M = first_M + rng.normal(0, 0.005, strategies)
        truth = float(ranking.correlations(first_M[None], second_M[None])[0])
        first_MS, second_MS = (
            each[:, None] + rng.normal(0, 0.012, (strategies, seeds)) for each in (first_M, second_M)
        )
        drawn_RS = rng.integers(seeds, size=(400, seeds))
        drawn_R = ranking.correlations(*(each_MS[:, drawn_RS].mean(axis=2).T for each_MS in (first_MS, second_MS)))
        found = float(ranking.correlations(first_MS.mean(axis=1)[None], second_MS.mean(axis=1)[None])[0])
        low, high = np.percentile(drawn_R, [2.5, 97.5])
        alone += low - 1e-9 <= truth <= high + 1e-9
        low, high = ranking.around(found, drawn_R, seeds)
        both += low - 1e-9 <= truth <= high + 1e-9
    return {"seeds": seeds, "strategies": strategies, "range": alone / draws, "interval": both / draws}


if __name__ == "__main__":
    sys.exit(main())
