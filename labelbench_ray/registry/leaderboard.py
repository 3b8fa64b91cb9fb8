"""`labelbench leaderboard`: one static page over the boards, which opens from a file and requests nothing."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from markupsafe import Markup

from labelbench_ray.registry.boards import Board, Standing
from labelbench_ray.registry.check import Tier
from labelbench_ray.report import words
from labelbench_ray.report.cells import NOTHING, Cell, Table, gain, seconds_cell
from labelbench_ray.report.curves import RANDOM
from labelbench_ray.report.page import axes
from labelbench_ray.report.page.explored import metric_values
from labelbench_ray.report.page.figures import Looks, learning_curves
from labelbench_ray.report.page.palette import Style, styles
from labelbench_ray.report.page.rendering import rendered
from labelbench_ray.report.statistics.comparison import Row

ASSETS: Final = Path(__file__).parent / "assets"
TEMPLATE: Final = "leaderboard.html.jinja"
IN_COLOR: Final = 5
"""Strategies of a board whose curves are in color at first, beside random."""


@dataclass(frozen=True, slots=True)
class Chapter:
    """A board made ready for the template."""

    number: int
    board: Board
    drawing: Markup
    legend: tuple[tuple[str, Style, bool], ...]


def leaderboard_page(boards: Sequence[Board], standings: Sequence[Standing]) -> str:
    """The whole page; the same boards give the same text."""
    looks = _looks(boards)
    tiers = Counter(tier for board in boards for row in board.comparison.rows for tier in board.tiers[row.strategy][:1])
    return rendered(
        TEMPLATE,
        _values(boards, looks),
        ASSETS,
        axes=axes,
        words=words,
        trials=sum(board.trials for board in boards),
        dropped=sum(board.dropped for board in boards),
        tiers=[(tier.value, tiers[tier]) for tier in Tier if tiers[tier]],
        table=lines(boards),
        standings=[(each, ranks_table(each)) for each in standings],
        chapters=[_chapter(number, board, looks) for number, board in enumerate(boards, 1)],
    )


def lines(boards: Sequence[Board]) -> Table:
    """One row a strategy and board; the first column names the strategy, so that the filter finds the rest in a row."""
    head = (
        "strategy",
        "data set",
        "board",
        "tier",
        "labels",
        "final value",
        "gain over random at the end",
        "gain over the curve",
        "labels saved",
        "CPU and GPU time of a trial",
        "price of a trial",
        "from",
    )
    rows = [_line(number, board, row) for number, board in enumerate(boards, 1) for row in board.comparison.rows]
    return Table(head, tuple(rows))


def ranks_table(standing: Standing) -> Table:
    """Strategies by average rank, with the letters of their cliques."""
    found = standing.ranks
    letters = dict.fromkeys(range(len(found.strategies)), "")
    for number, (first, last) in enumerate(found.cliques):
        for place in range(first, last + 1):
            letters[place] += chr(ord("a") + number)
    reference = found.strategies.index(RANDOM)
    return Table(
        ("strategy", "average rank", "cliques", "p against random"),
        tuple(
            (
                Cell(name),
                Cell(f"{found.average_M[place]:.2f}"),
                Cell(letters[place] or words.NONE),
                NOTHING if place == reference else Cell(words.p_value(float(found.adjusted_MM[place, reference]))),
            )
            for place, name in enumerate(found.strategies)
        ),
    )


def _line(number: int, board: Board, row: Row) -> tuple[Cell, ...]:
    difference, spent, price = row.difference, board.seconds.get(row.strategy), board.prices.get(row.strategy)
    return (
        Cell(row.strategy, words.several(len(row.curves.seeds), "seed")),
        Cell(board.dataset),
        Cell(str(number)),
        Cell(" and ".join(board.tiers[row.strategy])),
        Cell(words.count(board.comparison.labels[-1])),
        Cell(words.accuracy(row.final), board.comparison.metric),
        gain(difference.final, difference.final_adjusted) if difference else NOTHING,
        gain(difference.area, difference.area_adjusted) if difference else NOTHING,
        Cell(words.saved(difference.saving), words.saved_interval(difference.saving)) if difference else NOTHING,
        NOTHING if spent is None else seconds_cell(spent),
        NOTHING if price is None else Cell(words.money(*price), key=price[0]),
        Cell(", ".join(board.submitters[row.strategy]) or words.NONE),
    )


def _looks(boards: Sequence[Board]) -> Looks:
    """Strategies of many boards have the most distinct looks."""
    counts = Counter(row.strategy for board in boards for row in board.comparison.rows)
    return styles(sorted({*counts, RANDOM}, key=lambda name: (-counts[name], name)), RANDOM)


def _shown(board: Board) -> frozenset[str]:
    others = [row.strategy for row in board.comparison.rows if row.strategy != RANDOM]
    return frozenset((RANDOM, *others[:IN_COLOR]))


def _chapter(number: int, board: Board, looks: Looks) -> Chapter:
    there, shown = {row.strategy for row in board.comparison.rows}, _shown(board)
    drawing = learning_curves(board.comparison, looks, shown, f"{number}.0.value")
    return Chapter(
        number, board, drawing, tuple((name, look, name in shown) for name, look in looks.items() if name in there)
    )


def _values(boards: Sequence[Board], looks: Looks) -> dict[str, Any]:
    """What the script reads, as the report has it."""
    sections = [
        {"metrics": [metric_values(board.comparison, looks)], "costs": {}, "baseline": looks[RANDOM].place}
        for board in boards
    ]
    return {"strategies": {look.place: name for name, look in looks.items()}, "sections": sections}
