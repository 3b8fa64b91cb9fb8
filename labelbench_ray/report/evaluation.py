"""The evaluation splits beyond validation and test, and the groups of their rows: what each strategy reaches there."""

from collections import Counter
from collections.abc import Iterable, Mapping

from labelbench_ray.datasets import split_title
from labelbench_ray.datasets._evaluation import PRIOR_SPLIT
from labelbench_ray.report import words
from labelbench_ray.report.cells import Cell, Table
from labelbench_ray.report.curves import Run, Setting
from labelbench_ray.report.statistics.comparison import Comparison, Row, compare


def evaluation_table(setting: Setting) -> Table:
    """By split and strategy: accuracy, the worst group and the gap to the best one. Without such splits, no rows."""
    primary = setting.metrics[0].removeprefix("Test ")
    head = ("split", "strategy", setting.noun, f"worst group's {setting.noun}", "worst group", "best less worst")
    splits = dict.fromkeys(split for run in setting.compared for record in run.records for split in record.groups)
    # Shifted class shares have draws, not groups, and stand in the section on distribution shift.
    rows = [row for split in splits if not split.startswith(PRIOR_SPLIT) for row in _rows(setting, split, primary)]
    return Table(head, tuple(rows))


def _rows(setting: Setting, split: str, primary: str) -> Iterable[tuple[Cell, ...]]:
    title = split_title(split)
    accuracy, worst, gap = (
        compare(setting, f"{title} {name}") for name in (primary, f"Worst Group {primary}", "Group Gap")
    )
    for row in accuracy.rows if accuracy else ():
        seeds = words.several(len(row.curves.seeds), "seed")
        labels = int(row.curves.labels_T[-1])
        yield (
            Cell(split, f"{words.count(labels)} labels"),
            Cell(row.strategy, seeds),
            Cell(words.accuracy(row.final)),
            Cell(_final(worst, row)),
            Cell(_worst_groups(setting.of(row.strategy), split, labels, primary)),
            Cell(_final(gap, row)),
        )


def _final(comparison: Comparison | None, row: Row) -> str:
    found = comparison.row(row.strategy) if comparison else None
    return words.accuracy(found.final) if found else words.NONE


def _group(rates: Mapping[str, float], worst: float | None) -> str:
    """The group with the recorded worst value, which is not of a group with few rows; without one, the lowest."""
    return next((group for group, rate in rates.items() if rate == worst), min(rates, key=rates.__getitem__))


def _worst_groups(runs: Iterable[Run], split: str, labels: int, primary: str) -> str:
    """The worst group; of several, because seeds differ, each with its number of seeds."""
    records = [record for run in runs for record in run.records if record.num_labeled == labels]
    metric = f"{split_title(split)} Worst Group {primary}"
    named = (_group(record.groups[split], record.metrics.get(metric)) for record in records if record.groups.get(split))
    worst = Counter(named).most_common()
    if len(worst) < 2:
        return "".join(group for group, _ in worst) or words.NONE
    return words.listed([f"{group} ({words.several(count, 'seed')})" for group, count in worst])
