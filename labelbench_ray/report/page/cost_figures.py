"""Drawings of what each part of a recipe adds, and of how far a proxy can be trusted."""

from typing import Final

import numpy as np
from markupsafe import Markup

from labelbench_ray.report import words
from labelbench_ray.report.contributions import Ablation
from labelbench_ray.report.page import svg
from labelbench_ray.report.page.axes import BOTTOM, HEIGHT, LEFT, TOP, WIDTH, axis_texts, grid, label
from labelbench_ray.report.page.palette import COLORS
from labelbench_ray.report.page.scales import Scale, padded, ticks
from labelbench_ray.report.statistics.paired import Estimate
from labelbench_ray.report.threshold import Block, Threshold

NAMES: Final = 180.0
"""The width for the names of parts."""
ROW: Final = 26.0


def contributions(ablation: Ablation) -> Markup:
    """One line a part: its mean contribution with the interval, and a dot for each combination of the others."""
    lines: list[tuple[str, Estimate, list[float]]] = [
        (part.name, part.effect, [100 * estimate.value for _, estimate in part.contexts]) for part in ablation.parts
    ]
    lines += [("all together", ablation.together, [])] if ablation.together else []
    every = [0.0, *(value for _, effect, dots in lines for value in (*_interval(effect), *dots))]
    across = Scale(*padded(min(every), max(every)), NAMES, WIDTH - 12)
    bottom = TOP + ROW * len(lines)
    zero = across.at(0)
    parts = [svg.element("line", x1=zero, x2=zero, y1=TOP, y2=bottom, class_="zero")]
    for place, (name, effect, dots) in enumerate(lines):
        parts += _part(name, effect, dots, across, TOP + ROW * (place + 0.5))
    parts += [
        svg.text(tick.text, x=across.at(tick.value), y=bottom + 16, text_anchor="middle", class_="tick")
        for tick in ticks(across.low, across.high, 6, plus="+")
    ]
    title = f"points of final {ablation.noun}"
    parts.append(svg.text(title, x=(NAMES + WIDTH) / 2, y=bottom + 36, text_anchor="middle", class_="title"))
    texts = "; ".join(f"{text}: {words.points(effect)}" for text, effect, _ in lines)
    return svg.element(
        "svg",
        *parts,
        role="img",
        aria_label=f"What each part adds to final {ablation.noun}, in points. {texts}.",
        viewBox=f"0 0 {svg.number(WIDTH)} {svg.number(bottom + BOTTOM)}",
        class_="plot",
    )


def fidelity(measured: tuple[Block, ...], found: Threshold | None) -> Markup:
    """Accuracy gap against batch overlap, one dot a trial and round, one color a number of labels."""
    counts = sorted({labels for block in measured for labels in block.labels})
    overlaps = np.concatenate([block.overlap_RL.ravel() for block in measured])
    gaps = 100 * np.concatenate([block.gap_RL.ravel() for block in measured])
    across = Scale(*padded(float(overlaps.min()), float(overlaps.max()), least=0.01), LEFT, WIDTH - 12)
    up = Scale(*padded(min(0.0, float(gaps.min())), max(0.0, float(gaps.max()))), HEIGHT - BOTTOM, TOP)
    parts = [*grid(up, across, plus="+"), *axis_texts("overlap of the batches", across, whole=False)]
    parts.append(svg.element("line", x1=across.start, x2=across.end, y1=up.at(0), y2=up.at(0), class_="zero"))
    for block in measured:
        for labels, overlap_R, gap_R in zip(block.labels, block.overlap_RL.T, block.gap_RL.T, strict=True):
            color = f"dot series-{counts.index(labels) % COLORS}"
            parts += [
                svg.element("circle", cx=across.at(overlap), cy=up.at(100 * gap), r=3.2, class_=color)
                for overlap, gap in zip(overlap_R.tolist(), gap_R.tolist(), strict=True)
            ]
    if found is not None and found.overlap is not None:
        x = across.at(found.overlap)
        parts.append(svg.element("line", x1=x, x2=x, y1=TOP, y2=HEIGHT - BOTTOM, class_="threshold"))
    return svg.element(
        "svg",
        *parts,
        role="img",
        aria_label=f"Accuracy gap against batch overlap of {gaps.size} trials and rounds.",
        viewBox=f"0 0 {svg.number(WIDTH)} {svg.number(HEIGHT)}",
        class_="plot",
    )


def _interval(effect: Estimate) -> tuple[float, ...]:
    ends = (effect.low, effect.value, effect.high) if effect.has_interval else (effect.value,)
    return tuple(100 * end for end in ends)


def _part(name: str, effect: Estimate, dots: list[float], across: Scale, y: float) -> list[Markup]:
    look = "series-0" if dots else "series-1"
    ends = [across.at(end) for end in _interval(effect)]
    return [
        svg.text(label(name), x=NAMES - 10, y=y + 4, text_anchor="end", class_="tick"),
        *(svg.element("circle", cx=across.at(dot), cy=y, r=2.6, class_="combination") for dot in dots),
        svg.element("line", x1=ends[0], x2=ends[-1], y1=y, y2=y, class_=f"interval {look}"),
        svg.element("circle", cx=across.at(100 * effect.value), cy=y, r=4, class_=f"mean {look}"),
    ]
