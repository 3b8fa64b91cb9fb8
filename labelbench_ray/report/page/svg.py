"""SVG as text: elements with escaped texts and attributes, paths in tenths of a unit, labels that do not overlap."""

import html
from collections.abc import Iterable, Sequence

from markupsafe import Markup

from labelbench_ray.console.escaping import escaped

Points = Iterable[tuple[float, float]]


def element(tag: str, *inner: str, **attributes: object) -> Markup:
    """An element. Underscores of attributes' names become hyphens (`class_` is `class`); empty ones are left out."""
    listed = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{html.escape(escaped(_shown(value)))}"'
        for name, value in attributes.items()
        if value != ""
    )
    content = "".join(inner)
    return Markup(f"<{tag}{listed}>{content}</{tag}>" if content else f"<{tag}{listed}/>")


def text(content: str, **attributes: object) -> Markup:
    """A text with its content escaped."""
    return element("text", html.escape(escaped(content)), **attributes)


def line_path(points: Points) -> str:
    """The path through points."""
    return "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points)


def area_path(upper: Points, lower: Points) -> str:
    """The path around an area, given its upper and lower border from left to right."""
    return line_path([*upper, *reversed([*lower])]) + "Z"


def marks_path(points: Points, marker: str) -> str:
    """A marker at each point, as one path."""
    return "".join(f"M{number(x)} {number(y)}{marker}" for x, y in points)


def number(value: float) -> str:
    """A coordinate with one decimal at most."""
    return f"{value:.1f}".removesuffix(".0")


def apart(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """The places nearest to those that are wanted at which labels of height `gap` do not overlap, in the same order.

    Where all together do not fit into `low` .. `high`, they run out of it at the end.
    """
    order = sorted(range(len(wanted)), key=lambda each: wanted[each])
    groups: list[list[int]] = []
    for each in order:
        groups.append([each])
        while len(groups) > 1 and _start(groups[-1], wanted, gap, low, high) < (
            _start(groups[-2], wanted, gap, low, high) + gap * len(groups[-2])
        ):
            last = groups.pop()
            groups[-1] += last
    places = [0.0] * len(wanted)
    for group in groups:
        start = _start(group, wanted, gap, low, high)
        for place, each in enumerate(group):
            places[each] = start + gap * place
    return places


def _start(group: list[int], wanted: Sequence[float], gap: float, low: float, high: float) -> float:
    """Where the first label of a group lies: they are stacked around the mean of what they want."""
    middle = sum(wanted[each] - gap * place for place, each in enumerate(group)) / len(group)
    return max(low, min(middle, high - gap * (len(group) - 1)))


def _shown(value: object) -> str:
    return number(value) if isinstance(value, float) else str(value)
