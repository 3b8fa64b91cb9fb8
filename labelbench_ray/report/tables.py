"""The report's tables as text, the same for the page and the terminal."""

from typing import Final

from labelbench_ray.ledger.state import TrialState
from labelbench_ray.report import words
from labelbench_ray.report.cells import Cell, Table, gain
from labelbench_ray.report.sections import Report, Section
from labelbench_ray.report.statistics.comparison import Comparison, Difference, Row
from labelbench_ray.report.statistics.pairwise import pairwise
from labelbench_ray.report.statistics.savings import Saving
from labelbench_ray.tasks import in_a_sentence

MOST_PAIRS: Final = 15
"""Pairs of strategies that are all shown."""


def strategy_table(comparison: Comparison) -> Table:
    """Per strategy: final value, mean over the curve, the differences from the baseline, and the labels saved.

    The differences and savings are left out where nothing is compared with the baseline.
    """
    final, difference = f"final {in_a_sentence(comparison.metric)}", f"difference from {comparison.baseline}"
    if not comparison.compared:
        return Table(("strategy", final, "mean over the curve"), tuple(map(_alone, comparison.rows)))
    return Table(
        ("strategy", final, difference, "mean over the curve", difference, "labels saved"),
        tuple(
            (
                Cell(row.strategy, _seeds(row)),
                Cell(words.accuracy(row.final)),
                *_final(row.difference),
                Cell(words.accuracy(row.area)),
                *_area(row.difference),
            )
            for row in comparison.rows
        ),
    )


def _alone(row: Row) -> tuple[Cell, ...]:
    return Cell(row.strategy, _seeds(row)), Cell(words.accuracy(row.final)), Cell(words.accuracy(row.area))


def _saved_cell(saving: Saving) -> Cell:
    """The labels saved over their interval."""
    text, interval = words.saved(saving), words.saved_interval(saving)
    return Cell(text, interval if interval != text else "")


def pairs_table(comparison: Comparison) -> Table:
    """Strategies against each other, where there is no baseline: every pair, of many those of the best strategy."""
    pairs = () if comparison.has_baseline else pairwise(comparison)
    shown = [pair for pair in pairs if len(pairs) <= MOST_PAIRS or pair.first == comparison.rows[0].strategy]
    head = ("strategy", "less strategy", "final", "mean over the curve", "seeds")
    return Table(
        head,
        tuple(
            (
                Cell(pair.first),
                Cell(pair.second),
                gain(pair.final, pair.final_adjusted),
                gain(pair.area, pair.area_adjusted),
                Cell(str(len(pair.seeds))),
            )
            for pair in shown
        ),
    )


def finetuned_tables(section: Section) -> tuple[tuple[str, Table], ...]:
    """For each recipe: what full models reached by strategy and number of labels, and what the proxy did."""
    proxy = section.setting.trial.proxy
    head = ("strategy", "labels", "full model", f"proxy {proxy}", "full model less proxy")
    return tuple(
        (
            recipe,
            Table(
                head,
                tuple(
                    (
                        Cell(each.strategy, words.several(each.accuracy.seeds, "seed")),
                        Cell(words.count(each.labels)),
                        Cell(words.accuracy(each.accuracy)),
                        Cell(words.accuracy(each.proxy) if each.proxy else words.NONE),
                        gain(each.gain) if each.gain else Cell(words.NONE),
                    )
                    for each in section.finetuned
                    if each.recipe == recipe
                ),
            ),
        )
        for recipe in dict.fromkeys(each.recipe for each in section.finetuned)
    )


def trouble_table(report: Report) -> Table:
    """The trials that are not finished, each with its reason."""
    head = ("strategy", "seed", "setting", "state", "rounds", "reason", "folder")
    return Table(
        head,
        tuple(
            (
                Cell(run.strategy),
                Cell(str(run.trial.seed)),
                Cell(section.title),
                Cell(run.state.words),
                Cell(f"{len(run.records)} of {run.trial.rounds}"),
                Cell(run.reason),
                Cell(run.fingerprint),
            )
            for section in report.sections
            for run in section.setting.runs
            if run.state is not TrialState.DONE
        ),
    )


def _seeds(row: Row) -> str:
    have = len(row.curves.seeds)
    paired = len(row.difference.seeds) if row.difference else have
    return words.several(have, "seed") + (f", {paired} paired" if paired != have else "")


def _final(difference: Difference | None) -> tuple[Cell]:
    return (gain(difference.final, difference.final_adjusted) if difference else Cell(words.NONE),)


def _area(difference: Difference | None) -> tuple[Cell, Cell]:
    if difference is None:
        return Cell(words.NONE), Cell(words.NONE)
    return gain(difference.area, difference.area_adjusted), _saved_cell(difference.saving)
