"""The report as one self-contained HTML page: no network, light and dark, wide, narrow and on paper.

Everything is there without JavaScript. A small script adds values under the pointer, strategies that can be chosen,
tables that can be sorted and filtered, and an explorer of the curves (uPlot, see `assets/`).
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Final

from labelbench_ray.ledger.state import TrialState
from labelbench_ray.report import cost_tables, words
from labelbench_ray.report.cells import Table
from labelbench_ray.report.curves import RECIPE
from labelbench_ray.report.evaluation import evaluation_table
from labelbench_ray.report.noise.table import noise_tables
from labelbench_ray.report.origin_table import data_facts, origin_facts, recorded
from labelbench_ray.report.outlook import outlook_table, outlooks
from labelbench_ray.report.page import axes, figures, forest
from labelbench_ray.report.page.explored import explored, spending
from labelbench_ray.report.page.figures import Looks
from labelbench_ray.report.page.forest import Forest
from labelbench_ray.report.page.overview import Picture, overview
from labelbench_ray.report.page.palette import Style, styles
from labelbench_ray.report.page.prompt_tables import prompt_tables
from labelbench_ray.report.page.rendering import rendered
from labelbench_ray.report.page.shown import baseline, bounds, ranked, shown
from labelbench_ray.report.published.table import published_tables
from labelbench_ray.report.rare_classes.table import rare_tables
from labelbench_ray.report.relative.table import SEES_LABELS, explanations, relative_table
from labelbench_ray.report.sections import Report, Section
from labelbench_ray.report.shift.table import answer, shift_tables
from labelbench_ray.report.tables import finetuned_tables, pairs_table, strategy_table, trouble_table

TEMPLATE: Final = "page.html.jinja"
NO_TABLES: Final[Mapping[str, str]] = {}
OPEN: Final = 1
"""The number of metrics whose pictures are open; others are folded."""


@dataclass(frozen=True, slots=True)
class Chapter:
    """A section made ready for the template."""

    number: int
    section: Section
    gains: Forest | None
    pairs: Table
    """Strategies against each other; no rows where there is a baseline."""
    pictures: tuple[Picture, ...]
    more: tuple[Picture, ...]
    tables: tuple[tuple[str, Table], ...]
    tuned: tuple[tuple[str, Table], ...]
    """By the full model and its trainer."""
    prompts: tuple[tuple[str, str, Table], ...]
    """Of a setting of prompts: title, explanation and table."""
    evaluation: Table
    shifted: tuple[tuple[str, Table], ...]
    """In and out of distribution side by side, and the ranking, each with what stands above it."""
    shift_answer: str
    rare: tuple[tuple[str, Table], ...]
    """What there is to show of rare classes, each with what stands above it."""
    outlook: Table
    """What more labels would bring; no rows where curves are too short for a forecast."""
    noise: tuple[tuple[str, Table], ...]
    """What there is to show of noisy labels, in the same way."""
    published: tuple[tuple[str, Table], ...]
    """Beside published runs on the same data set, each with what stands above it."""
    savings: Forest | None
    speed: tuple[Picture, ...]
    """The speed-up as a curve; none with a single number of labels."""
    relative: Table
    """Speed-up, deficiency and normalized gain; no rows where nothing is compared with the baseline."""
    relative_words: tuple[str, ...]
    costs: Table
    stages: Table
    spending: tuple[Picture, ...]
    legend: tuple[tuple[str, Style, bool], ...]
    """Name, look, and whether its curves are in color."""
    recipe: tuple[tuple[str, str], ...]

    @property
    def in_color(self) -> int:
        """The number of strategies whose curves are in color."""
        return sum(on for _, _, on in self.legend)


def page(report: Report, tables: Mapping[str, str] = NO_TABLES) -> str:
    """The whole page; the same report gives the same text.

    Args:
        report: what to show.
        tables: files beside the page that hold its tables: what each holds, by its address relative to the page.
    """
    looks = styles(ranked(report), baseline(report), bounds(report))
    return rendered(
        TEMPLATE,
        explored(report, looks),
        report=report,
        words=words,
        axes=axes,
        origin=origin_facts(report),
        files=tables,
        recorded=recorded(report.runs),
        troubles=trouble_table(report),
        finished=sum(run.state is TrialState.DONE for run in report.runs),
        chapters=[_chapter(report, number, looks) for number in range(1, len(report.sections) + 1)],
        across=overview(report),
    )


def _chapter(report: Report, number: int, looks: Looks) -> Chapter:
    section = report.sections[number - 1]
    main, chosen = section.main, shown(section)
    above = {bound.strategy for bound in section.bounds}
    there = {row.strategy for row in main.rows} | above if main else set()
    return Chapter(
        number=number,
        section=section,
        gains=forest.gains(main) if main else None,
        pairs=pairs_table(main) if main else Table((), ()),
        pictures=_pictures(number, section, looks, range(OPEN)),
        more=_pictures(number, section, looks, range(OPEN, len(section.comparisons))),
        tables=tuple((each.metric, strategy_table(each)) for each in section.comparisons),
        tuned=finetuned_tables(section),
        prompts=prompt_tables(section.setting),
        evaluation=evaluation_table(section.setting),
        shifted=shift_tables(section.setting, section.shifts),
        shift_answer=answer(section.shifts),
        rare=rare_tables(section.rare) if section.rare else (),
        outlook=outlook_table(outlooks(section.setting, main), main.noun) if main else Table((), ()),
        noise=noise_tables(section.noise) if section.noise else (),
        published=published_tables(section.published),
        savings=forest.savings(main) if main else None,
        speed=_speed(number, section, looks),
        relative=relative_table(section.relatives),
        relative_words=explanations(section.relatives, main.baseline, main.noun) if main else (),
        costs=cost_tables.cost_table(report, section),
        stages=cost_tables.stage_table(section),
        spending=_spending(report, number, section, looks),
        legend=tuple((_named(name, above), look, name in chosen) for name, look in looks.items() if name in there),
        recipe=(
            *((field.replace("_", " "), _recipe(section, field)) for field in RECIPE),
            *data_facts(section.setting),
        ),
    )


def _named(strategy: str, bounds: Container[str]) -> str:
    """A strategy in the legend, where upper bounds are marked."""
    return f"{strategy} ({SEES_LABELS})" if strategy in bounds else strategy


def _recipe(section: Section, field: str) -> str:
    return f"{section.setting.recipe[field]}{' labels a round' if field == 'budget' else ''}"


def _pictures(number: int, section: Section, looks: Looks, places: range) -> tuple[Picture, ...]:
    pictures: list[Picture] = []
    chosen = shown(section)
    for place in places[: len(section.comparisons)]:
        comparison = section.comparisons[place]
        title, key = comparison.metric, f"{number}.{place}"
        above = section.bounds if comparison is section.main else ()
        drawing = figures.learning_curves(comparison, looks, chosen, f"{key}.value", above)
        pictures.append(Picture(title, "in %", drawing))
        gain = figures.differences(comparison, looks, chosen, f"{key}.gain")
        if gain:
            name = f"{title}: gain over {comparison.baseline}"
            pictures.append(Picture(name, "in points, paired by seed", gain))
    return tuple(pictures)


def _speed(number: int, section: Section, looks: Looks) -> tuple[Picture, ...]:
    main = section.main
    if main is None:
        return ()
    drawing = figures.speed_ups(section.relatives, main.baseline, looks, shown(section), f"{number}.0.speed")
    return (Picture("Speed-up", f"labels of {main.baseline} over the strategy's", drawing),) if drawing else ()


def _spending(report: Report, number: int, section: Section, looks: Looks) -> tuple[Picture, ...]:
    main, chosen, currency = section.main, shown(section), report.prices.currency
    if main is None:
        return ()
    spent = spending(report, section)
    return (
        Picture(
            main.metric,
            "in %, against computing time",
            figures.against_computing(main, spent, looks, chosen, f"{number}.0.value"),
        ),
        Picture(
            main.metric,
            "in %, against money",
            figures.against_money(main, spent, looks, chosen, f"{number}.0.value", currency),
        ),
    )
