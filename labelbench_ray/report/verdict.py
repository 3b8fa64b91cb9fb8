"""The answer in plain words: which strategy to use, and how it stands to random."""

from dataclasses import dataclass
from enum import StrEnum
from math import sqrt
from typing import Final

from labelbench_ray.report import words
from labelbench_ray.report.comparison import Comparison, Difference, Row, paired_difference
from labelbench_ray.report.curves import RANDOM
from labelbench_ray.report.statistics import LEVEL, Estimate, critical

ENOUGH_PAIRS: Final = 3
ADVISED_SEEDS: Final = 5
MOST_SEEDS: Final = 100


class Standing(StrEnum):
    """How a strategy stands to random, by the area under the curve, adjusted for the number of strategies."""

    REFERENCE = "reference"
    BETTER = "better than random"
    WORSE = "worse than random"
    UNCLEAR = "no clear difference"
    FEW = "too few seeds"
    UNPAIRED = "not compared"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do, and why. `choice` is the strategy to use; empty where the data do not choose one."""

    headline: str
    detail: str
    choice: str = ""


def standing(row: Row) -> Standing:
    """How a row's strategy stands to random."""
    if row.strategy == RANDOM:
        return Standing.REFERENCE
    if row.difference is None:
        return Standing.UNPAIRED
    if len(row.difference.seeds) < ENOUGH_PAIRS:
        return Standing.FEW
    if row.difference.area_adjusted >= 1 - LEVEL:
        return Standing.UNCLEAR
    return Standing.BETTER if row.difference.area.value > 0 else Standing.WORSE


def judge(comparison: Comparison) -> Verdict:
    """The answer for a setting with at least one curve."""
    reference = comparison.row(RANDOM)
    if reference is None:
        return _without_random(comparison)
    rivals = [(row, row.difference) for row in comparison.rows if row.difference is not None]
    if not rivals:
        return Verdict(
            "Nothing to compare with random yet.",
            f"Random ends at {words.accuracy(reference.final)}. "
            "No other strategy has a trial with one of random's seeds.",
        )
    rivals.sort(key=lambda rival: -rival[1].area.value)
    for row, difference in rivals:
        if standing(row) is Standing.BETTER:
            return Verdict(f"Use {row.strategy}.", _winner(comparison, row, difference), row.strategy)
    return _undecided(*rivals[0])


def seeds_needed(estimate: Estimate) -> int:
    """How many seeds would tell a mean of this size and spread from 0; `MOST_SEEDS` stands for 'that many or more'."""
    for seeds in range(2, MOST_SEEDS):
        if critical(seeds) * estimate.spread / sqrt(seeds) < abs(estimate.value):
            return seeds
    return MOST_SEEDS


def more_seeds(estimate: Estimate) -> str:
    """What it would take to tell, as advice."""
    needed = seeds_needed(estimate)
    if estimate.seeds < ADVISED_SEEDS and (estimate.seeds < 2 or needed <= ADVISED_SEEDS):
        return f"Run at least {ADVISED_SEEDS} seeds."
    if needed <= estimate.seeds:  # told by itself, but not after Holm's adjustment for the other strategies
        return "More seeds, or fewer strategies compared at once, would tell."
    if needed >= MOST_SEEDS:
        return f"A difference this small would need {MOST_SEEDS} seeds or more to tell."
    return f"About {needed} seeds would tell a difference of this size."


def _without_random(comparison: Comparison) -> Verdict:
    best = comparison.rows[0]
    if len(comparison.rows) == 1:
        return Verdict(
            f"Only {best.strategy} has run.",
            f"It ends at {words.accuracy(best.final)}. Add random to the grid to learn what it saves.",
        )
    return Verdict(
        f"{best.strategy} has the highest learning curve, but nothing says what it saves.",
        "Random is not in the comparison: add it to the grid to learn what the strategies save.",
    )


def _winner(comparison: Comparison, row: Row, difference: Difference) -> str:
    return " ".join(filter(None, (_saves(difference), _ends(row, difference), _peers(comparison, row))))


def _saves(difference: Difference) -> str:
    saving = difference.saving
    target = words.percent(saving.target)
    if saving.moot:
        return "Random is at its highest with its first labels already, so there are none to save."
    if not saving.reached:
        return f"Its learning curve is higher on the whole, yet it does not reach random's final accuracy ({target})."
    if saving.at_least:
        return (
            f"Its first {words.count(saving.first_labels)} labels already give the {target} for which random needs "
            f"{words.count(saving.random_labels)}: at least {words.percent(saving.fraction, 0)} fewer labels."
        )
    interval = words.saved_interval(saving)
    return (
        f"It reaches random's final accuracy ({target}) with {words.count(saving.labels)} labels instead of "
        f"{words.count(saving.random_labels)}: {_fewer(saving.fraction)}"
        f"{f' (95 % interval: {interval})' if interval else ''}."
    )


def _fewer(fraction: float) -> str:
    amount = words.percent(abs(fraction), 0)
    return f"{amount} fewer" if fraction >= 0 else f"{amount} more"


def _ends(row: Row, difference: Difference) -> str:
    labels, gain = words.count(row.curves.labels_T[-1]), difference.final.value
    way = "above" if gain >= 0 else "below"
    return (
        f"With {labels} labels it is at {words.percent(row.final.value)}, {abs(100 * gain):.1f} points {way} "
        f"random (95 % interval: {words.points_interval(difference.final)})."
    )


def _peers(comparison: Comparison, best: Row) -> str:
    peers = [
        row.strategy
        for row in comparison.rows
        if row is not best and standing(row) is Standing.BETTER and _alike(best, row)
    ]
    if not peers:
        return ""
    return f"Not to be told apart from it over these seeds: {words.listed(peers)}."


def _alike(first: Row, second: Row) -> bool:
    difference = paired_difference(first, second)
    return difference is None or not difference.excludes_zero


def _undecided(row: Row, difference: Difference) -> Verdict:
    gain = f"{words.points(difference.area)} points of mean accuracy over the curve"
    pairs = words.several(len(difference.seeds), "paired seed")
    if len(difference.seeds) < ENOUGH_PAIRS:
        lead = f"{row.strategy} leads random by {gain}" if difference.area.value > 0 else "No strategy leads random"
        return Verdict(
            "Too few seeds to tell.", f"{lead} on {pairs}, which can be chance. Run at least {ADVISED_SEEDS} seeds."
        )
    if difference.area.value <= 0:
        return Verdict("Label at random.", f"No strategy does better; the nearest is {row.strategy}, {gain}.", RANDOM)
    return Verdict(
        "No strategy is surely better than random.",
        f"The best so far is {row.strategy}, {gain} over {pairs}; "
        f"{words.p_value(difference.area_adjusted)} after Holm. {more_seeds(difference.area)}",
    )
