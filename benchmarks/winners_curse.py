"""What the best of several strategies seems to gain and save, by five estimates, where the truth is known.

.venv/bin/python benchmarks/winners_curse.py           # 1,000 replicates a cell; about 1 CPU minute
.venv/bin/python benchmarks/winners_curse.py --tiny    # 40 replicates

Curves as in coverage_of_intervals.py. `equal`: all strategies need .8 of random's labels; `one`: the first one does and
the others .9, so that a wrong one may win. The winner has the highest mean curve on all seeds. Estimates of its gain
(in points of the mean over the curve) and of its saving:

`same_seeds`: by the seeds that chose it. `other_seeds`: `report.statistics.winner`, what the report states.
`shrunken`: its curve shrunk to the mean curve of all strategies (James-Stein, positive part; from four strategies on).
Intervals of the gain: `at_once` of the report (over all strategies, pooled spread), `alone` of one strategy (paired t),
`other_seeds` by a paired t over the cross-fitted seeds, `plausible` at once for the strategies that may be the best
(locally simultaneous, Zrnic and Fithian 2024: a tenth of the error rate picks these, nine tenths cover them).
"""

from collections.abc import Sequence
from math import sqrt
from typing import Any, Final

import numpy as np
from coverage_of_intervals import FACTOR, LABELS_T, SEEDS, WINNERS, replicated, truth
from machine import parser, show
from scipy import stats

from labelbench_ray.report.statistics.paired import Floats, area_under_curve, estimate
from labelbench_ray.report.statistics.pooled import difference, pool
from labelbench_ray.report.statistics.savings import Saving, first_crossing, saving
from labelbench_ray.report.statistics.winner import chosen_by_others

NEARLY: Final = 0.9
MOST_BIAS, LEAST_COVERAGE = {"gain": 0.1, "saving": 0.015}, 0.92
"""Points, and a fraction of random's labels."""


def cell(name: str, winner_of: int, seeds: int, replicates: int) -> dict[str, Any]:
    """Bias and root mean squared error of each estimate; share of intervals that hold, and their median widths."""
    factors = [FACTOR, *[FACTOR if name == "equal" else NEARLY] * (winner_of - 1)]
    curves_MT, random_T = np.array([truth(each) for each in factors]), truth(1.0)
    gains_M = area_under_curve(LABELS_T, curves_MT - random_T)
    savings_M = [1 - first_crossing(LABELS_T, curve_T - random_T[-1]) / LABELS_T[-1] for curve_T in curves_MT]
    errors: dict[str, list[tuple[float, float]]] = {}
    held: dict[str, list[tuple[bool, float]]] = {}
    for values_MST, areas_MS in replicated(factors, seeds, replicates):
        best = int(areas_MS[1:].mean(axis=1).argmax())
        for estimated, (gain, saved) in estimates(values_MST, areas_MS, best).items():
            errors.setdefault(estimated, []).append((100 * (gain - gains_M[best]), saved - savings_M[best]))
        for interval, (low, high) in intervals(areas_MS, best).items():
            held.setdefault(interval, []).append((low <= gains_M[best] <= high, 100 * (high - low)))
    return {
        "strategies": name,
        "winner_of": winner_of,
        "seeds": seeds,
        "estimates": {each: _errors(np.array(found)) for each, found in errors.items()},
        "intervals": {
            each: {"held": np.mean([inside for inside, _ in found]), "width": np.median([width for _, width in found])}
            for each, found in held.items()
        },
    }


def estimates(values_MST: Floats, areas_MS: Floats, best: int) -> dict[str, tuple[float, float]]:
    """Gain and saving of the winner, by the name of the estimate; row 0 is random, `best` counts the others."""
    random_ST, others_MST, own_MS = values_MST[0], values_MST[1:], areas_MS[1:]
    cross_ST = others_MST[chosen_by_others(own_MS), np.arange(areas_MS.shape[1])]
    found = {"same_seeds": others_MST[best], "other_seeds": cross_ST}
    if len(others_MST) > 3:
        found["shrunken"] = _shrunken(others_MST, own_MS, best)
    baseline = areas_MS[0].mean()
    return {
        name: (float(area_under_curve(LABELS_T, curves_ST).mean() - baseline), _fraction(curves_ST, random_ST))
        for name, curves_ST in found.items()
    }


