"""Forecasts of LabelBench's published curves: errors, coverage and width of the bands, calls, and the time of one.

.venv/bin/python benchmarks/forecast.py --published FILE    # labelbench_results.parquet; about a CPU minute
.venv/bin/python benchmarks/forecast.py --tiny              # 12 made-up curves

With 40, 60 and 80 % of a curve's rounds seen, the next and the last round are forecast. Errors and half-widths are in
points. `worst_coverage` is that of the data set whose 90 % bands hold least. `decided`: the share of likely and
unlikely among the calls on the next round; `right`: those that agree with the mean of the setting's seeds.
"""

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from machine import parser, show

from labelbench_ray.report.statistics.forecast import THRESHOLD, Call, forecast
from labelbench_ray.report.statistics.learning_curves import Floats

SEEN: Final = (0.4, 0.6, 0.8)
MOST_ERROR: Final = {"next": (0.72, 0.56, 0.46), "final": (0.95, 0.66, 0.46)}
LEAST_COVERAGE, LEAST_WORST, LEAST_WORST_EARLY = 0.92, 0.80, 0.65
MOST_MILLISECONDS: Final = 10.0
LEAST_ROUNDS: Final = 8
KEYS: Final = ["dataset", "batch_size", "embed", "model", "trainer", "strategy", "seed"]


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One run of a setting."""

    setting: tuple[Any, ...]
    """The data set comes first."""
    labels_T: Floats
    accuracies_T: Floats


@dataclass(slots=True)
class Hits:
    """What was found of one target at one share of rounds."""

    errors: list[float] = field(default_factory=list)
    widths: list[float] = field(default_factory=list)
    covered: dict[Any, list[bool]] = field(default_factory=lambda: defaultdict(list))

    def measured(self) -> dict[str, float]:
        """In points and shares."""
        return {
            "error": 100 * float(np.mean(self.errors)),
            "half_width": 100 * float(np.mean(self.widths)),
            "coverage": float(np.mean([hit for hits in self.covered.values() for hit in hits])),
            "worst_coverage": float(min(np.mean(hits) for hits in self.covered.values())),
        }


def published(path: Path) -> list[Curve]:
    """Test accuracies of the runs of eight rounds or more."""
    import pyarrow.parquet as pq

    rows = pq.read_table(path, filters=[("metric", "=", "Test Accuracy")]).to_pandas().sort_values("num_labels")
    return [
        Curve(tuple(key[:-1]), run["num_labels"].to_numpy(float), run["value"].to_numpy(float))
        for key, run in rows.groupby(KEYS)
        if len(run) >= LEAST_ROUNDS
    ]


def made_up() -> list[Curve]:
    """Power laws with noise: three settings of four seeds."""
    rng, labels_T = np.random.default_rng(0), np.arange(1, 13) * 100.0
    return [
        Curve((name,), labels_T, 0.9 - 0.4 * (labels_T / 100) ** -power + 0.005 * rng.standard_normal(12))
        for name, power in (("slow", 0.3), ("middle", 0.6), ("fast", 1.2))
        for _ in range(4)
    ]


def measure(curves: Sequence[Curve]) -> dict[str, Any]:
    """Every curve at each share."""
    means = _means(curves)
    found: dict[str, Any] = {"curves": len(curves), "next": {}, "final": {}, "calls": {}}
    seconds = 0.0
    for share in SEEN:
        hits, calls = {"next": Hits(), "final": Hits()}, []
        for curve in curves:
            seen = max(4, round(share * len(curve.labels_T)))
            began = time.thread_time()
            ahead = forecast(curve.labels_T[:seen], curve.accuracies_T[:seen], curve.labels_T[seen:])
            seconds += time.thread_time() - began
            for name, target in (("next", 0), ("final", -1)):
                truth, low, high = (each[target] for each in (curve.accuracies_T[seen:], ahead.low_M, ahead.high_M))
                hits[name].errors.append(abs(ahead.accuracies_M[target] - truth))
                hits[name].widths.append((high - low) / 2)
                hits[name].covered[curve.setting[0]].append(bool(low <= truth <= high))
            mean_T = means.get(curve.setting)
            if mean_T is not None:
                calls.append(
                    (ahead.call(0), Call.LIKELY if mean_T[seen] - mean_T[seen - 1] > THRESHOLD else Call.UNLIKELY)
                )
        for name, each in hits.items():
            found[name][str(share)] = each.measured()
        decided = [call == truth for call, truth in calls if call is not Call.UNCLEAR]
        found["calls"][str(share)] = {"decided": len(decided) / len(calls), "right": float(np.mean(decided))}
    return found | {"milliseconds": 1000 * seconds / len(curves) / len(SEEN)}


def _means(curves: Sequence[Curve]) -> dict[tuple[Any, ...], Floats]:
    """The mean curve of each setting with several seeds of equal length: the truth of a call."""
    settings = defaultdict(list)
    for curve in curves:
        settings[curve.setting].append(curve.accuracies_T)
    return {
        setting: np.mean(each, axis=0)
        for setting, each in settings.items()
        if len(each) > 1 and len({len(accuracies_T) for accuracies_T in each}) == 1
    }


def reached(found: dict[str, Any]) -> bool:
    """Errors, bands and time are as asked for."""
    cells = [
        (name, share, found[name][str(share)], most)
        for name, errors in MOST_ERROR.items()
        for share, most in zip(SEEN, errors, strict=True)
    ]
    early = ("next", SEEN[0])
    return found["milliseconds"] <= MOST_MILLISECONDS and all(
        cell["error"] <= most
        and cell["coverage"] >= LEAST_COVERAGE
        and cell["worst_coverage"] >= (LEAST_WORST_EARLY if (name, share) == early else LEAST_WORST)
        for name, share, cell, most in cells
    )


def main(words: Sequence[str] | None = None) -> None:
    """Measure and show."""
    options = parser(__doc__)
    wanted = options.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--published", type=Path)
    wanted.add_argument("--tiny", action="store_true")
    given = options.parse_args(words)
    found = measure(made_up() if given.tiny else published(given.published))
    target = {
        "error": {name: list(errors) for name, errors in MOST_ERROR.items()},
        "coverage": LEAST_COVERAGE,
        "worst_coverage": [LEAST_WORST_EARLY, LEAST_WORST],
        "milliseconds": MOST_MILLISECONDS,
    }
    show("forecast", found, target, met=reached(found))


if __name__ == "__main__":
    main()
