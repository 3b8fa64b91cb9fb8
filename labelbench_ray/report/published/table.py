"""The tables of a setting beside published runs."""

from collections.abc import Sequence

from labelbench_ray.report import words
from labelbench_ray.report.cells import NOTHING, Cell, Table
from labelbench_ray.report.published.beside import Beside, Finding
from labelbench_ray.report.statistics.savings import Saving


def published_tables(found: Sequence[Beside]) -> tuple[tuple[str, Table], ...]:
    """The tables that have rows, each with its caption; savings and findings beside the first published setting."""
    if not found:
        return ()
    first = found[0]
    captions = (
        ("How alike the strategies rank, beside each published setting on this data set", agreement_table(found)),
        (f"Beside the published runs of {first.published.name}", savings_table(first)),
        ("Whether published findings are seen here", findings_table(first)),
    )
    return tuple((caption, table) for caption, table in captions if table.rows)


def agreement_table(found: Sequence[Beside]) -> Table:
    """A row a published setting: how alike it ranks the strategies."""
    head = ("published setting", "strategies", "rank correlation", "p of chance", "best here", "best published")
    return Table(head, tuple(_agreement(each) for each in found))


def _agreement(each: Beside) -> tuple[Cell, ...]:
    best = min(each.strategies, key=lambda strategy: strategy.rank)
    published = min(each.strategies, key=lambda strategy: strategy.published_rank)
    return (
        Cell(each.published.name),
        Cell(str(len(each.strategies))),
        Cell(words.signed(each.correlation, 2, plus="")),
        Cell(words.p_value(each.p_value).removeprefix("p ").removeprefix("= "), key=each.p_value),
        Cell(best.strategy),
        Cell(published.strategy),
    )


def savings_table(each: Beside) -> Table:
    """A row a strategy: its rank and the labels that it saves, here and there."""
    head = ("strategy", "rank here", "rank published", "labels saved here", "labels saved, published")
    rows = [
        (
            Cell(strategy.strategy),
            Cell(str(strategy.rank)),
            Cell(str(strategy.published_rank)),
            _saved(strategy.saving),
            _saved(strategy.published_saving),
        )
        for strategy in each.strategies
    ]
    return Table(head, tuple(rows))


def findings_table(each: Beside) -> Table:
    """A row a published finding, and whether it is seen here."""
    head = ("published finding", "published difference, points", "difference here, points", "here")
    return Table(head, tuple(_finding(finding) for finding in each.findings))


def _finding(finding: Finding) -> tuple[Cell, ...]:
    here = finding.here
    name = Cell(f"{finding.first} ahead of {finding.second}")
    published = Cell(words.signed(100 * finding.published, 2))
    if here is None:
        return name, published, NOTHING, Cell("no common seed")
    return name, published, Cell(words.points(here)), Cell(_seen(finding))


def _seen(finding: Finding) -> str:
    here = finding.here
    if here is None or not here.has_interval or not here.excludes_zero:
        return "not distinguished"
    return "reproduced" if here.value > 0 else "reversed"


def _saved(saving: Saving | None) -> Cell:
    return NOTHING if saving is None else Cell(words.saved(saving), words.saved_interval(saving))
