"""Intervals, false answers and power of a report's comparisons, in simulations with known truths.

.venv/bin/python benchmarks/coverage_of_intervals.py           # 1,000 replicates a cell; about 2 CPU minutes
.venv/bin/python benchmarks/coverage_of_intervals.py --tiny    # 20 replicates

Learning curves of 10 rounds of 300 labels with AR(1) noise over the rounds (correlation .8, standard deviation
.012 * (labels / 300)^-.4); strategies share a seed's first round. `coverage`: all strategies need .8 of random's
labels; the one with the highest mean curve is looked at, and its intervals should hold the truth. `false`: all equal
random, also where one of them, or random, has 3 times the spread. `power`: one strategy of 25 needs .8 of random's
labels; `paired` is the share that the paired t-test alone finds, `planned` the one that `labelbench power` expects.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from machine import parser, show
from scipy import stats

from labelbench_ray.report.statistics.paired import Floats, area_under_curve, estimate, holm
from labelbench_ray.report.statistics.pooled import Pooled, difference, pool
from labelbench_ray.report.statistics.power import pooling_of, power
from labelbench_ray.report.statistics.savings import first_crossing, saving

LABELS_T: Final = np.arange(300.0, 3_001.0, 300.0)
CORRELATION, SPREAD, FALLS = 0.8, 0.012, 0.4
FACTOR: Final = 0.8
WINNERS: Final = (1, 4, 25)
SEEDS: Final = (3, 5, 10)
LEAST_COVERAGE, MEAN_COVERAGE, MOST_FALSE, LEAST_POWER = 0.92, (0.935, 0.97), 0.05, 0.60
MEASURES: Final = ("saving", "area", "final")


def truth(factor: float) -> Floats:
    """An accuracy curve that needs `factor` as many labels as random beyond the first batch."""
    curve_T: Floats = 0.935 - 0.42 * (1 + (LABELS_T / 300 - 1) / factor) ** -0.75
    return curve_T


def noise(strategies: int, seeds: int, rng: np.random.Generator) -> Floats:
    """(M, S, T) AR(1) over the rounds; the first round of a seed is the same for all strategies."""
    steps_MST = rng.standard_normal((strategies, seeds, len(LABELS_T)))
    steps_MST[:, :, 0] = steps_MST[:1, :, 0]
    for place in range(1, len(LABELS_T)):
        fresh_MS = np.sqrt(1 - CORRELATION**2) * steps_MST[:, :, place]
        steps_MST[:, :, place] = CORRELATION * steps_MST[:, :, place - 1] + fresh_MS
    noise_MST: Floats = SPREAD * (LABELS_T / 300) ** -FALLS * steps_MST
    return noise_MST


def replicated(
    factors: Sequence[float], seeds: int, replicates: int, scales: Sequence[float] | None = None
) -> Iterator[tuple[Floats, Floats]]:
    """(M, S, T) curves, random first, and (M - 1, S) areas less random's; `scales` multiply each strategy's noise."""
    rng = np.random.default_rng(20230624)
    means_MT = np.array([truth(factor) for factor in (1.0, *factors)])
    scales_M = np.ones(len(means_MT)) if scales is None else np.array(scales)
    for _ in range(replicates):
        values_MST = means_MT[:, None] + scales_M[:, None, None] * noise(len(means_MT), seeds, rng)
        yield values_MST, np.trapezoid(values_MST, LABELS_T, axis=2) / (LABELS_T[-1] - LABELS_T[0])


def adjusted(areas_MS: Floats) -> tuple[Floats, Floats]:
    """Gains over random and Holm's p-values with the pooled spread, as the report has them."""
    gains_M, found = (areas_MS[1:] - areas_MS[0]).mean(axis=1), _pool(areas_MS)
    assert found is not None
    variances_M = np.array(list(found.variances.values()))
    errors_M = np.sqrt((variances_M[1:] + variances_M[0]) / areas_MS.shape[1])
    return gains_M, holm(2 * stats.t.sf(np.abs(gains_M) / errors_M, found.degrees))


def _pool(values_MS: Floats) -> Pooled | None:
    return pool({str(place): values_S for place, values_S in enumerate(values_MS)})


