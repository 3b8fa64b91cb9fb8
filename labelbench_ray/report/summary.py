"""The report for the terminal, for JSON, and its curves as CSV."""

import csv
import io
from math import isfinite
from typing import Any, Literal

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from labelbench_ray.costs import Prices, Spent
from labelbench_ray.report import words
from labelbench_ray.report.cells import Cell, Table
from labelbench_ray.report.comparison import Comparison, Difference, Row
from labelbench_ray.report.costs import Cost
from labelbench_ray.report.protocols import Protocol
from labelbench_ray.report.savings import Saving
from labelbench_ray.report.sections import METRICS, Report, Section
from labelbench_ray.report.statistics import Estimate
from labelbench_ray.report.tables import strategy_table, trouble_table
from labelbench_ray.report.verdict import standing

CSV_HEAD = ("setting", "strategy", "seed", "state", "round", "num_labeled", "metric", "value")


def render(report: Report) -> RenderableType:
    """The answer, the table and the cautions of each setting, for a rich console."""
    parts: list[RenderableType] = [part for section in report.sections for part in _section(section)]
    if report.troubles:
        parts.append(_table(trouble_table(report), "Trials that are not finished", "left"))
    return Group(*parts) if parts else Text(f"{report.experiment}: the grid has no trial.")


def summarize(report: Report) -> dict[str, Any]:
    """The numbers of the report as plain JSON data: fractions, label counts; absent ends of intervals are null."""
    return {
        "experiment": report.experiment,
        "prices": report.prices.model_dump(mode="json"),
        "embeddings": {
            store: _spent(each.spent) | {"trials": each.trials} for store, each in report.embeddings.items()
        },
        "settings": [
            {
                "title": section.title,
                "recipe": section.setting.recipe,
                "preliminary": section.setting.preliminary,
                "headline": section.verdict.headline,
                "detail": section.verdict.detail,
                "choice": section.verdict.choice,
                "cautions": [{"title": caution.title, "text": caution.text} for caution in section.cautions],
                "metrics": {each.metric: _comparison(each) for each in section.comparisons},
                "seconds": {
                    cost.strategy: {name: spent.wall for name, spent in cost.stages.items()} | {"cpu": cost.rounds.cpu}
                    for cost in section.costs
                },
                "costs": {cost.strategy: _cost(cost, report.prices) for cost in section.costs},
            }
            for section in report.sections
        ],
        "protocols": [_protocol(each) for each in report.across.protocols],
        "unfinished": [
            {
                "fingerprint": run.fingerprint,
                "strategy": run.strategy,
                "seed": run.trial.seed,
                "state": run.state.value,
                "rounds": len(run.records),
                "of": run.trial.rounds,
                "reason": run.note,
            }
            for run in report.troubles
        ],
    }


def curves_csv(report: Report) -> str:
    """Every recorded point of the shown metrics, one a line."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_HEAD)
    for section in report.sections:
        for run in section.setting.runs:
            writer.writerows(
                (
                    section.title,
                    run.strategy,
                    run.trial.seed,
                    run.state.value,
                    record.round,
                    record.num_labeled,
                    metric,
                    record.metrics[metric],
                )
                for record in run.records
                for metric in METRICS
                if metric in record.metrics
            )
    return text.getvalue()


def _section(section: Section) -> list[RenderableType]:
    answer = Text.assemble(
        (section.title, "bold"), "  ", (section.verdict.headline, "bold green"), "\n", section.verdict.detail
    )
    notes = [
        Padding(Text.assemble((f"{caution.title}. ", "bold yellow"), caution.text), (0, 0, 0, 2))
        for caution in section.cautions
    ]
    if section.main is None:
        return [answer, *notes]
    return [answer, _table(strategy_table(section.main), _caption(section.main), "right"), *notes, Text()]


def _caption(comparison: Comparison) -> str:
    return (
        f"{comparison.metric}, {words.count(comparison.labels[0])} to {words.count(comparison.labels[-1])} labels; "
        "95 % intervals over seeds; differences in points, paired by seed; p after Holm"
    )


def _table(table: Table, caption: str, justify: Literal["left", "right"]) -> RichTable:
    rich = RichTable(
        caption=caption, caption_justify="left", box=None, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0)
    )
    for place, name in enumerate(table.head):
        rich.add_column(name, justify=justify if place else "left", vertical="top", no_wrap=place == 0, overflow="fold")
    for row in table.rows:
        rich.add_row(*(_cell(cell) for cell in row))
    return rich


def _cell(cell: Cell) -> Text:
    return Text.assemble(cell.text, "\n", (cell.note.replace(", p", "\np"), "dim")) if cell.note else Text(cell.text)


def _comparison(comparison: Comparison) -> dict[str, Any]:
    return {"labels": list(comparison.labels), "strategies": {row.strategy: _row(row) for row in comparison.rows}}


def _row(row: Row) -> dict[str, Any]:
    facts = {
        "seeds": list(row.curves.seeds),
        "final": _estimate(row.final),
        "area": _estimate(row.area),
        "standing": standing(row).value,
    }
    return facts | _difference(row.difference) if row.difference else facts


def _difference(difference: Difference) -> dict[str, Any]:
    return {
        "paired_seeds": list(difference.seeds),
        "final_difference": _estimate(difference.final) | {"adjusted_p": difference.final_adjusted},
        "area_difference": _estimate(difference.area) | {"adjusted_p": difference.area_adjusted},
        "saving": _saving(difference.saving),
    }


def _cost(cost: Cost, prices: Prices) -> dict[str, Any]:
    return {
        "labels": cost.labels,
        "rounds": _spent(cost.rounds),
        "finetune": _spent(cost.finetune),
        "embedding_share": _spent(cost.embedding),
        "money": prices.money(cost.spent, cost.labels),
    }


def _spent(spent: Spent) -> dict[str, Any]:
    return {
        "wall_seconds": spent.wall,
        "cpu_seconds": spent.cpu,
        "gpu_seconds": spent.gpu,
        "bytes_written": spent.bytes_written,
    }


def _protocol(each: Protocol) -> dict[str, Any]:
    return {
        "strategy": each.strategy,
        "proxy": str(each.setting.trial.proxy),
        "full": str(each.full.trial.proxy),
        "seeds": each.seeds,
        "rounds": each.rounds,
        "ratio_in_rounds": each.in_rounds.value if each.in_rounds else None,
        "ratio_with_final": each.with_final.value if each.with_final else None,
        "formula": each.formula,
        "accuracy_difference": _estimate(each.accuracy),
        "finetuned": each.finetuned,
    }


def _saving(saving: Saving) -> dict[str, Any]:
    ends = (saving.part(saving.high_labels), saving.part(saving.low_labels)) if saving.told else (-1e999, -1e999)
    return {
        "target": saving.target,
        "random_labels": saving.random_labels,
        "labels": _finite(saving.labels),
        "fraction": _finite(saving.fraction),
        "low": _finite(ends[0]),
        "high": _finite(ends[1]),
        "reached": saving.reached,
        "at_least": saving.at_least,
        "text": words.saved_fully(saving),
    }


def _estimate(estimate: Estimate) -> dict[str, Any]:
    return {
        "mean": estimate.value,
        "low": _finite(estimate.low),
        "high": _finite(estimate.high),
        "spread": estimate.spread,
        "seeds": estimate.seeds,
        "p": estimate.p_value,
    }


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None
