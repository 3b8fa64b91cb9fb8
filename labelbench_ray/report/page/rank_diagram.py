"""The critical-difference diagram: strategies at their average ranks, a bar over each clique that does not differ."""

from typing import Final

from markupsafe import Markup

from labelbench_ray.report.page import svg
from labelbench_ray.report.page.scales import Scale
from labelbench_ray.report.statistics.ranks import Ranks

WIDTH: Final = 640.0
NAMES: Final = 190.0
"""The width for names on each side."""
MOST_TICKS: Final = 12
TOP, ROW, BAR = 44.0, 22.0, 9.0


def rank_diagram(ranks: Ranks) -> Markup:
    """Best on the left. Bars over strategies join those of which no pair differs at 5 % after Holm's adjustment."""
    count = len(ranks.strategies)
    across = Scale(1.0, float(count), NAMES, WIDTH - NAMES)
    names_top = TOP + 14 + BAR * len(ranks.cliques)
    left = (count + 1) // 2
    height = names_top + ROW * left + 8
    parts = [svg.element("line", x1=across.start, x2=across.end, y1=TOP, y2=TOP, class_="axis")]
    for rank in _ticks(count):
        x = across.at(float(rank))
        parts.append(svg.element("line", x1=x, x2=x, y1=TOP - 5, y2=TOP, class_="axis"))
        parts.append(svg.text(str(rank), x=x, y=TOP - 10, text_anchor="middle", class_="tick"))
    parts.append(svg.text("average rank", x=WIDTH / 2, y=14, text_anchor="middle", class_="title"))
    for place, (name, rank_value) in enumerate(zip(ranks.strategies, ranks.average_M, strict=True)):
        row = place if place < left else count - 1 - place
        parts += _strategy(name, across.at(float(rank_value)), names_top + ROW * (row + 0.5), place < left)
    for place, (first, last) in enumerate(ranks.cliques):
        y = TOP + 10 + BAR * place
        ends = across.at(float(ranks.average_M[first])) - 3, across.at(float(ranks.average_M[last])) + 3
        parts.append(svg.element("line", x1=ends[0], x2=ends[1], y1=y, y2=y, class_="clique"))
    listed = "; ".join(
        f"{name} {rank_value:.2f}" for name, rank_value in zip(ranks.strategies, ranks.average_M, strict=True)
    )
    return svg.element(
        "svg",
        *parts,
        role="img",
        aria_label=f"Average ranks: {listed}.",
        viewBox=f"0 0 {svg.number(WIDTH)} {svg.number(height)}",
        class_="plot",
    )


def _ticks(count: int) -> list[int]:
    """The first rank and every second, third and so on, so that numbers stay apart."""
    step = -(-count // MOST_TICKS)
    return [rank for rank in range(1, count + 1) if rank == 1 or rank % step == 0]


def _strategy(name: str, x: float, y: float, on_left: bool) -> list[Markup]:
    """A line down from the axis and out to the name."""
    end, anchor = (NAMES - 14, "end") if on_left else (WIDTH - NAMES + 14, "start")
    path = svg.line_path([(x, TOP), (x, y), (end, y)])
    label = svg.text(name, x=end - 6 if on_left else end + 6, y=y + 4, text_anchor=anchor)
    return [svg.element("path", d=path, class_="rank-line"), label]
