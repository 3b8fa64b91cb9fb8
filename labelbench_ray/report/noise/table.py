"""The tables of noisy labels."""

from collections.abc import Sequence

from labelbench_ray.report import words
from labelbench_ray.report.cells import NOTHING, Cell, Table, gain
from labelbench_ray.report.noise import Answers, NoisyLabels, Survival
from labelbench_ray.report.statistics.paired import Estimate
from labelbench_ray.report.statistics.ranking import NO_INTERVAL, RankAgreement

MOST_ROUNDS = 8
"""Rounds of which wasted labels are shown; of more, as many evenly spaced ones."""


def noise_tables(noisy: NoisyLabels) -> tuple[tuple[str, Table], ...]:
    """The tables that have rows, each with its caption."""
    pool = (
        f"; {words.percent(noisy.pool_noise)} of the answers of the pool are wrong"
        if noisy.pool_noise is not None
        else ""
    )
    bought = Table(
        ("strategy", "seeds", "wrong among its labels", "relative to the pool"),
        tuple(
            (Cell(each.strategy), Cell(str(each.seeds)), _share(each.noise), _relative(each.noise, noisy.pool_noise))
            for each in noisy.answers
            if each.noise is not None
        ),
    )
    captions = (
        (f"Wrong answers among {words.count(noisy.labels)} labels{pool}", bought),
        (
            f"Answers “none of these” among {words.count(noisy.labels)} labels: paid for, and worth nothing",
            _wasted(noisy),
        ),
    )
    return tuple((caption, table) for caption, table in captions if table.rows)


def _wasted(noisy: NoisyLabels) -> Table:
    rounds = max((len(each.wasted_by_round) for each in noisy.answers), default=0)
    count = min(MOST_ROUNDS, rounds)
    places = sorted({round(place * (rounds - 1) / max(1, count - 1)) for place in range(count)})
    return Table(
        ("strategy", "seeds", "labels wasted", *(f"round {place}" for place in places)),
        tuple(
            (Cell(each.strategy), Cell(str(each.seeds)), _count(each), *_rounds(each, places))
            for each in noisy.answers
            if each.wasted is not None
        ),
    )


def _rounds(each: Answers, places: Sequence[int]) -> list[Cell]:
    return [
        Cell(words.percent(each.wasted_by_round[place], 0)) if place < len(each.wasted_by_round) else NOTHING
        for place in places
    ]


def _count(each: Answers) -> Cell:
    assert each.wasted is not None
    note = f"{max(0.0, each.wasted.low):.1f} to {each.wasted.high:.1f}" if each.wasted.has_interval else ""
    return Cell(f"{each.wasted.value:.1f}", note, key=each.wasted.value)


def _share(noise: Estimate | None) -> Cell:
    if noise is None:
        return NOTHING
    note = f"{words.percent(max(0.0, noise.low))} to {words.percent(noise.high)}" if noise.has_interval else ""
    return Cell(words.percent(noise.value), note, key=noise.value)


def _relative(noise: Estimate | None, pool: float | None) -> Cell:
    return Cell(words.times(noise.value / pool)) if noise is not None and pool else NOTHING


def ranking_table(survivals: Sequence[Survival], titles: Sequence[str]) -> Table:
    """A row for each kind of noise: how alike the ranking is to that with clean labels; `titles`: of the settings."""
    head = (
        "noise",
        "strategies",
        "seeds",
        "rank correlation with clean labels",
        "clean labels with themselves",
        "best with clean labels",
        "best with noise",
    )
    return Table(
        head,
        tuple(
            (Cell(each.noisy.recipe["corrupter"], title), *_agreement(each.agreement))
            for each, title in zip(survivals, titles, strict=True)
        ),
    )


def _agreement(found: RankAgreement | None) -> tuple[Cell, ...]:
    if found is None:
        return (NOTHING,) * 6
    ends = f"{words.signed(found.low, 2, plus='')} to {words.signed(found.high, 2, plus='')}"
    interval = ends if found.has_interval else NO_INTERVAL
    return (
        Cell(str(found.strategies)),
        Cell(str(found.seeds)),
        Cell(words.signed(found.correlation, 2, plus=""), interval),
        Cell(words.signed(found.repeated, 2, plus="")),
        Cell(found.best[0]),
        Cell(found.best[1], f"the same in {words.percent(found.keeps_best, 0)} of draws"),
    )


def gains_table(survivals: Sequence[Survival], titles: Sequence[str]) -> Table:
    """What each strategy gains over the baseline, with clean labels and with noise."""
    strategies = dict.fromkeys(
        (place, row.strategy)
        for place, each in enumerate(survivals)
        for row in each.before.rows
        if row.difference is not None
    )
    rows = []
    for place, strategy in strategies:
        each = survivals[place]
        clean, noisy = each.before.row(strategy), each.compared.row(strategy)
        if clean is None or noisy is None or clean.difference is None or noisy.difference is None:
            continue
        noise = f"{each.noisy.recipe['corrupter']}{', ' if titles[place] else ''}{titles[place]}"
        rows.append(
            (
                Cell(strategy, noise),
                gain(clean.difference.area, clean.difference.area_adjusted),
                gain(noisy.difference.area, noisy.difference.area_adjusted),
            )
        )
    return Table(("strategy", "gain with clean labels, points", "gain with noise, points"), tuple(rows))
