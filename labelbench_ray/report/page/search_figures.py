"""Drawings of a search: what its points reached, against each searched setting."""

from math import ceil, floor, log10

from markupsafe import Markup

from labelbench_ray.report.page import svg
from labelbench_ray.report.page.axes import BOTTOM, HEIGHT, LEFT, TOP, WIDTH, axis_texts, grid
from labelbench_ray.report.page.scales import Scale, padded
from labelbench_ray.report.searched import Point, Searched

RIGHT = WIDTH - 12


def search_figures(found: Searched | None) -> tuple[tuple[str, Markup], ...]:
    """A drawing for each searched setting, by its name; none before two points have a value."""
    if found is None or sum(point.value is not None for point in found.points) < 2:
        return ()
    return tuple((name, _figure(found, name, words)) for name, words in found.note.over.items())


def _figure(found: Searched, name: str, words: str) -> Markup:
    points = [point for point in (*found.points, found.base) if point.value is not None]
    values = [100 * point.value for point in points if point.value is not None]
    up = Scale(*padded(min(values), max(values)), HEIGHT - BOTTOM, TOP)
    logarithmic = words.startswith("loguniform")
    places = [_place(point.settings[name], logarithmic) for point in points if name in point.settings]
    across = Scale(*padded(min(places), max(places), least=1e-9), LEFT, RIGHT)
    texts = _powers(name, across) if logarithmic else axis_texts(name, across, whole=words.startswith("integers"))
    base = found.base.value
    lines = [] if base is None else [_level(up.at(100 * base), across)]
    dots = [
        _dot(point, across.at(_place(point.settings[name], logarithmic)), up)
        for point in points
        if name in point.settings and point is not found.base
    ]
    return svg.element(
        "svg",
        *grid(up, across),
        *texts,
        *lines,
        *dots,
        role="img",
        aria_label=f"{found.note.metric} of {len(dots)} points, in %, against {name}.",
        viewBox=f"0 0 {svg.number(WIDTH)} {svg.number(HEIGHT)}",
        class_="plot",
    )


def _place(value: float, logarithmic: bool) -> float:
    return log10(value) if logarithmic else float(value)


def _powers(title: str, across: Scale) -> list[Markup]:
    """A horizontal axis of logarithms, with ticks at powers of 10, or at its ends where there is none."""
    powers = [float(power) for power in range(ceil(across.low), floor(across.high) + 1)]
    bottom = HEIGHT - BOTTOM
    texts = [
        svg.text(f"{10**place:.3g}", x=across.at(place), y=bottom + 16, text_anchor="middle", class_="tick")
        for place in powers or [across.low, across.high]
    ]
    rule = svg.element("line", x1=across.start, x2=across.end, y1=bottom, y2=bottom, class_="axis")
    middle = (across.start + across.end) / 2
    return [rule, *texts, svg.text(title, x=middle, y=HEIGHT - 8, text_anchor="middle", class_="title")]


def _level(y: float, across: Scale) -> Markup:
    return svg.element("line", x1=across.start, x2=across.end, y1=y, y2=y, class_="threshold")


def _dot(point: Point, x: float, up: Scale) -> Markup:
    assert point.value is not None
    return svg.element("circle", cx=x, cy=up.at(100 * point.value), r=3.6, class_="dot series-0")
