"""Intervals, false answers and power of a report's comparisons, in simulations with known truths.

.venv/bin/python benchmarks/coverage_of_intervals.py           # 1,000 replicates a cell; 2 to 3 CPU minutes
.venv/bin/python benchmarks/coverage_of_intervals.py --tiny    # 20 replicates

Learning curves of 10 rounds of 300 labels with AR(1) noise over the rounds (correlation .8, standard deviation
.012 * (labels / 300)^-.4); strategies share a seed's first round. `coverage`: all strategies need .8 of random's
labels; the one with the highest mean curve is looked at, and its intervals should hold the truth. `false`: all equal
random, also where one of them, or random, has 3 times the spread. `power`: one strategy of 25 needs .8 of random's
labels; `paired` is the share that the paired t-test alone finds, `planned` the one that `labelbench power` expects.

With test rows, each curve is measured on 360 rows that all seeds and strategies share (probit: a row's ease is .55 of
the variance, a strategy's own way with the row .1, the rest .35), and the truth is that of all rows that could be.
`seeds_only` are the intervals that take no account of the rows.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from machine import parser, show
from numpy.typing import NDArray
from scipy import special, stats

from labelbench_ray.report.statistics.paired import Floats, area_under_curve, estimate, holm
from labelbench_ray.report.statistics.pooled import Pooled, difference, pool
from labelbench_ray.report.statistics.power import pooling_of, power
from labelbench_ray.report.statistics.row_hits import area_weights
from labelbench_ray.report.statistics.savings import first_crossing, saving
from labelbench_ray.report.statistics.two_way import RowNoise, row_noise

LABELS_T: Final = np.arange(300.0, 3_001.0, 300.0)
CORRELATION, SPREAD, FALLS = 0.8, 0.012, 0.4
FACTOR: Final = 0.8
WINNERS: Final = (1, 4, 25)
SEEDS: Final = (3, 5, 10)
LEAST_COVERAGE, MEAN_COVERAGE, MOST_FALSE, LEAST_POWER = 0.92, (0.935, 0.97), 0.05, 0.60
MEASURES: Final = ("saving", "area", "final")
TEST_ROWS, EASE, OWN = 360, 0.55, 0.1
CONTRASTS: Final = {
    "area": np.kron([1, -1], area_weights(LABELS_T))[None],
    "final": np.kron([1, -1], np.arange(len(LABELS_T)) == len(LABELS_T) - 1)[None].astype(float),
}
"""A strategy less random, by the columns of their hits."""
Hits = NDArray[np.bool_]


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


def tested(accuracies_MST: Floats, rng: np.random.Generator) -> Hits:
    """(M, S, T, N) which test rows are right; the first round of a seed is the same for all strategies."""
    shape = (*accuracies_MST.shape, TEST_ROWS)
    height_MSTN = np.sqrt(np.float32(1 - EASE - OWN)) * rng.standard_normal(shape, np.float32)
    height_MSTN += np.sqrt(np.float32(EASE)) * rng.standard_normal(TEST_ROWS, np.float32)
    height_MSTN += np.sqrt(np.float32(OWN)) * rng.standard_normal((shape[0], 1, 1, TEST_ROWS), np.float32)
    height_MSTN[:, :, 0] = height_MSTN[:1, :, 0]
    hits: Hits = height_MSTN < special.ndtri(np.clip(accuracies_MST, 1e-3, 1 - 1e-3))[..., None].astype(np.float32)
    return hits


def replicated(
    factors: Sequence[float], seeds: int, replicates: int, scales: Sequence[float] | None = None
) -> Iterator[tuple[Floats, Floats]]:
    """(M, S, T) curves, random first, and (M, S) areas; `scales` multiply each strategy's noise."""
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


def _noise(hits_MSTN: Hits, strategy: int) -> RowNoise:
    """Of a strategy's rounds and random's."""
    found = row_noise(
        np.concatenate([mine_TN, other_TN]) for mine_TN, other_TN in zip(*hits_MSTN[[strategy, 0]], strict=True)
    )
    assert found is not None
    return found


