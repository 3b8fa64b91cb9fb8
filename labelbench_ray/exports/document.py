"""An experiment's report as one JSON document: verdicts, cautions, costs, and every table but the labels."""

from dataclasses import asdict
from typing import Any

from labelbench_ray.costs import Prices
from labelbench_ray.exports.formats import plain
from labelbench_ray.exports.strategies import compared, comparisons_table, savings_table
from labelbench_ray.exports.trials import rounds_table, trials_table
from labelbench_ray.report.curves import Experiment
from labelbench_ray.report.outlook import Outlook, outlooks
from labelbench_ray.report.searched import Point, Searched
from labelbench_ray.report.sections import Report, Section
from labelbench_ray.storage.versions import versions


def document(report: Report) -> dict[str, Any]:
    """The document as JSON data. Fractions are fractions, not per cent; what is not finite is null."""
    experiment = Experiment(report.experiment, tuple(section.setting for section in report.sections))
    found = list(compared([experiment]))
    values = {
        "experiment": report.experiment,
        "written_by": versions(),
        "prices": report.prices,
        "embeddings": report.embeddings,
        "settings": [_setting(section, report.prices) for section in report.sections],
        "protocols": [plain(each) | {"formula": each.formula} for each in report.across.protocols],
        "selection_via_proxy": report.across.wholes,
        "selectors": report.across.selectors,
        "fidelity": report.across.trusts,
        "fidelity_threshold": report.across.threshold,
        "continual": report.across.continual,
        "multitask": report.across.multitask,
        "search": report.across.search and _search(report.across.search),
        "contributions": report.across.ablations,
        "over_settings": report.across.over_settings,
        "savings": savings_table(found).to_pylist(),
        "comparisons": comparisons_table(found).to_pylist(),
        "trials": trials_table([experiment]).to_pylist(),
        "rounds": rounds_table([experiment]).to_pylist(),
    }
    document: dict[str, Any] = plain(values)
    return document


def _search(found: Searched) -> dict[str, Any]:
    return {
        "over": found.note.over,
        "metric": found.note.metric,
        "trials": found.note.trials,
        "base": _point(found.base),
        "points": [_point(point) for point in found.points],
        "gain_on_check_seeds": found.gain,
    }


def _point(point: Point) -> dict[str, Any]:
    return {"trial": point.run.fingerprint, "settings": point.settings, "value": point.value}


def _setting(section: Section, prices: Prices) -> dict[str, Any]:
    verdict = section.verdict
    return {
        "title": section.title,
        "recipe": section.setting.recipe,
        "baseline": section.setting.baseline,
        "preliminary": section.setting.preliminary,
        "headline": verdict.headline,
        "detail": verdict.detail,
        "choice": verdict.choice,
        "measure": verdict.finding.measure.of(section.setting.noun) if verdict.finding else None,
        "chosen_by_other_seeds": verdict.winner,
        "cautions": section.cautions,
        "finetunes": section.finetuned,
        "outlook": [_outlook(each) for each in outlooks(section.setting, section.main)],
        "rare_classes": section.rare,
        "shifts": section.shifts,
        "costs": [plain(each) | {"money": prices.money(each.spent, each.labels)} for each in section.costs],
    }


def _outlook(found: Outlook) -> dict[str, Any]:
    ahead = found.forecast
    return {
        "strategy": found.strategy,
        "labels": found.labels,
        "value": found.value,
        "forecasts": [
            {
                "labels": float(labels),
                "value": float(ahead.accuracies_M[target]),
                "low": float(ahead.low_M[target]),
                "high": float(ahead.high_M[target]),
                "worth_it": found.call(target),
                "points_per_1000_labels": asdict(found.points(target)),
            }
            for target, labels in enumerate(ahead.labels_M)
        ],
        "earlier_forecasts": ahead.backtests,
        "earlier_forecasts_that_held": ahead.held,
    }
