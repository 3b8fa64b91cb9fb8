"""What a reader must know before trusting the answer."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from labelbench_ray.report import words
from labelbench_ray.report.comparison import Comparison, Row
from labelbench_ray.report.curves import RANDOM, Run, Setting, State
from labelbench_ray.report.several_versions import several_versions
from labelbench_ray.report.statistics import Estimate
from labelbench_ray.report.verdict import Standing, more_seeds, standing

WIDE_SPREAD: Final = 0.02
"""Standard deviation over seeds, as a fraction of all answers, from which seeds are said to vary widely."""
SATURATED_PART: Final = 0.99
"""Random is near its end when it has this part of its final accuracy."""
VALIDATION: Final = "Num Validation Labels"


@dataclass(frozen=True, slots=True)
class Caution:
    """A short name of the trouble, and what it means."""

    title: str
    text: str


def cautions(setting: Setting, comparison: Comparison | None) -> tuple[Caution, ...]:
    """All that applies, the gravest first."""
    found: list[Caution] = [*_unfinished(setting), *_stopped(setting), *_failed_finetunes(setting), *_mixed(setting)]
    if comparison is not None:
        found += [
            *_shortened(setting, comparison),
            *_few_seeds(comparison),
            *_unpaired(comparison),
            *_unclear(comparison),
            *_unsure_savings(comparison),
            *_not_better(comparison),
            *_wide(comparison),
            *_saturated(comparison),
        ]
    return (*found, *_validation(setting))


def _unfinished(setting: Setting) -> Iterator[Caution]:
    counts = {state: sum(run.state is state for run in setting.runs) for state in State}
    told = [f"{counts[state]} {state}" for state in State if state is not State.FINISHED and counts[state]]
    if not told:
        return
    consequence = (
        "Nothing is finished yet: what is compared here is preliminary."
        if setting.preliminary
        else "The comparison leaves them out; they are listed below."
    )
    yield Caution("Trials are not finished", f"Of {len(setting.runs)} trials, {words.listed(told)}. {consequence}")


def _stopped(setting: Setting) -> Iterator[Caution]:
    stopped = [run for run in setting.runs if run.state is State.STOPPED]
    names = list(dict.fromkeys(run.strategy for run in stopped))
    told = [f"{name} ({_seeds([run.trial.seed for run in stopped if run.strategy == name])})" for name in names]
    finished = {run.strategy for run in setting.runs if run.state is State.FINISHED}
    if stopped:
        yield Caution(
            "Early stopping was on",
            f"Ended before the last round, as others were better by then: {words.listed(told)}. They have no final "
            "accuracy, and the validation labels that decided are not counted in the budget. "
            + _thinned([name for name in names if name in finished])
            + _gone([name for name in names if name not in finished])
            + "For an unbiased comparison run it again without --early-stopping: it goes on where they stopped.",
        )


def _thinned(strategies: list[str]) -> str:
    """What is biased of strategies with trials that were stopped and others that were not."""
    if not strategies:
        return ""
    random = "; being the baseline, random makes savings of the others look smaller" if RANDOM in strategies else ""
    return (
        f"Numbers at the end are of the stronger seeds alone for {words.listed(strategies)}, which favors "
        f"{'it' if len(strategies) == 1 else 'them'} and narrows intervals{random}. "
    )


def _gone(strategies: list[str]) -> str:
    """What is missing of strategies whose trials were all stopped, or have not ended."""
    if not strategies:
        return ""
    random = "; without random there is no baseline" if RANDOM in strategies else ""
    return (
        f"No trial of {words.listed(strategies)} ran to the end: being behind half-way does not say how it would have "
        f"ended{random}. "
    )


def _failed_finetunes(setting: Setting) -> Iterator[Caution]:
    failed = [
        f"{run.strategy}, seed {run.trial.seed}: {error}" for run in setting.runs for error in run.finetune_failures
    ]
    if failed:
        yield Caution(
            "Fine-tunes failed",
            f"What they would have reached and cost is missing. {'; '.join(failed)}.",
        )


def _mixed(setting: Setting) -> Iterator[Caution]:
    stores = {(run.store, run.compute) for run in setting.compared}
    if len(stores) > 1:
        yield Caution(
            "Different embeddings",
            f"The compared trials were computed from {len(stores)} different "
            "embedding stores or compute paths; differences between them are not the strategies' alone.",
        )
    odd = sorted(seed for seed, first in _first_batches(setting.compared).items() if len(first) > 1)
    if odd:
        yield Caution(
            "Not paired",
            f"Trials of {_seeds(odd)} do not share their first batch, so the comparison is not "
            "paired and its intervals may be wrong.",
        )
    if text := several_versions(setting):
        yield Caution("Made by several versions", text)


def _first_batches(runs: tuple[Run, ...]) -> dict[int, set[tuple[int, ...]]]:
    batches: dict[int, set[tuple[int, ...]]] = {}
    for run in runs:
        if run.records:
            batches.setdefault(run.trial.seed, set()).add(tuple(sorted(run.records[0].chosen)))
    return batches


def _seeds(seeds: list[int]) -> str:
    return f"seed{'s' if len(seeds) > 1 else ''} {words.listed([str(seed) for seed in seeds])}"


def _shortened(setting: Setting, comparison: Comparison) -> Iterator[Caution]:
    longest = max(max(run.curve(comparison.metric), default=0) for run in setting.compared)
    if longest > comparison.labels[-1]:
        yield Caution(
            "Different lengths",
            f"Some trials go on to {words.count(longest)} labels; the tables compare "
            f"up to {words.count(comparison.labels[-1])}, which all have.",
        )


def _few_seeds(comparison: Comparison) -> Iterator[Caution]:
    few = [row for row in comparison.rows if standing(row) is Standing.FEW]
    if few:
        least = min(len(row.difference.seeds) for row in few if row.difference is not None)
        yield Caution(
            "Too few seeds",
            f"{_names(few)}: {words.several(least, 'seed')} paired with random. "
            "Below 3 pairs chance cannot be ruled out; 5 or more are advised.",
        )


def _unpaired(comparison: Comparison) -> Iterator[Caution]:
    unpaired = [row for row in comparison.rows if standing(row) is Standing.UNPAIRED]
    if comparison.row(RANDOM) is None:
        yield Caution("No random baseline", "Savings are measured against random selection, which has no curve here.")
    elif unpaired:
        yield Caution("No common seed", f"{_names(unpaired)}: no finished trial shares a seed with random.")
    lost = [(row, len(row.curves.seeds) - len(row.difference.seeds)) for row in comparison.rows if row.difference]
    partly = [f"{row.strategy} ({number})" for row, number in lost if number]
    if partly:
        yield Caution(
            "Seeds without a partner",
            "Trials whose seed has no finished random trial are in the curves "
            f"but not in the differences: {words.listed(partly)}.",
        )


def _unclear(comparison: Comparison) -> Iterator[Caution]:
    unclear = [row for row in comparison.rows if standing(row) is Standing.UNCLEAR and not _behind(row)]
    if unclear:
        best = max((row.difference.area for row in unclear if row.difference), key=lambda area: area.value)
        yield Caution(
            "Cannot be told from random",
            f"{_names(unclear)}: the difference to random may be chance at this number of seeds. {more_seeds(best)}",
        )


def _unsure_savings(comparison: Comparison) -> Iterator[Caution]:
    better = [
        (row.strategy, row.difference.saving)
        for row in comparison.rows
        if row.difference is not None and standing(row) is Standing.BETTER
    ]
    unsure = [
        f"{name} ({words.saved_interval(saving)})"
        for name, saving in better
        if not saving.moot and saving.part(saving.high_labels) <= 0
    ]
    if unsure:
        yield Caution(
            "Savings may be none",
            "The learning curve is above random's on the whole, but at random's final "
            f"accuracy the interval of the labels saved includes none: {words.listed(unsure)}.",
        )


def _not_better(comparison: Comparison) -> Iterator[Caution]:
    worse = [row for row in comparison.rows if standing(row) is Standing.WORSE]
    behind = [row for row in comparison.rows if standing(row) is Standing.UNCLEAR and _behind(row)]
    if worse:
        lie = "its learning curve lies" if len(worse) == 1 else "their learning curves lie"
        yield Caution("Worse than random", f"{_names(worse)}: {lie} below random's, beyond chance.")
    if behind:
        yield Caution("No better than random", f"{_names(behind)}: on average no gain over random's learning curve.")


def _behind(row: Row) -> bool:
    return row.difference is not None and row.difference.area.value <= 0


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


def _saturated(comparison: Comparison) -> Iterator[Caution]:
    row = comparison.row(RANDOM)
    if row is None or len(comparison.labels) < 3:
        return
    mean_T = row.curves.values_ST.mean(axis=0)
    near = next(
        count for count, mean in zip(comparison.labels, mean_T, strict=True) if mean >= SATURATED_PART * mean_T[-1]
    )
    if near <= comparison.labels[-1] / 2:
        yield Caution(
            "Accuracy is saturated",
            f"Random is within 1 % of its final accuracy from {words.count(near)} "
            f"of {words.count(comparison.labels[-1])} labels on. Beyond that there is little left to "
            "save, and savings at the final accuracy hang on noise: compare at a smaller budget.",
        )


def _validation(setting: Setting) -> Iterator[Caution]:
    most = max((record.metrics.get(VALIDATION, 0) for run in setting.runs for record in run.records), default=0)
    if most > 0:
        yield Caution(
            "Validation labels are paid for too",
            f"Training is steered by {words.count(most)} validation "
            "labels (early stopping). They come on top of the labels shown, for every strategy alike.",
        )


def _names(rows: list[Row]) -> str:
    return words.listed([row.strategy for row in rows])