def coverage(winner_of: int, seeds: int, replicates: int) -> dict[str, Any]:
    """Shares of replicates in which the best strategy's intervals hold, and their widths beside the naive ones."""
    random_T, mine_T = truth(1.0), truth(FACTOR)
    labels = first_crossing(LABELS_T, mine_T - random_T[-1])
    areas = area_under_curve(LABELS_T, np.stack([mine_T, random_T]))
    truths = {"area": float(areas[0] - areas[1]), "final": float(mine_T[-1] - random_T[-1])}
    held: dict[str, list[bool]] = {name: [] for name in (*MEASURES, "naive_area", "naive_final")}
    widths, shown = [], []
    for values_MST, areas_MS in replicated([FACTOR] * winner_of, seeds, replicates):
        best = 1 + int((areas_MS[1:] - areas_MS[0]).mean(axis=1).argmax())
        saved = saving(LABELS_T, values_MST[best], values_MST[0], winner_of)
        held["saving"].append(saved.low_labels <= labels <= saved.high_labels)
        shown.append(saved.fraction if saved.reached else np.nan)
        for name, values_MS in (("area", areas_MS), ("final", values_MST[:, :, -1])):
            gain_S = values_MS[best] - values_MS[0]
            alone, found = estimate(gain_S), difference(gain_S, str(best), "0", _pool(values_MS), winner_of)
            held[name].append(found.low <= truths[name] <= found.high)
            held[f"naive_{name}"].append(alone.low <= truths[name] <= alone.high)
            widths.append((found.high - found.low) / (alone.high - alone.low))
    return {
        "winner_of": winner_of,
        "seeds": seeds,
        **{name: float(np.mean(each)) for name, each in held.items()},
        "width_over_naive": float(np.median(widths)),
        "saved": 1 - labels / LABELS_T[-1],
        "saved_shown": float(np.nanmean(shown)),
    }


def false_answers(strategies: int, seeds: int, replicates: int) -> dict[str, Any]:
    """Shares of replicates in which a strategy is called better than random although all are equal."""
    spreads = {
        "equal": [1.0] * (strategies + 1),
        "one_has_3_times_the_spread": [1.0, 3.0, *[1.0] * (strategies - 1)],
        "random_has_3_times_the_spread": [3.0, *[1.0] * strategies],
    }
    wrong: dict[str, list[bool]] = {name: [] for name in spreads}
    for name, scales in spreads.items():
        for _, areas_MS in replicated([1.0] * strategies, seeds, replicates, scales):
            gains_M, p_M = adjusted(areas_MS)
            wrong[name].append(bool(((p_M < 0.05) & (gains_M > 0)).any()))
    return {"strategies": strategies, "seeds": seeds, **{name: float(np.mean(each)) for name, each in wrong.items()}}


def find(strategies: int, seeds: int, replicates: int) -> dict[str, Any]:
    """How often the one better strategy is found, by the paired t-test alone, and as `labelbench power` plans."""
    effect = float(np.subtract(*area_under_curve(LABELS_T, np.stack([truth(FACTOR), truth(1.0)]))))
    pooled, paired, spreads = [], [], []
    for _, areas_MS in replicated([FACTOR, *[1.0] * (strategies - 1)], seeds, replicates):
        pooled.append(adjusted(areas_MS)[1][0] < 0.05)
        spreads.append((areas_MS[1:] - areas_MS[0]).var(axis=1, ddof=1).mean())
        paired.append(holm(stats.ttest_rel(areas_MS[1:], areas_MS[:1], axis=1).pvalue)[0] < 0.05)
    return {
        "strategies": strategies,
        "seeds": seeds,
        "found": float(np.mean(pooled)),
        "paired": float(np.mean(paired)),
        "planned": power(effect / np.sqrt(np.mean(spreads)), seeds, strategies, pooling_of(strategies)),
    }


def measure(replicates: int, winners: Sequence[int], seeds: Sequence[int]) -> dict[str, Any]:
    """Every table."""
    return {
        "replicates": replicates,
        "coverage": [coverage(count, each, replicates) for count in winners for each in seeds],
        "false": [false_answers(count, each, replicates) for count in winners if count > 1 for each in seeds],
        "power": [find(max(winners), each, replicates) for each in seeds],
    }


def reached(found: dict[str, Any]) -> bool:
    """All limits hold; power is asked for with 5 seeds."""
    cells = [cell[measure] for cell in found["coverage"] for measure in MEASURES]
    alone = [cell[measure] for cell in found["coverage"] if cell["winner_of"] == 1 for measure in MEASURES]
    wrong = [value for cell in found["false"] for name, value in cell.items() if name not in ("strategies", "seeds")]
    power = [cell["found"] for cell in found["power"] if cell["seeds"] == 5]
    return (
        min(cells) >= LEAST_COVERAGE
        and MEAN_COVERAGE[0] <= float(np.mean(alone)) <= MEAN_COVERAGE[1]
        and max(wrong) <= MOST_FALSE
        and min(power) >= LEAST_POWER
    )


def main(words: Sequence[str] | None = None) -> None:
    """Measure and show."""
    options = parser(__doc__)
    options.add_argument("--tiny", action="store_true")
    given = options.parse_args(words)
    found = measure(20, (1, 4), (5,)) if given.tiny else measure(1_000, WINNERS, SEEDS)
    target = {
        "coverage": LEAST_COVERAGE,
        "mean_coverage": list(MEAN_COVERAGE),
        "false": MOST_FALSE,
        "power": LEAST_POWER,
    }
    show("coverage_of_intervals", found, target, met=reached(found))


if __name__ == "__main__":
    main()