def coverage(winner_of: int, seeds: int, replicates: int, *, rows: bool) -> dict[str, Any]:
    """Shares of replicates in which the best strategy's intervals hold, and their widths beside the naive ones."""
    random_T, mine_T = truth(1.0), truth(FACTOR)
    labels = first_crossing(LABELS_T, mine_T - random_T[-1])
    areas = area_under_curve(LABELS_T, np.stack([mine_T, random_T]))
    truths = {"area": float(areas[0] - areas[1]), "final": float(mine_T[-1] - random_T[-1])}
    held: dict[str, list[bool]] = {}
    widths, shown, rng = [], [], np.random.default_rng(1)
    for values_MST, areas_MS in replicated([FACTOR] * winner_of, seeds, replicates):
        noise = None
        if rows:
            hits_MSTN = tested(values_MST, rng)
            values_MST = hits_MSTN.mean(axis=3)
            areas_MS = values_MST @ area_weights(LABELS_T)
        best = 1 + int((areas_MS[1:] - areas_MS[0]).mean(axis=1).argmax())
        if rows:
            noise = _noise(hits_MSTN, best)
        for name, each in (("saving", noise), ("seeds_only_saving", None)):
            saved = saving(LABELS_T, values_MST[best], values_MST[0], winner_of, each)
            held.setdefault(name, []).append(saved.low_labels <= labels <= saved.high_labels)
        shown.append(saved.fraction if saved.reached else np.nan)
        for name, values_MS in (("area", areas_MS), ("final", values_MST[:, :, -1])):
            gain_S, names = values_MS[best] - values_MS[0], (str(best), "0", _pool(values_MS), winner_of)
            every = {
                "naive_": estimate(gain_S),
                "seeds_only_": difference(gain_S, *names),
                "": difference(gain_S, *names, noise and noise.of(CONTRASTS[name])),
            }
            for kind, found in every.items():
                held.setdefault(kind + name, []).append(found.low <= truths[name] <= found.high)
            widths.append([each.high - each.low for each in (every[""], every["naive_"])])
    return {
        "winner_of": winner_of,
        "seeds": seeds,
        "test_rows": TEST_ROWS if rows else None,
        **{name: float(np.mean(each)) for name, each in held.items()},
        "width_over_naive": float(np.divide(*np.median(widths, axis=0))),
        "saved": 1 - labels / LABELS_T[-1],
        "saved_shown": float(np.nanmean(shown)),
    }


def with_rows(better: int, strategies: int, seeds: int, replicates: int) -> dict[str, Any]:
    """How often one of `better` strategies is found, or one of the equal others, on test rows."""
    found, wrong, rng = [], [], np.random.default_rng(2)
    factors = [FACTOR] * better + [1.0] * (strategies - better)
    for accuracies_MST, _ in replicated(factors, seeds, replicates):
        hits_MSTN = tested(accuracies_MST, rng)
        areas_MS = hits_MSTN.mean(axis=3) @ area_weights(LABELS_T)
        pooled = _pool(areas_MS)
        every = [
            difference(areas_MS[place] - areas_MS[0], str(place), "0", pooled, strategies, parts)
            for place in range(1, strategies + 1)
            for parts in [_noise(hits_MSTN, place).of(CONTRASTS["area"])]
        ]
        above_M = (holm(np.array([each.p_value for each in every])) < 0.05) & ([each.value > 0 for each in every])
        found.append(bool(above_M[:better].any()))
        wrong.append(bool(above_M[better:].any()))
    return {
        "strategies": strategies,
        "seeds": seeds,
        "test_rows": TEST_ROWS,
        "found": float(np.mean(found)),
        "wrong": float(np.mean(wrong)),
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
    cells = [(count, each) for count in winners for each in seeds]
    return {
        "replicates": replicates,
        "coverage": [coverage(*cell, replicates, rows=False) for cell in cells],
        "coverage_with_test_rows": [coverage(*cell, replicates, rows=True) for cell in cells],
        "false": [false_answers(count, each, replicates) for count, each in cells if count > 1],
        "power": [find(max(winners), each, replicates) for each in seeds],
        "power_with_test_rows": [with_rows(1, max(winners), each, replicates) for each in seeds if each == 5],
        "false_with_test_rows": [with_rows(0, count, 5, replicates) for count in winners if count > 1],
    }


def reached(found: dict[str, Any]) -> bool:
    """All limits hold; power is asked for with 5 seeds, and reported with test rows."""
    tables = [found["coverage"], found["coverage_with_test_rows"]]
    cells = [cell[measure] for table in tables for cell in table for measure in MEASURES]
    means = [
        np.mean([cell[measure] for cell in table if cell["winner_of"] == 1 for measure in MEASURES]) for table in tables
    ]
    wrong = [value for cell in found["false"] for name, value in cell.items() if name not in ("strategies", "seeds")]
    wrong += [cell["wrong"] for cell in found["false_with_test_rows"]]
    power = [cell["found"] for cell in found["power"] if cell["seeds"] == 5]
    return bool(
        min(cells) >= LEAST_COVERAGE
        and MEAN_COVERAGE[0] <= min(means)
        and max(means) <= MEAN_COVERAGE[1]
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
