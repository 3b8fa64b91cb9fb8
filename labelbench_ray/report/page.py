"""The report as one self-contained HTML page: no network, light and dark, wide, narrow and on paper."""

import re
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from labelbench_ray.console.escaping import escaped
from labelbench_ray.ledger.state import TrialState
from labelbench_ray.report import cost_figures, cost_tables, figures, words
from labelbench_ray.report.cells import Table
from labelbench_ray.report.costs import cost_curve
from labelbench_ray.report.curves import RECIPE
from labelbench_ray.report.drawing import Style, styles
from labelbench_ray.report.evaluation import evaluation_table
from labelbench_ray.report.sections import Report, Section
from labelbench_ray.report.tables import finetuned_tables, short_table, strategy_table, trouble_table

TEMPLATE: Final = "page.html.jinja"
INLINE: Final = re.compile(r"<(style|script)>(.*?)</\1>", re.DOTALL)
SHOWN: Final = 2
"""The number of metrics whose pictures are open; others are folded."""


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
    tuned: tuple[tuple[str, Table], ...]
    """By the full model and its trainer."""
    evaluation: Table
    savings: Markup
    costs: Table
    stages: Table
    spending: tuple[Picture, ...]
    legend: tuple[tuple[str, Style], ...]


@dataclass(frozen=True, slots=True)
class Part:
    """What each part contributes, drawn and as a table."""

    title: str
    drawing: Markup
    table: Table
    contexts: Table
    labels: int
    noun: str


@dataclass(frozen=True, slots=True)
class Overview:
    """What stands above the settings' own sections; tables without rows are left out."""

    embeddings: Table
    parts: tuple[Part, ...]
    protocols: Table
    wholes: Table
    continual: Table
    trusts: tuple[tuple[str, Table, str], ...]
    threshold: str
    fidelity: Markup


def page(report: Report) -> str:
    """The whole page; the same report gives the same text."""
    looks = styles(report.strategies)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(TEMPLATE).render(
        policy=_policy(),
        report=report,
        words=words,
        recipe_fields=RECIPE,
        troubles=trouble_table(report),
        finished=sum(run.state is TrialState.DONE for run in report.runs),
        chapters=[_chapter(report, number, looks) for number in range(1, len(report.sections) + 1)],
        across=_across(report),
    )


def _shown(value: object) -> object:
    """A name as text; drawings are made of such names already."""
    return escaped(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _policy() -> str:
    """What a browser may use of the page: the template's own style and scripts by hash, and nothing from elsewhere.

    The hashes are of the template, not of the page: whatever a name might smuggle into the page is not among them.
    """
    source = (Path(__file__).parent / TEMPLATE).read_text("utf-8")
    allowed: dict[str, list[str]] = {"style": [], "script": []}
    for kind, text in INLINE.findall(source):
        allowed[kind].append(f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'")
    sources = [f"{kind}-src {' '.join(hashes)}" for kind, hashes in allowed.items() if hashes]
    return "; ".join(["default-src 'none'", *sources, "base-uri 'none'", "form-action 'none'"])


def _across(report: Report) -> Overview:
    measured = report.across.measured
    gaps = Markup(cost_figures.fidelity(measured, report.across.threshold, "fidelity")) if measured else Markup()
    return Overview(
        embeddings=cost_tables.embedding_table(report),
        parts=tuple(
            Part(
                each.title,
                Markup(cost_figures.contributions(each, f"parts-{place}")),
                cost_tables.ablation_table(each),
                cost_tables.context_table(each),
                each.labels,
                each.noun,
            )
            for place, each in enumerate(report.across.ablations)
        ),
        protocols=cost_tables.protocol_table(report),
        wholes=cost_tables.whole_table(report),
        continual=cost_tables.continual_table(report),
        trusts=tuple(
            (cost_tables.trust_title(report, each), cost_tables.trust_table(each), cost_tables.needs(each))
            for each in report.across.trusts
        ),
        threshold=cost_tables.threshold_words(report.across.threshold),
        fidelity=gaps,
    )


def _chapter(report: Report, number: int, looks: dict[str, Style]) -> Chapter:
    section = report.sections[number - 1]
    main = section.main
    shown = {row.strategy for row in main.rows} if main else set()
    return Chapter(
        number=number,
        section=section,
        short=short_table(section),
        pictures=_pictures(number, section, looks, range(SHOWN)),
        more=_pictures(number, section, looks, range(SHOWN, len(section.comparisons))),
        tables=tuple((each.metric, strategy_table(each)) for each in section.comparisons),
        tuned=finetuned_tables(section),
        evaluation=evaluation_table(section.setting),
        savings=Markup(figures.savings(main, looks, f"savings-{number}") if main else ""),
        costs=cost_tables.cost_table(report, section),
        stages=cost_tables.stage_table(section),
        spending=_spending(report, number, section, looks),
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


def _spending(report: Report, number: int, section: Section, looks: dict[str, Style]) -> tuple[Picture, ...]:
    main, prices = section.main, report.prices
    if main is None:
        return ()
    cost_curves = tuple(
        cost_curve(row.strategy, section.setting, main.labels, report.embeddings, prices) for row in main.rows
    )
    computing = cost_figures.against_computing(main, cost_curves, looks, f"computing-{number}")
    money = cost_figures.against_money(main, cost_curves, looks, f"money-{number}", prices.currency)
    return (
        Picture(main.metric, "in %, against computing time", Markup(computing)),
        Picture(main.metric, "in %, against money", Markup(money)),
    )
