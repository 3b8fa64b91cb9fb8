"""What stands above the sections of single settings: results that need several settings or fine-tunes."""

from dataclasses import dataclass

from markupsafe import Markup

from labelbench_ray.report import cost_tables
from labelbench_ray.report.cells import Table
from labelbench_ray.report.continual_table import continual_table
from labelbench_ray.report.multitask.table import allocation_tables, multitask_table
from labelbench_ray.report.noise.table import gains_table, ranking_table
from labelbench_ray.report.over_settings.table import penalty_table, rank_sentence, rank_table, win_table
from labelbench_ray.report.page import cost_figures
from labelbench_ray.report.page.rank_diagram import rank_diagram
from labelbench_ray.report.page.search_figures import search_figures
from labelbench_ray.report.search_table import search_gain, search_table
from labelbench_ray.report.sections import Report
from labelbench_ray.report.selectors.table import enough_words, selector_table


@dataclass(frozen=True, slots=True)
class Picture:
    """An inline drawing and what stands above it."""

    title: str
    unit: str
    drawing: Markup


@dataclass(frozen=True, slots=True)
class Part:
    """What each part contributes, drawn and as a table."""

    title: str
    drawing: Markup
    table: Table
    effects: Table
    contexts: Table
    labels: int
    noun: str


@dataclass(frozen=True, slots=True)
class RankedSettings:
    """All settings together, drawn and as tables."""

    sentence: str
    drawing: Markup
    ranks: Table
    wins: Table
    penalties: Table


@dataclass(frozen=True, slots=True)
class Overview:
    """What stands above the settings' own sections; tables without rows are left out."""

    search: Table
    searched: tuple[Picture, ...]
    """A drawing for each searched setting."""
    search_gain: str
    embeddings: Table
    parts: tuple[Part, ...]
    protocols: Table
    wholes: Table
    continual: Table
    multitask: Table
    allocations: tuple[tuple[str, Table], ...]
    ranking: Table
    noisy_gains: Table
    selectors: tuple[tuple[str, Table, tuple[str, ...]], ...]
    """For each final model, what its selectors reach, and what their fidelity is worth."""
    trusts: tuple[tuple[str, Table, str], ...]
    threshold: str
    fidelity: Markup
    over_settings: RankedSettings | None


def overview(report: Report) -> Overview:
    """Everything above the settings' own sections."""
    measured = report.across.measured
    gaps = cost_figures.fidelity(measured, report.across.threshold) if measured else Markup()
    found = report.across.search
    of_noise = [cost_tables.title_but(report, each.noisy, "corrupter") for each in report.across.noise]
    return Overview(
        search=search_table(found),
        searched=tuple(Picture(name, "in %", drawing) for name, drawing in search_figures(found)),
        search_gain=search_gain(found),
        embeddings=cost_tables.embedding_table(report),
        parts=tuple(
            Part(
                each.title,
                cost_figures.contributions(each),
                cost_tables.ablation_table(each),
                cost_tables.effect_table(each.factorial, each.noun),
                cost_tables.context_table(each),
                each.labels,
                each.noun,
            )
            for each in report.across.ablations
        ),
        protocols=cost_tables.protocol_table(report),
        wholes=cost_tables.whole_table(report),
        continual=continual_table(report),
        multitask=multitask_table(report),
        allocations=allocation_tables(report),
        ranking=ranking_table(report.across.noise, of_noise),
        noisy_gains=gains_table(report.across.noise, of_noise),
        selectors=tuple(
            (
                ", ".join(filter(None, (each.title, each.recipe))),
                selector_table(each),
                tuple(enough_words(*enough) for enough in each.enough),
            )
            for each in report.across.selectors
        ),
        trusts=tuple(
            (cost_tables.trust_title(report, each), cost_tables.trust_table(each), cost_tables.needs(each))
            for each in report.across.trusts
        ),
        threshold=cost_tables.threshold_words(report.across.threshold),
        fidelity=gaps,
        over_settings=_ranked(report),
    )


def _ranked(report: Report) -> RankedSettings | None:
    over = report.across.over_settings
    if over is None:
        return None
    return RankedSettings(
        rank_sentence(over), rank_diagram(over.ranks), rank_table(over), win_table(over), penalty_table(over)
    )
