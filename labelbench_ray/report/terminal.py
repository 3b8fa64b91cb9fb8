"""The report for the terminal."""

from collections.abc import Iterable
from typing import Final, Literal

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from labelbench_ray.report import words
from labelbench_ray.report.cells import Cell, Table
from labelbench_ray.report.evaluation import evaluation_table
from labelbench_ray.report.finetuned import intervals
from labelbench_ray.report.protocols import Ratio
from labelbench_ray.report.relative.table import bound_lines
from labelbench_ray.report.sections import Across, Report, Section
from labelbench_ray.report.shift.table import answer, ranking_table, reached_table
from labelbench_ray.report.strategy_lines import StrategyLines
from labelbench_ray.report.tables import finetuned_tables, pairs_table, trouble_table

TUNED: Final = "{metric}, beside the proxy's on the same labels; differences in points, paired by seed"
PAIRS: Final = (
    "Differences in points, paired by seed; ranges hold for all pairs at once (Bonferroni); p after Holm over all pairs"
)
SHIFTED: Final = "In and out of distribution; ± and ranges are 95 % intervals over seeds, gaps paired by seed"
RANKED: Final = (
    "Ranking by the area under the curve, pairs of strategies; an order or a change counts only where its intervals, "
    "which hold at once (Bonferroni), exclude 0; of halves: the correlation of halves of the seeds, in distribution"
)
MOST_SPLIT_ROWS: Final = 40
"""Of further splits and strategies that the terminal shows one by one; the page has all."""
FURTHER: Final = "Further splits and groups; ± is a strategy's own 95 % interval"


def render(report: Report) -> RenderableType:
    """The answer, the table and the cautions of each setting, for a rich console."""
    parts: list[RenderableType] = [part for section in report.sections for part in _section(section, report.across)]
    if report.troubles:
        parts.append(_table(trouble_table(report), "Trials that are not finished", "left"))
    return Group(*parts) if parts else Text(f"{report.experiment}: the grid has no trials.")


def _section(section: Section, across: Across) -> list[RenderableType]:
    answer = Text.assemble(
        (section.title, "bold"), "  ", (section.verdict.headline, "bold green"), "\n", section.verdict.detail
    )
    notes = [
        Padding(Text.assemble((f"{caution.title}. ", "bold yellow"), caution.text), (0, 0, 0, 2))
        for caution in section.cautions
    ]
    if section.main is None:
        return [answer, *notes]
    tuned_caption = TUNED.format(metric=section.setting.metrics[0])
    tuned = [
        part
        for recipe, table in finetuned_tables(section)
        for part in (Text.assemble(("Fine-tuned: ", "bold"), recipe), _table(table, tuned_caption, "right"))
    ]
    tuned += [Text(line) for line in intervals(section.finetuned)]
    ratios = [Text(line) for line in _ratios(section, across)]
    table = StrategyLines(section.main)
    pairs = pairs_table(section.main)
    against = [_table(pairs, PAIRS, "right")] if pairs.rows else []
    further = _further(section)
    power = [Text(section.power)] if section.power else []
    above = [Text(line) for line in bound_lines(section.relatives, section.bounds, section.main.noun)]
    return [answer, table, *above, *power, *against, *further, *tuned, *ratios, *notes, Text()]


def _further(section: Section) -> list[RenderableType]:
    """Evaluation splits beyond the usual ones: those that are alike together, then each where there are few."""
    evaluation, shifted = evaluation_table(section.setting), reached_table(section.setting, section.shifts)
    rankings = ranking_table(section.shifts)
    parts: list[RenderableType] = []
    parts += [_table(rankings, RANKED, "right"), Text(answer(section.shifts))] if rankings.rows else []
    if shifted.rows and len(shifted.rows) <= MOST_SPLIT_ROWS:
        parts.append(_table(shifted, SHIFTED, "right"))
    if evaluation.rows and len(evaluation.rows) <= MOST_SPLIT_ROWS:
        parts.append(_table(evaluation, FURTHER, "right"))
    return parts


def _ratios(section: Section, across: Across) -> Iterable[str]:
    """Lines on what choosing by proxy saves and costs."""
    mine = [each for each in across.protocols if each.setting is section.setting]
    for full, proxy in dict.fromkeys((str(each.full.trial.proxy), str(each.setting.trial.proxy)) for each in mine):
        pairs = [each for each in mine if str(each.full.trial.proxy) == full]
        rounds = words.listed([f"{_ratio(each.in_rounds)} ({each.strategy})" for each in pairs])
        final = words.listed([f"{_ratio(each.with_final)} ({each.strategy})" for each in pairs])
        yield (
            f"Compute time of the rounds, {full} ÷ {proxy}: {rounds}; with embedding and the full model at the end: "
            f"{final}; (T + 1) / 2 = {words.times(pairs[0].formula)}."
        )
    wholes = [each for each in across.wholes if each.setting is section.setting]
    if wholes:
        ratios = words.listed([f"{_ratio(each.unshared)} ({each.strategy})" for each in wholes])
        yield f"Compute time, all of selection-via-proxy ÷ its fine-tune alone: {ratios}; the paper claims at most 2."


def _ratio(ratio: Ratio | None) -> str:
    return words.times(ratio.value) if ratio else words.NONE


def _table(table: Table, caption: str, justify: Literal["left", "right"]) -> RichTable:
    rich = RichTable(
        caption=caption, caption_justify="left", box=None, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0)
    )
    for place, name in enumerate(table.head):
        rich.add_column(name, justify=justify if place else "left", vertical="top", no_wrap=place == 0, overflow="fold")
    for row in table.rows:
        rich.add_row(*(_cell(cell) for cell in row))
    return rich


def _cell(cell: Cell) -> Text:
    return Text.assemble(cell.text, "\n", (cell.note.replace(", p", "\np"), "dim")) if cell.note else Text(cell.text)
