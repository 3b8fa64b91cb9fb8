"""What a reader must know of a comparison before trusting the answer."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from typing import Final

from labelbench_ray.report import words
from labelbench_ray.report.curves import Setting
from labelbench_ray.report.findings import DECIDED, Findings, Measure, Standing, findings, standing
from labelbench_ray.report.statistics.comparison import Comparison, Row
from labelbench_ray.report.statistics.paired import Estimate
from labelbench_ray.report.statistics.power import more_seeds

WIDE_SPREAD: Final = 0.02
"""Seeds vary widely from this standard deviation on, a fraction of all answers."""
SATURATED_PART: Final = 0.99
"""The baseline has little left to gain when it has this part of its highest mean accuracy."""
TEST_ROWS: Final = "Num Test Rows"
WIDE_REACH: Final = 2.0
"""Points by which accuracies on other test rows may differ, from which the size of the test set is named."""
WIDE_INTERVAL: Final = 10.0
"""Points of accuracy: half of an interval from which on few test rows are named as one of its reasons."""
COARSE: Final = 1.0
"""Points of accuracy that a single test row is worth, for that."""


@dataclass(frozen=True, slots=True)
class Caution:
    """A short name of the problem, and what it means."""

    title: str
    text: str


def of_comparison(setting: Setting, comparison: Comparison) -> Iterator[Caution]:
    """All that applies, the gravest first."""
    yield from _shortened(setting, comparison)
    for find in (_few_seeds, _unpaired, _unclear, _worse, _disagreeing, _sharper):
        yield from find(comparison)
    yield from _few_test_rows(setting, comparison)
    for find in (_wide, _falling, _saturated):
        yield from find(comparison)


def _shortened(setting: Setting, comparison: Comparison) -> Iterator[Caution]:
    longest = max(max(run.curve(comparison.metric), default=0) for run in setting.compared)
    if longest > comparison.labels[-1]:
        yield Caution(
            "Different lengths",
            f"Some trials continue to {words.count(longest)} labels; the tables stop at "
            f"{words.count(comparison.labels[-1])}, the most that every trial has.",
        )


def _few_seeds(comparison: Comparison) -> Iterator[Caution]:
    few = [row for row in comparison.rows if standing(row) is Standing.FEW]
    if few:
        least = min(len(row.difference.seeds) for row in few if row.difference is not None)
        yield Caution(
            "Too few seeds",
            f"{_names(few)}: {words.several(least, 'seed')} paired with {comparison.baseline}. "
            "With fewer than 3 pairs chance cannot be ruled out; use 5 or more.",
        )


def _unpaired(comparison: Comparison) -> Iterator[Caution]:
    unpaired = [row for row in comparison.rows if standing(row) is Standing.UNPAIRED]
    if not comparison.has_baseline:
        others = words.listed([row.strategy for row in comparison.rows])
        yield Caution(
            f"No {comparison.baseline} baseline",
            f"Savings are measured against {comparison.baseline}, which has no curve here; strategies are "
            f"compared with each other. To measure against one of them, name it with --baseline: {others}.",
        )
    elif unpaired:
        yield Caution(
            "No common seed", f"{_names(unpaired)}: no finished trial shares a seed with {comparison.baseline}."
        )
    lost = [(row, len(row.curves.seeds) - len(row.difference.seeds)) for row in comparison.rows if row.difference]
    partly = [f"{row.strategy} ({number})" for row, number in lost if number]
    if partly:
        yield Caution(
            "Seeds without a partner",
            f"Trials whose seed has no finished trial of {comparison.baseline} are in the curves "
            f"but not in the differences: {words.listed(partly)}.",
        )


def _unclear(comparison: Comparison) -> Iterator[Caution]:
    """Beside a strategy that is better; without one the answer itself states it."""
    if not any(standing(row) is Standing.BETTER for row in comparison.rows):
        return
    unclear = [row for row in comparison.rows if standing(row) is Standing.UNCLEAR]
    if unclear:
        best = max((row.difference.area for row in unclear if row.difference), key=lambda area: area.value)
        by_area = Measure.AREA.of(comparison.noun)
        yield Caution(
            f"Not significantly different from {comparison.baseline}",
            f"{_names(unclear)}: by {by_area} the difference from {comparison.baseline} may be chance at this "
            "number of seeds. "
            f"{more_seeds(best)}",
        )


def _worse(comparison: Comparison) -> Iterator[Caution]:
    worse = [row for row in comparison.rows if standing(row) is Standing.WORSE]
    if worse:
        by_area = Measure.AREA.of(comparison.noun)
        yield Caution(f"Worse than {comparison.baseline}", f"{_names(worse)}: significantly worse by {by_area}.")


def _disagreeing(comparison: Comparison) -> Iterator[Caution]:
    """Strategies whose measures lead to different results, grouped where they differ in the same way."""
    groups: dict[str, list[str]] = {}
    for row in comparison.rows:
        found = findings(row)
        if found is not None and found.disagree:
            groups.setdefault(_by_measure(found, comparison), []).append(row.strategy)
    if groups:
        statements = "; ".join(f"{words.listed(names)}: {text}" for text, names in groups.items())
        by_area = Measure.AREA.of(comparison.noun)
        yield Caution("Measures disagree", f"{statements}. The answer above is based on {by_area}.")


def _by_measure(found: Findings, comparison: Comparison) -> str:
    """`not significantly different from random by A, significantly better than random by B and C`."""
    decided = [each for each in found.every if each.standing in DECIDED]
    standings = dict.fromkeys(each.standing for each in decided)
    return ", ".join(
        f"{each.to(comparison.baseline)} by "
        + words.listed([known.measure.of(comparison.noun) for known in decided if known.standing is each])
        for each in standings
    )


def _sharper(comparison: Comparison) -> Iterator[Caution]:
    known = [found for row in comparison.rows if (found := findings(row))]
    sharper = [found.strategy for found in known if found.area.sharper or found.final.sharper]
    if sharper:
        yield Caution(
            "An interval includes 0 although p is below 0.05",
            f"{words.listed(sharper)}: intervals are wide because they hold for {words.together(len(known))} at once. "
            "Holm's method tests one strategy after another and finds more differences at the same risk of a false "
            "one. The answer is based on p.",
        )


def _wide(comparison: Comparison) -> Iterator[Caution]:
    wide = [
        f"{row.strategy} (± {100 * _spread(row.final, row.area):.1f} points)"
        for row in comparison.rows
        if _spread(row.final, row.area) >= WIDE_SPREAD
    ]
    if wide:
        yield Caution(
            "Seeds vary widely",
            f"Standard deviation over seeds: {words.listed(wide)}. "
            "A single run of your own may land far from the mean.",
        )


def _spread(final: Estimate, area: Estimate) -> float:
    return max(final.spread, area.spread)


def _falling(comparison: Comparison) -> Iterator[Caution]:
    row = comparison.row(comparison.baseline)
    saved = next((each.difference.saving for each in comparison.rows if each.difference), None)
    if row is not None and saved is not None and saved.falls:
        highest, final = words.percent(saved.target), words.percent(row.final.value)
        then = f"falls to {final}" if final != highest else "is no higher"
        yield Caution(
            f"{words.named(comparison.baseline)} is best before the end",
            f"Its mean {comparison.noun} is highest, {highest}, with {words.count(saved.random_labels)} labels, and "
            f"{then} with {words.count(saved.last_labels)}. Labels saved are relative to the "
            f"{words.count(saved.random_labels)}.",
        )


def _saturated(comparison: Comparison) -> Iterator[Caution]:
    row = comparison.row(comparison.baseline)
    if row is None or len(comparison.labels) < 3:
        return
    mean_T = row.curves.values_ST.mean(axis=0)
    if mean_T.max() <= 0:  # such as R2 of a model that is worse than the mean: nothing is within 1 % of it
        return
    near = next(
        count for count, mean in zip(comparison.labels, mean_T, strict=True) if mean >= SATURATED_PART * mean_T.max()
    )
    if near <= comparison.labels[-1] / 2:
        yield Caution(
            f"{comparison.noun[0].upper()}{comparison.noun[1:]} is saturated",
            f"{words.named(comparison.baseline)} is within 1 % of its highest mean {comparison.noun} from "
            f"{words.count(near)} of {words.count(comparison.labels[-1])} labels on. Beyond that there is little "
            "left to save, and the labels saved depend on noise: compare at a smaller budget.",
        )


def _few_test_rows(setting: Setting, comparison: Comparison) -> Iterator[Caution]:
    known = [
        record.metrics[TEST_ROWS] for run in setting.compared for record in run.records if TEST_ROWS in record.metrics
    ]
    if not known or not comparison.metric.endswith("Accuracy") or "Test" not in comparison.metric:
        return  # the interval is that of a share of right answers
    rows, best = min(known), max(row.final.value for row in comparison.rows)
    reach = 100 * _reach(best, rows)
    if reach >= WIDE_REACH:
        yield Caution(
            "Few test rows",
            f"The test set has {words.several(round(rows), 'row')}: each is worth "
            f"{words.signed(100 / rows, 1, plus='')} points of accuracy. On other rows of the same kind accuracies may "
            f"lie about {reach:.0f} points higher or lower (95 %). {_included(comparison)}"
            f"{_wide_interval(comparison, rows)}",
        )


def _included(comparison: Comparison) -> str:
    if comparison.test_rows:
        return "Intervals include that."
    return "Intervals over seeds do not include that: all seeds are tested on the same rows."


def _wide_interval(comparison: Comparison, rows: float) -> str:
    """The widest interval of a final accuracy, where single rows and few seeds make it useless."""
    row = max(comparison.rows, key=lambda each: each.final.high - each.final.low if each.final.has_interval else 0.0)
    half = 100 * (row.final.high - row.final.low) / 2
    if not row.final.has_interval or half < WIDE_INTERVAL or 100 / rows < COARSE:
        return ""
    seeds = words.several(len(row.curves.seeds), "seed")
    return (
        f" They also make intervals wide, since each row moves a mean: {row.strategy} has {words.accuracy(row.final)} "
        f"over {seeds}. Use more test rows and more seeds."
    )


def _reach(accuracy: float, rows: float) -> float:
    """Half of the 95 % interval of an accuracy on this number of rows, by Agresti and Coull."""
    middle = (accuracy * rows + 2) / (rows + 4)
    return 1.96 * sqrt(middle * (1 - middle) / (rows + 4))


def _names(rows: list[Row]) -> str:
    return words.listed([row.strategy for row in rows])
