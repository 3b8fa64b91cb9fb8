"""The model's accuracy after each batch, with its intervals and the forecast."""

from typing import Final

import numpy as np
from markupsafe import Markup

from labelbench_ray.campaign.standing import Point
from labelbench_ray.campaign.status import CampaignStatus
from labelbench_ray.report import words
from labelbench_ray.report.page import svg
from labelbench_ray.report.page.axes import BOTTOM, HEIGHT, LEFT, TOP, WIDTH, axis_texts, grid
from labelbench_ray.report.page.scales import Scale, padded
from labelbench_ray.report.statistics.forecast import Forecast

RIGHT: Final = 16.0
DASH: Final = "6 4"
RADIUS: Final = 3.5


def accuracy_figure(status: CampaignStatus) -> Markup | None:
    """Accuracy in % by labels; None where nothing is measured."""
    points, ahead = status.points, status.forecast
    if not points:
        return None
    across, up = _scales(points, ahead)
    parts = [*grid(up, across), *axis_texts("labels that the model learned from", across, whole=True)]
    group = [*(_forecast(points[-1], ahead, across, up) if ahead else []), *_measured(points, across, up)]
    return svg.element(
        "svg",
        *parts,
        svg.element("g", *group, class_="curve series-0 on"),
        role="img",
        aria_label=_alt(points),
        viewBox=f"0 0 {svg.number(WIDTH)} {svg.number(HEIGHT)}",
        class_="plot",
    )


def _scales(points: tuple[Point, ...], ahead: Forecast | None) -> tuple[Scale, Scale]:
    right = float(ahead.labels_M[-1]) if ahead else 1.1 * points[-1].labels
    lows, highs = ([getattr(point.estimate, end) for point in points] for end in ("low", "high"))
    if ahead:
        lows, highs = [*lows, *ahead.low_M.tolist()], [*highs, *ahead.high_M.tolist()]
    low, high = padded(100 * max(min(lows), 0.0), 100 * min(max(highs), 1.0))
    return Scale(0.0, right, LEFT, WIDTH - RIGHT), Scale(low, high, HEIGHT - BOTTOM, TOP)


def _measured(points: tuple[Point, ...], across: Scale, up: Scale) -> list[Markup]:
    """A dot with its interval for each model, and a line through them."""
    places = [(across.at(point.labels), up.at(100 * point.estimate.accuracy)) for point in points]
    parts = [svg.element("path", d=svg.line_path(places), class_="line")] if len(points) > 1 else []
    for (x, y), point in zip(places, points, strict=True):
        low, high = up.at(100 * point.estimate.low), up.at(100 * point.estimate.high)
        estimate = point.estimate
        title = (
            f"{words.several(point.labels, 'label')}: {words.percent(estimate.accuracy)} "
            f"({words.percent(estimate.low)} to {words.percent(estimate.high)})"
        )
        interval = svg.element("line", x1=x, x2=x, y1=low, y2=high, class_="interval")
        dot = svg.element("circle", cx=x, cy=y, r=RADIUS, class_="mean")
        parts.append(svg.element("g", svg.element("title", str(Markup.escape(title))), interval, dot))
    return parts


def _forecast(last: Point, ahead: Forecast, across: Scale, up: Scale) -> list[Markup]:
    """The band from the last model on, and a dashed line in it."""
    start = across.at(last.labels), up.at(100 * last.estimate.accuracy)
    x_M = [across.at(labels) for labels in ahead.labels_M.tolist()]

    def line(accuracies: np.ndarray) -> list[tuple[float, float]]:
        heights = [up.at(100 * each) for each in np.clip(accuracies, 0, 1).tolist()]
        return [start, *zip(x_M, heights, strict=True)]

    return [
        svg.element("path", d=svg.area_path(line(ahead.high_M), line(ahead.low_M)), class_="band"),
        svg.element("path", d=svg.line_path(line(ahead.accuracies_M)), class_="line", stroke_dasharray=DASH),
    ]


def _alt(points: tuple[Point, ...]) -> str:
    values = ", ".join(f"{words.percent(point.estimate.accuracy)} with {point.labels:,}" for point in points)
    return f"Accuracy of the model by the number of labels: {values}."
