"""The report as JSON data, and its curves as CSV."""

import csv
import io
from typing import Any

from labelbench_ray.costs import Prices
from labelbench_ray.report import plain, words
from labelbench_ray.report.costs import StrategyCost
from labelbench_ray.report.findings import findings, standing
from labelbench_ray.report.sections import Report, Section
from labelbench_ray.report.statistics.comparison import Comparison, Difference, Row
from labelbench_ray.report.statistics.savings import Saving

CSV_HEAD = ("setting", "strategy", "seed", "state", "round", "num_labeled", "metric", "value")


def summarize(report: Report) -> dict[str, Any]:
    """The numbers of the report as plain JSON data: fractions, label counts; absent ends of intervals are null."""
    return {
        "experiment": report.experiment,
        "prices": report.prices.model_dump(mode="json"),
        "embeddings": {
            store: plain.spent(each.spent) | {"trials": each.trials} for store, each in report.embeddings.items()
        },
        "settings": [
            {
                "title": section.title,
                "recipe": section.setting.recipe,
                "preliminary": section.setting.preliminary,
                "headline": section.verdict.headline,
                "detail": section.verdict.detail,
                "choice": section.verdict.choice,
                "measure": _measure(section),
                "cautions": [{"title": caution.title, "text": caution.text} for caution in section.cautions],
                "metrics": {each.metric: _comparison(each) for each in section.comparisons},
                "seconds": {
                    cost.strategy: {name: spent.wall for name, spent in cost.stages.items()} | {"cpu": cost.rounds.cpu}
                    for cost in section.costs
                },
                "finetunes": [plain.finetuned(each) for each in section.finetuned],
                "costs": {cost.strategy: _cost(cost, report.prices) for cost in section.costs},
            }
            for section in report.sections
        ],
        "protocols": [plain.protocol(each) for each in report.across.protocols],
        "wholes": [plain.whole(each) for each in report.across.wholes],
        "fidelity": [plain.trust(each) for each in report.across.trusts],
        "fidelity_threshold": plain.threshold(report.across.threshold),
        "continual": [plain.continued(each) for each in report.across.continual],
        "contributions": [plain.ablation(each) for each in report.across.ablations],
        "unfinished": [
            {
                "fingerprint": run.fingerprint,
                "strategy": run.strategy,
                "seed": run.trial.seed,
                "state": run.state.value,
                "rounds": len(run.records),
                "of": run.trial.rounds,
                "reason": run.reason,
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
                for metric in section.setting.metrics
                if metric in record.metrics
            )
    return text.getvalue()


def _measure(section: Section) -> str | None:
    """By what the verdict goes, as the tables name it."""
    finding = section.verdict.finding
    return finding.measure.of(section.setting.noun) if finding else None


def _comparison(comparison: Comparison) -> dict[str, Any]:
    return {"labels": list(comparison.labels), "strategies": {row.strategy: _row(row) for row in comparison.rows}}


def _row(row: Row) -> dict[str, Any]:
    known = findings(row)
    facts = {
        "seeds": list(row.curves.seeds),
        "final": plain.estimate(row.final),
        "area": plain.estimate(row.area),
        "standing": standing(row).value,
        "standings": {each.measure.value: each.standing.value for each in known.every} if known else {},
    }
    return facts | _difference(row.difference) if row.difference else facts


def _difference(difference: Difference) -> dict[str, Any]:
    return {
        "paired_seeds": list(difference.seeds),
        "final_difference": plain.estimate(difference.final) | {"adjusted_p": difference.final_adjusted},
        "area_difference": plain.estimate(difference.area) | {"adjusted_p": difference.area_adjusted},
        "saving": _saving(difference.saving),
    }


def _cost(cost: StrategyCost, prices: Prices) -> dict[str, Any]:
    return {
        "labels": cost.labels,
        "rounds": plain.spent(cost.rounds),
        "finetune": plain.spent(cost.finetune),
        "embedding_share": plain.spent(cost.embedding),
        "money": prices.money(cost.spent, cost.labels),
    }


def _saving(saving: Saving) -> dict[str, Any]:
    ends = (
        (saving.part(saving.high_labels), saving.part(saving.low_labels)) if saving.has_interval else (-1e999, -1e999)
    )
    return {
        "target": saving.target,
        "random_labels": saving.random_labels,
        "labels": plain.finite(saving.labels),
        "fraction": plain.finite(saving.fraction),
        "low": plain.finite(ends[0]),
        "high": plain.finite(ends[1]),
        "reached": saving.reached,
        "at_least": saving.at_least,
        "text": words.saved_fully(saving),
    }