def intervals(areas_MS: Floats, best: int) -> dict[str, tuple[float, float]]:
    """Of the winner's gain, by name."""
    own_MS, seeds = areas_MS[1:], areas_MS.shape[1]
    gain_S = own_MS[best] - areas_MS[0]
    pooled = pool({str(place): area_S for place, area_S in enumerate(areas_MS)})
    at_once = difference(gain_S, str(best + 1), "0", pooled, len(own_MS))
    cross = estimate(own_MS[chosen_by_others(own_MS), np.arange(seeds)] - areas_MS[0])
    found = {"at_once": at_once, "alone": estimate(gain_S), "other_seeds": cross}
    ends = {name: (each.low, each.high) for name, each in found.items()}
    if pooled is None:
        return ends
    error, means_M = at_once.spread / sqrt(seeds), own_MS.mean(axis=1)
    margin = float(stats.t.isf(0.005 / 2 / len(own_MS), pooled.degrees)) * error
    plausible = int((means_M >= means_M[best] - 2 * margin).sum())
    reach = float(stats.t.isf(0.045 / 2 / plausible, pooled.degrees)) * error
    return ends | {"plausible": (at_once.value - reach, at_once.value + reach)}


def _shrunken(others_MST: Floats, own_MS: Floats, best: int) -> Floats:
    found = pool({str(place): area_S for place, area_S in enumerate(own_MS)})
    means_M, mean_ST = own_MS.mean(axis=1), others_MST.mean(axis=0)
    noise = np.mean(list(found.variances.values())) / own_MS.shape[1] if found else 0.0
    kept = max(0.0, 1 - (len(means_M) - 3) * noise / float(np.square(means_M - means_M.mean()).sum()))
    curves_ST: Floats = mean_ST + kept * (others_MST[best] - mean_ST)
    return curves_ST


def _fraction(curves_ST: Floats, random_ST: Floats) -> float:
    found: Saving = saving(LABELS_T, curves_ST, random_ST)
    return found.fraction if found.reached else float("nan")


def _errors(errors_R2: Floats) -> dict[str, dict[str, float]]:
    return {
        measure: {
            "bias": float(np.nanmean(each_R)),
            "error": float(np.sqrt(np.nanmean(np.square(each_R)))),
            "unreached": float(np.isnan(each_R).mean()),
        }
        for measure, each_R in zip(("gain", "saving"), errors_R2.T, strict=True)
    }


def reached(cells: Sequence[dict[str, Any]]) -> bool:
    """The estimate that the report states has nearly no bias, and the interval beside it holds."""
    biases = [(name, each["estimates"]["other_seeds"][name]["bias"]) for each in cells for name in MOST_BIAS]
    return all(abs(bias) <= MOST_BIAS[name] for name, bias in biases) and all(
        each["intervals"]["at_once"]["held"] >= LEAST_COVERAGE for each in cells
    )


def main(words: Sequence[str] | None = None) -> None:
    """Measure and show."""
    options = parser(__doc__)
    options.add_argument("--tiny", action="store_true")
    tiny = options.parse_args(words).tiny
    replicates, winners, seeds = (40, (4,), (5,)) if tiny else (1_000, WINNERS, SEEDS)
    cells = [
        cell(name, winner_of, each, replicates)
        for name in ("equal", "one")
        for winner_of in winners
        for each in seeds
        if name == "equal" or winner_of > 1
    ]
    target = {"bias": MOST_BIAS, "at_once": LEAST_COVERAGE}
    show("winners_curse", {"replicates": replicates, "cells": cells}, target, met=reached(cells))


if __name__ == "__main__":
    main()
