"""The report as one self-contained HTML page: no network, light and dark, wide, narrow and on paper."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from labelbench_ray.report import figures, words
from labelbench_ray.report.curves import RECIPE, State
from labelbench_ray.report.figures import Style
from labelbench_ray.report.sections import Report, Section
from labelbench_ray.report.tables import Table, cost_table, short_table, strategy_table, trouble_table

TEMPLATE: Final = "page.html.jinja"
SHOWN: Final = 2
"""The pictures of so many metrics are open; the others' are folded away."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An inline drawing and what stands above it."""

    title: str
    unit: str
    drawing: Markup


@dataclass(frozen=True, slots=True)
class Chapter:
    """A section made ready for the template."""

    number: int
    section: Section
    short: Table
    pictures: tuple[Picture, ...]
    more: tuple[Picture, ...]
    tables: tuple[tuple[str, Table], ...]
    savings: Markup
    costs: Table
    legend: tuple[tuple[str, Style], ...]


def page(report: Report) -> str:
    """The whole page; the same report gives the same text."""
    looks = figures.styles(report.strategies)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(TEMPLATE).render(
        report=report,
        words=words,
        recipe_fields=RECIPE,
        troubles=trouble_table(report),
        finished=sum(run.state is State.FINISHED for run in report.runs),
        chapters=[_chapter(number, section, looks) for number, section in enumerate(report.sections, start=1)],
    )


def _chapter(number: int, section: Section, looks: dict[str, Style]) -> Chapter:
    main = section.main
    shown = {row.strategy for row in main.rows} if main else set()
    return Chapter(
        number=number,
        section=section,
        short=short_table(section),
        pictures=_pictures(number, section, looks, range(SHOWN)),
        more=_pictures(number, section, looks, range(SHOWN, len(section.comparisons))),
        tables=tuple((each.metric, strategy_table(each)) for each in section.comparisons),
        savings=Markup(figures.savings(main, looks, f"savings-{number}") if main else ""),
        costs=cost_table(section),
        legend=tuple((name, look) for name, look in looks.items() if name in shown),
    )


def _pictures(number: int, section: Section, looks: dict[str, Style], places: range) -> tuple[Picture, ...]:
    pictures: list[Picture] = []
    for place in places[: len(section.comparisons)]:
        comparison = section.comparisons[place]
        title, name = comparison.metric, f"curves-{number}-{place}"
        pictures.append(Picture(title, "in %", Markup(figures.learning_curves(comparison, looks, name))))
        gain = figures.differences(comparison, looks, f"gain-{number}-{place}")
        if gain:
            pictures.append(Picture(f"{title}: gain over random", "in points, paired by seed", Markup(gain)))
    return tuple(pictures)
