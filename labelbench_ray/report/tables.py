"""The report's tables as text, the same for the page and the terminal."""

from labelbench_ray.report import words
from labelbench_ray.report.cells import Cell, Table, gain
from labelbench_ray.report.findings import standing
from labelbench_ray.report.sections import Report, Section
from labelbench_ray.report.statistics.comparison import Comparison, Difference, Row
from labelbench_ray.tasks import in_a_sentence


def short_table(section: Section) -> Table:
    """What the answer rests on: labels needed and saved, and the gain at the end."""
    if section.main is None:
        return Table((), ())
    final = words.count(section.main.labels[-1])
    rows = [(row, row.difference) for row in section.main.rows if row.difference is not None]
    needs = sorted({difference.saving.random_labels for _, difference in rows})
    instead = words.listed([words.count(labels) for labels in needs])
    head = ("strategy", "labels saved", f"labels needed instead of {instead}", f"points gained at {final} labels")
    return Table(
        head,
        tuple(
            (
                Cell(row.strategy, f"{standing(row)}"),
                _saved(difference),
                Cell(words.needed(difference.saving)),
                gain(difference.final),
            )
            for row, difference in rows
        ),
    )


def strategy_table(comparison: Comparison) -> Table:
    """Per strategy: final value, mean over the curve, the differences from random, and the labels saved."""
    head = (
        "strategy",
        f"final {in_a_sentence(comparison.metric)}",
        "difference from random",
        "mean over the curve",
        "difference from random",
        "labels saved",
    )
    return Table(
        head,
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
            if run in report.troubles
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
    return gain(difference.area, difference.area_adjusted), _saved(difference)


def _saved(difference: Difference) -> Cell:
    text, interval = words.saved(difference.saving), words.saved_interval(difference.saving)
    return Cell(text, interval if interval != text else "")
