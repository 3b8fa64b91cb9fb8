"""The answer in plain words: which strategy to use, by which measure, and how sure that is."""

from dataclasses import dataclass, replace

import numpy as np

from labelbench_ray.report import words
from labelbench_ray.report.curves import RANDOM
from labelbench_ray.report.findings import Findings, Measure, Standing, Tested, findings, standing
from labelbench_ray.report.statistics.comparison import Comparison, Row, paired_difference
from labelbench_ray.report.statistics.paired import ENOUGH_PAIRS, LEVEL, holm
from labelbench_ray.report.statistics.pairwise import pairwise
from labelbench_ray.report.statistics.power import ADVISED_SEEDS, more_seeds
from labelbench_ray.report.statistics.savings import Saving
from labelbench_ray.report.statistics.winner import CrossFitted, cross_fitted
from labelbench_ray.tasks import in_a_sentence


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do, and why."""

    headline: str
    detail: str
    choice: str = ""
    """The strategy to use; empty where the data do not choose one."""
    finding: Tested | None = None
    """The comparison with the baseline, or with the nearest strategy, on which it rests; None where there is none."""
    winner: CrossFitted | None = None
    """What the best strategy gains and saves where the other seeds choose it; None without a choice."""


def judge(comparison: Comparison) -> Verdict:
    """The answer for a setting with at least one curve."""
    reference, baseline = comparison.row(comparison.baseline), comparison.baseline
    if reference is None:
        return _without_baseline(comparison)
    rivals = [(row, found) for row in comparison.rows if (found := findings(row))]
    if not rivals:
        return Verdict(
            f"Nothing to compare with {baseline} yet.",
            f"{words.named(baseline)} ends at {words.accuracy(reference.final)}. "
            f"No other strategy has a trial with one of {baseline}'s seeds.",
        )
    rivals.sort(key=lambda rival: -rival[1].area.estimate.value)
    for row, found in rivals:
        if found.area.standing is Standing.BETTER:
            return _winner(comparison, row, found)
    return _undecided(comparison, [found for _, found in rivals])


def _without_baseline(comparison: Comparison) -> Verdict:
    """The best strategy against each of the others, pair by pair."""
    best, *others = comparison.rows
    savings = f"What strategies save is not known: {comparison.baseline} is not in the comparison."
    if not others:
        return Verdict(f"Only {best.strategy} has run.", f"It ends at {words.accuracy(best.final)}. {savings}")
    every = pairwise(comparison)
    mine = [pair for pair in every if pair.first == best.strategy]
    if len(mine) < len(others) or min(len(pair.seeds) for pair in mine) < ENOUGH_PAIRS:
        return Verdict(
            "Too few seeds to decide.",
            f"{best.strategy} has the highest mean learning curve; a comparison takes at least {ENOUGH_PAIRS} "
            f"seeds that both strategies have. Run at least {ADVISED_SEEDS} seeds. {savings}",
        )
    nearest = max(mine, key=lambda pair: pair.area_adjusted)
    finding = Tested(Measure.AREA, nearest.area, nearest.area_adjusted)
    tested = f"p is Holm's over {words.several(len(every), 'pair')} of strategies."
    alike = [pair.second for pair in mine if not pair.significant or pair.area.value < 0]
    if not alike:
        which = "the other strategy" if len(mine) == 1 else f"each of the {len(mine)} other strategies"
        return Verdict(
            f"Use {best.strategy}.",
            f"{_measured(comparison)} it is significantly better than {which}, pair by pair; the nearest is "
            f"{nearest.second}: {finding}. {tested} {savings}",
            best.strategy,
            finding,
        )
    worse = [pair.second for pair in mine if pair.second not in alike]
    beaten = f" It is significantly better than {words.listed(worse)}." if worse else ""
    return Verdict(
        f"{best.strategy} comes first, but is not significantly better than {words.listed(alike)}.",
        f"{_measured(comparison)} the difference from {nearest.second} is {finding}, which is not significant."
        f"{beaten} {tested} {more_seeds(nearest.area)} {savings}",
        finding=finding,
    )


def _winner(comparison: Comparison, row: Row, found: Findings) -> Verdict:
    fitted = cross_fitted(comparison, row) if comparison.compared > 1 else None
    same = fitted is None or fitted.confirms(row.strategy)
    subject = "It" if same else f"With the seeds that chose it, {row.strategy}"
    detail = (
        f"{_measured(comparison)} it is significantly better than {comparison.baseline}: {found.area}.",
        _by_other_seeds(fitted, row, comparison) if fitted else "",
        _saves(found.saved.saving, comparison, subject),
        _ends(row, found.final, comparison.baseline),
        _peers(comparison, row),
    )
    text = " ".join(filter(None, detail))
    if found.final.standing is Standing.WORSE:
        return Verdict(
            f"{row.strategy} is better than {comparison.baseline} over the learning curve, but worse at its end.",
            text,
            finding=found.area,
            winner=fitted,
        )
    return Verdict(f"Use {row.strategy}.", text, row.strategy, found.area, fitted)


def _by_other_seeds(fitted: CrossFitted, row: Row, comparison: Comparison) -> str:
    """What the best one gains and saves without the luck of the seeds that chose it."""
    if fitted.candidates == 1:
        return "No other strategy has all of its seeds, so how much the choice of the best one flatters is not known."
    if fitted.confirms(row.strategy):
        return "For every seed the other seeds choose it, too: chosen that way, its gain and saving are the same."
    names = words.listed([f"{name} for {count}" for name, count in fitted.times.items()])
    decimals = words.digits(row.difference.area) if row.difference else 1
    return (
        f"Chosen by the other seeds ({names} of {len(fitted.seeds)}), the best strategy gains "
        f"{words.signed(100 * fitted.gain, decimals)} points{_share(fitted.saving, comparison)}."
    )


def _share(saving: Saving, comparison: Comparison) -> str:
    if saving.moot:
        return ""
    if not saving.reached:
        return f" and does not reach {comparison.baseline}'s highest mean {comparison.noun}"
    if saving.fraction < 0:
        return f" and takes {words.percent(-saving.fraction, 0)} more labels"
    return f" and saves {words.saved(saving)} of the labels"


def _measured(comparison: Comparison) -> str:
    first, last = words.count(comparison.labels[0]), words.count(comparison.labels[-1])
    return f"By mean {in_a_sentence(comparison.metric)} over the learning curve ({first} to {last} labels)"


def _saves(saving: Saving, comparison: Comparison, subject: str) -> str:
    target, noun, baseline = words.percent(saving.target), comparison.noun, comparison.baseline
    if saving.moot:
        return f"{words.named(baseline)} is already at its highest with its first labels, so there are none to save."
    if not saving.reached:
        return f"{subject} does not reach {baseline}'s highest mean {noun} ({target}), so it saves no labels there."
    if saving.at_least:
        return (
            f"Its first {words.count(saving.first_labels)} labels already give the {target} for which {baseline} needs "
            f"{words.count(saving.random_labels)}: at least {words.percent(saving.fraction, 0)} fewer labels."
        )
    interval = words.saved_interval(saving)
    return (
        f"{subject} reaches {baseline}'s highest mean {noun} ({target}) with {words.count(saving.labels)} labels "
        f"instead of {words.count(saving.random_labels)}: {_fewer(saving.fraction)}"
        f"{f' (95{words.NO_BREAK}% interval: {interval})' if interval else ''}."
    )


def _fewer(fraction: float) -> str:
    amount = words.percent(abs(fraction), 0)
    return f"{amount} fewer" if fraction >= 0 else f"{amount} more"


def _ends(row: Row, final: Tested, baseline: str) -> str:
    labels, gain = words.count(row.curves.labels_T[-1]), final.estimate.value
    way = "above" if gain >= 0 else "below"
    return (
        f"With {labels} labels it is at {words.percent(row.final.value)}, {abs(100 * gain):.1f} points {way} "
        f"{baseline} ({final.evidence})."
    )


def _peers(comparison: Comparison, best: Row) -> str:
    """The other strategies that are better than the baseline and not significantly different from the best one."""
    others = [row for row in comparison.rows if row is not best and standing(row) is Standing.BETTER]
    found = [paired_difference(comparison, best, row) for row in others]
    adjusted = holm(np.array([each.p_value if each else 1.0 for each in found]))
    peers = [row.strategy for row, p_value in zip(others, adjusted, strict=True) if p_value >= 1 - LEVEL]
    if not peers:
        return ""
    return (
        f"Also better than {comparison.baseline}, and not significantly different from {best.strategy}: "
        f"{words.listed(peers)}."
    )


def _undecided(comparison: Comparison, every: list[Findings]) -> Verdict:
    """No strategy is better by the area; `every` is ordered by it. Those with enough seeds decide."""
    enough = [found for found in every if found.area.standing is not Standing.FEW]
    few = [found.strategy for found in every if found.area.standing is Standing.FEW]
    best, measured, baseline = (enough or every)[0], _measured(comparison), comparison.baseline
    pairs = words.several(best.area.estimate.seeds, "paired seed")
    if not enough:
        return Verdict(
            "Too few seeds to decide.",
            f"{measured} {best.strategy} differs from {baseline} by {words.points(best.area.estimate)} points on "
            f"{pairs}, which may be chance. Run at least {ADVISED_SEEDS} seeds.",
            finding=best.area,
        )
    ends = [found.strategy for found in every if found.final.standing is Standing.BETTER]
    at_the_end = f"; at its end {words.listed(ends)} {'is' if len(ends) == 1 else 'are'}" if ends else ""
    if not few and all(found.area.standing is Standing.WORSE for found in every):
        others = "the only other strategy" if len(every) == 1 else f"each of the {len(every)} other strategies"
        nearest = "it" if len(every) == 1 else f"the nearest, {best.strategy},"
        detail = f"{measured} {others} is significantly worse; {nearest} differs from {baseline} by {best.area}."
        if ends:
            return Verdict(
                f"No strategy is better than {baseline} over the whole learning curve{at_the_end}.",
                detail,
                finding=best.area,
            )
        return Verdict("Label at random." if baseline == RANDOM else f"Use {baseline}.", detail, baseline, best.area)
    where = " over the whole learning curve" if ends else ""
    first = " of the strategies with enough seeds" if few else ""
    too_few = f" Too few paired seeds to decide on {words.listed(few)}: at least {ENOUGH_PAIRS}." if few else ""
    return Verdict(
        f"No strategy is significantly better than {baseline}{where}{at_the_end}.",
        f"{measured} {best.strategy} comes first{first}; it differs from {baseline} by {best.area} over {pairs}, which "
        f"is {'significant.' if best.area.significant else f'not significant. {_plan(comparison, best)}'}{too_few}",
        finding=best.area,
    )


def _plan(comparison: Comparison, best: Findings) -> str:
    """How many seeds would decide, by what the strategy gains that the other seeds choose, where that is known."""
    row, found = comparison.row(best.strategy), best.area.estimate
    fitted = cross_fitted(comparison, row) if row and comparison.compared > 1 else None
    if fitted is None or fitted.candidates == 1 or fitted.confirms(best.strategy):
        return more_seeds(found)
    gain = f"Chosen by the other seeds, the best strategy gains {words.signed(100 * fitted.gain, words.digits(found))}"
    if fitted.gain <= 0:
        return f"{gain} points: {best.strategy} may come first by chance, and how many seeds would decide is not known."
    return f"{gain} points. {more_seeds(replace(found, value=fitted.gain))}"
