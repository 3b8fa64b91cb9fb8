"""The tables of several tasks: each strategy's risk, predicted and measured, and what it bought of which task."""

from labelbench_ray.report import words
from labelbench_ray.report.cells import NOTHING, Cell, Table, ratio_cell
from labelbench_ray.report.cost_tables import title_but
from labelbench_ray.report.multitask import Multitask, TaskRows
from labelbench_ray.report.sections import Report


def multitask_table(report: Report) -> Table:
    """A row a strategy."""
    head = (
        "strategy",
        "seeds",
        "source rows",
        "their cost",
        "tasks with rows",
        "predicted risk ÷ equal rows",
        "test error ÷ equal rows",
        "target alone ÷ this",
        "rounds in which relevance is identified",
    )
    return Table(
        head,
        tuple(
            (
                Cell(each.strategy, _title(report, each)),
                Cell(str(each.seeds)),
                Cell(words.count(each.rows)),
                Cell(words.count(each.cost)),
                Cell(f"{each.tasks:.1f}"),
                Cell(words.times(each.predicted)),
                ratio_cell(each.measured),
                ratio_cell(each.alone),
                Cell(f"{each.identified} of {each.rounds}") if each.rounds else NOTHING,
            )
            for each in report.across.multitask
        ),
    )


def allocation_tables(report: Report) -> tuple[tuple[str, Table], ...]:
    """For each strategy, its name and how many rows of each task it bought in each round."""
    return tuple((_name(report, each), _allocation(each)) for each in report.across.multitask)


def _allocation(each: Multitask) -> Table:
    rounds = len(each.allocation[0].rounds) if each.allocation else 0
    head = ("task", *(f"round {number}" for number in range(rounds)), "all", "share of the heads")
    return Table(head, tuple(_row(task) for task in each.allocation))


def _row(task: TaskRows) -> tuple[Cell, ...]:
    name = "all others" if task.task is None else f"{task.task}{' (target)' if task.is_target else ''}"
    share = NOTHING if task.share is None else Cell(words.percent(task.share))
    return (Cell(name), *(Cell(f"{rows:.1f}") for rows in task.rounds), Cell(f"{sum(task.rounds):.1f}"), share)


def _name(report: Report, each: Multitask) -> str:
    title = _title(report, each)
    return f"{each.strategy}, {title}" if title else each.strategy


def _title(report: Report, each: Multitask) -> str:
    return title_but(report, each.setting, "strategy")
