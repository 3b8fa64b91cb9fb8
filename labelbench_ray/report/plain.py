"""Parts of the report as plain JSON data; what is not finite is null."""

from math import isfinite
from typing import Any

from labelbench_ray.costs import Cost
from labelbench_ray.report.continual import Continued
from labelbench_ray.report.contributions import Ablation
from labelbench_ray.report.fidelity import Trust
from labelbench_ray.report.finetuned import FineTuned
from labelbench_ray.report.protocols import Protocol, Ratio, Whole
from labelbench_ray.report.statistics.paired import Estimate
from labelbench_ray.report.threshold import Threshold

Plain = dict[str, Any]


def finite(value: float) -> float | None:
    """The value, or null."""
    return value if isfinite(value) else None


def estimate(found: Estimate) -> Plain:
    """Mean, interval, spread over seeds and p."""
    return {
        "mean": found.value,
        "low": finite(found.low),
        "high": finite(found.high),
        "spread": found.spread,
        "seeds": found.seeds,
        "intervals_at_once": found.comparisons,
        "p": found.p_value,
    }


def ratio(found: Ratio) -> Plain:
    """With the seeds' least and largest."""
    return {"value": found.value, "low": found.low, "high": found.high}


def spent(found: Cost) -> Plain:
    """Seconds and bytes."""
    return {
        "wall_seconds": found.wall,
        "cpu_seconds": found.cpu,
        "gpu_seconds": found.gpu,
        "bytes_written": found.bytes_written,
    }


def finetuned(each: FineTuned) -> Plain:
    """A full model at one number of labels."""
    return {
        "strategy": each.strategy,
        "recipe": each.recipe,
        "labels": each.labels,
        "accuracy": estimate(each.accuracy),
        "proxy": _maybe(each.proxy),
        "gain": _maybe(each.gain),
    }


def protocol(each: Protocol) -> Plain:
    """Choosing with the full model against choosing by proxy."""
    return {
        "strategy": each.strategy,
        "proxy": str(each.setting.trial.proxy),
        "full": str(each.full.trial.proxy),
        "seeds": each.seeds,
        "rounds": each.rounds,
        "ratio_in_rounds": each.in_rounds.value if each.in_rounds else None,
        "ratio_with_final": each.with_final.value if each.with_final else None,
        "formula": each.formula,
        "accuracy_difference": estimate(each.accuracy),
        "finetuned": each.finetuned,
    }


def whole(each: Whole) -> Plain:
    """All of selection-via-proxy over its fine-tune alone."""
    return {
        "setting": each.setting.recipe,
        "strategy": each.strategy,
        "recipe": each.recipe,
        "seeds": each.seeds,
        "ratio_with_share": ratio(each.shared),
        "ratio_with_all": ratio(each.unshared),
    }


def trust(each: Trust) -> Plain:
    """A proxy's fidelity by the number of labels."""
    return {
        "setting": each.setting.recipe,
        "strategy": each.strategy,
        "recipe": each.recipe,
        "target": each.target,
        "proxy_labels": finite(each.proxy_labels),
        "full_labels": finite(each.full_labels),
        "points": [
            {
                "labels": line.labels,
                "batch_overlap": _maybe(line.overlap),
                "score_correlation": _maybe(line.correlation),
                "accuracy_gap": _maybe(line.gap),
            }
            for line in each.lines
        ],
    }


def threshold(found: Threshold | None) -> Plain | None:
    """The overlap below which the accuracy gap grows at equal numbers of labels; null where too little is known."""
    if found is None:
        return None
    return {
        "points": found.points,
        "p": found.p_value,
        "overlap": found.overlap,
        "slope": found.slope,
    }


def continued(each: Continued) -> Plain:
    """Going on from the last round against from scratch."""
    return {
        "setting": each.setting.recipe,
        "strategy": each.strategy,
        "seeds": each.seeds,
        "fit_ratio": ratio(each.fit),
        "accuracy_difference": estimate(each.accuracy),
    }


def ablation(each: Ablation) -> Plain:
    """What each part contributes, in fractions of accuracy."""
    return {
        "title": each.title,
        "labels": each.labels,
        "parts": [
            {
                "field": part.field,
                "level": part.level,
                "instead_of": part.plain,
                "other_steps_and_views": part.unlike,
                "effect": estimate(part.effect),
                "contexts": [{"beside": context, "effect": estimate(found)} for context, found in part.contexts],
            }
            for part in each.parts
        ],
        "together": _maybe(each.together),
    }


def _maybe(found: Estimate | None) -> Plain | None:
    return estimate(found) if found else None
