"""The tables of strategies and of pairs of strategies: the report's own numbers, a row each."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import pyarrow as pa

from labelbench_ray.exports.columns import NUMBER, TEXT, TRUTH, WHOLE, finite
from labelbench_ray.report import words
from labelbench_ray.report.curves import Experiment
from labelbench_ray.report.findings import standing
from labelbench_ray.report.statistics.comparison import Comparison, Difference, Row, compare
from labelbench_ray.report.statistics.paired import Estimate
from labelbench_ray.report.statistics.pairwise import Pair, pairwise
from labelbench_ray.report.statistics.savings import Saving

Values = dict[str, Any]
Compared = tuple[Values, Comparison]
"""A comparison, and the values of the columns `OF`."""
OF: Final = {"experiment": TEXT, "setting": TEXT, "metric": TEXT, "decides": TRUTH, "preliminary": TRUTH}
"""Which setting and metric a row is of. `decides`: the verdict goes by this metric."""


def _mean(name: str) -> dict[str, Any]:
    return {name: NUMBER, f"{name}_low": NUMBER, f"{name}_high": NUMBER, f"{name}_spread": NUMBER}


def _tested(name: str) -> dict[str, Any]:
    return _mean(name) | {f"{name}_p": NUMBER, f"{name}_p_holm": NUMBER}


SAVED: Final = {
    "target": NUMBER,
    "baseline_labels": NUMBER,
    "labels": NUMBER,
    "labels_low": NUMBER,
    "labels_high": NUMBER,
    "saved": NUMBER,
    "saved_low": NUMBER,
    "saved_high": NUMBER,
    "reached": TRUTH,
    "at_least": TRUTH,
    "nothing_to_save": TRUTH,
    "saved_in_words": TEXT,
}
SAVINGS: Final = pa.schema(
    {
        **OF,
        "strategy": TEXT,
        "baseline": TEXT,
        "standing": TEXT,
        "seeds": WHOLE,
        "test_rows": WHOLE,
        "first_labels": WHOLE,
        "last_labels": WHOLE,
        **_mean("final"),
        **_mean("area"),
        "paired_seeds": WHOLE,
        "intervals_at_once": WHOLE,
        **_tested("final_gain"),
        **_tested("area_gain"),
        **SAVED,
    }
)
COMPARISONS: Final = pa.schema(
    {
        **OF,
        "first": TEXT,
        "second": TEXT,
        "paired_seeds": WHOLE,
        "test_rows": WHOLE,
        "intervals_at_once": WHOLE,
        **_tested("final_difference"),
        **_tested("area_difference"),
        "significant": TRUTH,
    }
)


def savings_table(compared: Iterable[Compared]) -> Any:  # noqa: ANN401  pyarrow has no types
    """One row a strategy, setting and metric: what it reaches, gains over the baseline and saves."""
    rows = [of | _strategy(row, comparison) for of, comparison in compared for row in comparison.rows]
    return pa.Table.from_pylist(rows, schema=SAVINGS)


def comparisons_table(compared: Iterable[Compared]) -> Any:  # noqa: ANN401  pyarrow has no types
    """One row a pair of strategies, setting and metric, with Holm's p over all pairs of the setting and metric."""
    rows = [of | _pair(pair) for of, comparison in compared for pair in pairwise(comparison)]
    return pa.Table.from_pylist(rows, schema=COMPARISONS)


def compared(experiments: Iterable[Experiment]) -> Iterator[Compared]:
    """Every comparison of these experiments, with the values that state what it is of."""
    for experiment in experiments:
        for title, setting in zip(experiment.titles, experiment.settings, strict=True):
            for metric in setting.metrics:
                comparison = compare(setting, metric)
                if comparison is not None:
                    yield (
                        {
                            "experiment": experiment.name,
                            "setting": title,
                            "metric": metric,
                            "decides": metric == setting.metrics[0],
                            "preliminary": setting.preliminary,
                        },
                        comparison,
                    )


def _strategy(row: Row, comparison: Comparison) -> Values:
    difference = row.difference
    reached = {
        "strategy": row.strategy,
        "baseline": comparison.baseline if comparison.has_baseline else None,
        "standing": standing(row).value,
        "seeds": len(row.curves.seeds),
        "test_rows": comparison.test_rows,
        "first_labels": comparison.labels[0],
        "last_labels": comparison.labels[-1],
        **_estimate("final", row.final),
        **_estimate("area", row.area),
    }
    return reached | _gained(difference) if difference else reached


def _gained(difference: Difference) -> Values:
    return {
        "paired_seeds": len(difference.seeds),
        "intervals_at_once": difference.area.comparisons,
        **_estimate("final_gain", difference.final, difference.final_adjusted),
        **_estimate("area_gain", difference.area, difference.area_adjusted),
        **_saving(difference.saving),
    }


def _pair(pair: Pair) -> Values:
    return {
        "first": pair.first,
        "second": pair.second,
        "paired_seeds": len(pair.seeds),
        "test_rows": pair.area.test_rows,
        "intervals_at_once": pair.area.comparisons,
        **_estimate("final_difference", pair.final, pair.final_adjusted),
        **_estimate("area_difference", pair.area, pair.area_adjusted),
        "significant": pair.significant,
    }


def _estimate(name: str, found: Estimate, adjusted: float | None = None) -> Values:
    known = {
        name: found.value,
        f"{name}_low": finite(found.low),
        f"{name}_high": finite(found.high),
        f"{name}_spread": found.spread if found.seeds > 1 else None,
    }
    if adjusted is None or not found.has_interval:
        return known
    return known | {f"{name}_p": found.p_value, f"{name}_p_holm": adjusted}


def _saving(saving: Saving) -> Values:
    low, high = (saving.low_labels, saving.high_labels) if saving.has_interval else (float("inf"), float("inf"))
    return {
        "target": saving.target,
        "baseline_labels": saving.random_labels,
        "labels": finite(saving.labels),
        "labels_low": finite(low),
        "labels_high": finite(high),
        "saved": finite(saving.fraction),
        "saved_low": finite(saving.part(high)),
        "saved_high": finite(saving.part(low)),
        "reached": saving.reached,
        "at_least": saving.at_least,
        "nothing_to_save": saving.moot,
        "saved_in_words": words.saved_fully(saving),
    }
