"""The tables of distribution shift, and the answer to whether the ranking of strategies stays, in a sentence."""

from collections.abc import Sequence

from labelbench_ray.report import words
from labelbench_ray.report.cells import NOTHING, Cell, Table, gain
from labelbench_ray.report.curves import Setting
from labelbench_ray.report.shift import Shift
from labelbench_ray.report.shift.ranking import Order, Ranking
from labelbench_ray.report.statistics.paired import ENOUGH_PAIRS, Estimate
from labelbench_ray.report.statistics.ranking import FEWEST_SEEDS, NO_INTERVAL

SHOWN_PAIRS = 2
"""Pairs that are named before the others are counted."""


def shift_tables(setting: Setting, shifts: Sequence[Shift]) -> tuple[tuple[str, Table], ...]:
    """The tables that have rows, each with its caption."""
    tables = (
        ("Ranking of strategies in distribution and under shift", ranking_table(shifts)),
        (f"{setting.noun.capitalize()} in and out of distribution", reached_table(setting, shifts)),
    )
    return tuple((caption, table) for caption, table in tables if table.rows)


def reached_table(setting: Setting, shifts: Sequence[Shift]) -> Table:
    """By shift and strategy: in distribution, under the shift, and the gap."""
    has_f1 = any(each.outside_f1 for shift in shifts for each in shift.reached)
    f1_head = ("macro F1 in distribution", "macro F1 under shift") if has_f1 else ()
    head = (
        "shift",
        "strategy",
        "in distribution",
        "under shift",
        "gap, points",
        "worst group, split or draw",
        *f1_head,
    )
    return Table(
        head,
        tuple(
            (
                Cell(shift.name, _extent(shift)),
                Cell(each.strategy, words.several(each.gap.seeds, "seed")),
                Cell(words.accuracy(each.inside)),
                Cell(words.accuracy(each.outside)),
                gain(each.gap),
                _accuracy(each.worst),
                *((_accuracy(each.inside_f1), _accuracy(each.outside_f1)) if has_f1 else ()),
            )
            for shift in shifts
            for each in shift.reached
        ),
    )


def ranking_table(shifts: Sequence[Shift]) -> Table:
    """By shift: the rank correlation, how many pairs of strategies keep their order, and what a wrong choice loses."""
    head = (
        "shift",
        "rank correlation",
        "of halves",
        "same order",
        "reverse order",
        "not identified",
        "difference changes",
        "best in distribution",
        "best under shift",
        "its lead there, points",
    )
    rows = []
    for shift in shifts:
        ranking = shift.ranking
        if ranking is None:
            continue
        reverse = [order for order in ranking.orders if order.reverse]
        rows.append(
            (
                Cell(shift.name, words.several(ranking.seeds, "seed")),
                _correlation(ranking),
                NOTHING if ranking.of_halves is None else Cell(words.signed(ranking.of_halves, 2, plus="")),
                Cell(f"{ranking.count('same')} of {len(ranking.orders)}"),
                Cell(str(len(reverse)), _named(reverse)),
                Cell(str(ranking.unidentified)),
                Cell(str(ranking.count("changes"))),
                Cell(ranking.strategies[0]),
                Cell(ranking.best_outside),
                NOTHING if ranking.best_outside == ranking.strategies[0] else gain(ranking.lead),
            )
        )
    return Table(head, tuple(rows))


def answer(shifts: Sequence[Shift]) -> str:
    """Whether the ranking changes, and how sure that is, in a few sentences; "" where nothing is ranked."""
    rankings = [(shift.name, shift.ranking) for shift in shifts if shift.ranking is not None]
    if not rankings:
        return ""
    seeds = min(ranking.seeds for _, ranking in rankings)
    several = words.several(seeds, "common seed")
    if seeds < ENOUGH_PAIRS:
        return f"Whether the ranking changes is not identified: {several}, at least {ENOUGH_PAIRS} are needed."
    turned = [name for name, ranking in rankings if ranking.count("reverse")]
    same, reverse, changes = (
        sum(ranking.count(which) for _, ranking in rankings) for which in ("same", "reverse", "changes")
    )
    pairs = sum(len(ranking.orders) for _, ranking in rankings)
    counted = (
        f"Of {words.several(pairs, 'comparison')} ({words.several(len(rankings), 'shift')}, {several}), {same:,} are "
        f"surely in the same order as in distribution, {reverse:,} surely in the reverse order, and "
        f"{pairs - same - reverse:,} are not identified; in {changes:,} the difference surely changes. "
        f"{_misled(rankings)}"
    )
    if turned:
        return f"The ranking changes under {words.listed(turned)}. {counted}"
    if same:
        return f"No pair of strategies is identified as reversed. {counted}"
    return f"Whether the ranking changes is not identified. {counted}"


def _misled(rankings: Sequence[tuple[str, Ranking]]) -> str:
    """Where the best in distribution is the wrong choice, as far as the seeds show it."""
    found = [
        f"{name} ({ranking.best_outside}, {words.signed(100 * ranking.lead.value, 1)} points)"
        for name, ranking in rankings
        if ranking.misleads
    ]
    if not found:
        return "No shift surely has another best strategy."
    best = rankings[0][1].strategies[0]
    return f"{best} is the best in distribution, and surely behind another one under {words.listed(found)}."


def _extent(shift: Shift) -> str:
    """How many rows and splits a shift has."""
    rows = f"{words.several(shift.rows, 'row')}" if shift.rows else ""
    if shift.effective_rows is not None:
        rows = f"{words.several(shift.rows, 'row')} as {words.count(shift.effective_rows)}" if shift.rows else ""
    splits = f"{len(shift.splits)} splits" if len(shift.splits) > 1 else ""
    return ", ".join(filter(None, (splits, rows)))


def _correlation(ranking: Ranking) -> Cell:
    if ranking.correlation is None:
        return Cell(words.NONE, "fewer than 3 strategies")
    if ranking.seeds < FEWEST_SEEDS:
        return Cell(words.signed(ranking.correlation, 2, plus=""), NO_INTERVAL, key=ranking.correlation)
    ends = (words.signed(end, 2, plus="") for end in (ranking.low, ranking.high))
    return Cell(words.signed(ranking.correlation, 2, plus=""), " to ".join(ends), key=ranking.correlation)


def _named(orders: Sequence[Order]) -> str:
    names = [f"{order.second} over {order.first}" for order in orders[:SHOWN_PAIRS]]
    more = len(orders) - SHOWN_PAIRS
    return ", ".join([*names, *([f"{more} more"] if more > 0 else [])])


def _accuracy(value: Estimate | None) -> Cell:
    return NOTHING if value is None else Cell(words.accuracy(value))
