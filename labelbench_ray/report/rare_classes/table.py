"""The tables of rare classes: what strategies found, how many labels random needs for the same, and arms."""

from math import isinf

from labelbench_ray.report import words
from labelbench_ray.report.cells import NOTHING, Cell, Table, gain
from labelbench_ray.report.rare_classes import SHARES, Found, Multiple, RareClasses
from labelbench_ray.report.rare_classes.arms import Played
from labelbench_ray.tasks import in_a_sentence

MOST_ARMS = 12
"""Arms that are shown, those that chose the most rows."""
MOST_ROUNDS = 8
"""Rounds of which arms are shown; of more, as many evenly spaced ones."""


def rare_tables(rare: RareClasses) -> tuple[tuple[str, Table], ...]:
    """The tables that have rows, each with its caption."""
    several = words.several(len(rare.rare), "rare class", "rare classes")
    pool = f"{words.count(rare.pool_rows)} rows of {several} in the pool, imbalance {rare.pool_imbalance:.0f}"
    tables = (
        (f"Bought with {words.count(rare.labels)} labels ({pool})", found_table(rare)),
        (
            f"Labels of random ÷ the strategy’s, by {in_a_sentence(rare.metric)}; random has up to "  # noqa: RUF001
            f"{words.count(rare.random_labels)} labels",
            multiples_table(rare),
        ),
        ("Regret against the best arm", regret_table(rare)),
        *((f"Rows chosen by each arm of {each.strategy}{_of_all(each)}", played_table(each)) for each in rare.played),
        *(
            (
                f"Posterior means: the expected worth of a row of each arm of {each.strategy}",
                expected_table(each),
            )
            for each in rare.played
        ),
    )
    return tuple((caption, table) for caption, table in tables if table.rows)


def found_table(rare: RareClasses) -> Table:
    """Labels of rare classes, and how evenly labels are spread."""
    return Table(
        (
            *("strategy", "seeds", "rare rows found", "fewest labels of a class", "median labels of a class"),
            *("imbalance", "cumulative reward"),
        ),
        tuple(
            (
                Cell(each.strategy),
                Cell(str(each.seeds)),
                _rows(each),
                Cell(f"{each.least:.1f}"),
                Cell(f"{each.median:.1f}"),
                Cell(f"{each.imbalance:.1f}", key=each.imbalance),
                Cell(f"{each.reward:.2f}", key=each.reward),
            )
            for each in rare.found
        ),
    )


def multiples_table(rare: RareClasses) -> Table:
    """Random's labels ÷ the strategy's, at parts of random's range and at the strategy's own best."""
    others = [each for each in rare.found if each.multiples and each.strategy != "random"]
    if not others:
        return Table((), ())
    shares = (f"at {words.percent(share, 0)} of random’s range" for share in SHARES)  # noqa: RUF001
    reached = (words.percent(each.accuracy) for each in others[0].multiples)
    head = ("strategy", *(f"{share} ({value})" for share, value in zip(shares, reached, strict=True)))
    return Table(
        (*head, "at its own best"),
        tuple(
            (
                Cell(each.strategy),
                *map(_multiple, each.multiples),
                NOTHING if each.own_best is None else _own_best(each.own_best),
            )
            for each in others
        ),
    )


def played_table(played: Played) -> Table:
    """The share of each round's rows that each arm chose."""
    places = _shown(played)
    head = ("arm", *(f"round {played.rounds[place]}" for place in places), "rare among its rows")
    return Table(
        head,
        tuple(
            (
                Cell(played.arms[arm]),
                *(Cell(words.percent(played.shares[arm][place], 0)) for place in places),
                Cell(words.percent(played.rare[arm])),
            )
            for arm in _busiest(played)
        ),
    )


def expected_table(played: Played) -> Table:
    """What a row of each arm is worth by the posterior means, before each round."""
    places = _shown(played)
    return Table(
        ("arm", *(f"before round {played.rounds[place]}" for place in places)),
        tuple(
            (
                Cell(played.arms[arm]),
                *(Cell(f"{played.expected[arm][place]:.4f}", key=played.expected[arm][place]) for place in places),
            )
            for arm in (_busiest(played) if played.expected else ())
        ),
    )


def _busiest(played: Played) -> list[int]:
    """Places of the arms that are shown, in their order."""
    ranked = sorted(range(len(played.arms)), key=lambda arm: -sum(played.shares[arm]))
    return sorted(ranked[:MOST_ARMS])


def _of_all(played: Played) -> str:
    """How many arms are shown, where others are left out."""
    return f" ({MOST_ARMS} of {len(played.arms)} arms)" if len(played.arms) > MOST_ARMS else ""


def _shown(played: Played) -> list[int]:
    """Places of the rounds that are shown."""
    count = min(MOST_ROUNDS, len(played.rounds))
    return sorted({round(place * (len(played.rounds) - 1) / max(1, count - 1)) for place in range(count)})


def regret_table(rare: RareClasses) -> Table:
    """Strategies with arms less their best arm."""
    return Table(
        ("strategy", "best arm alone", "area under the curve less the best arm’s, points"),  # noqa: RUF001
        tuple(
            (Cell(each.strategy), Cell(each.best_arm, _measured(each)), gain(each.regret))
            for each in rare.played
            if each.regret is not None
        ),
    )


def _rows(found: Found) -> Cell:
    rare = found.rare
    note = f"{max(0.0, rare.low):.1f} to {rare.high:.1f}" if rare.has_interval else ""
    return Cell(f"{rare.value:.1f}", note, key=rare.value)


def _multiple(found: Multiple) -> Cell:
    if not found.ratio:
        return Cell("not reached")
    above = "at least " if found.at_least else ""
    note = f"{words.times(found.low)} to {words.times(found.high)}" if found.low and not isinf(found.high) else ""
    return Cell(f"{above}{words.times(found.ratio)}", note, key=found.ratio)


def _own_best(found: Multiple) -> Cell:
    cell = _multiple(found)
    return Cell(cell.text, f"{words.percent(found.accuracy)} with {words.count(found.labels)} labels", cell.key)


def _measured(played: Played) -> str:
    """How many arms the best one is the best of, where others were not run alone."""
    return "" if played.alone == len(played.arms) else f"best of {played.alone} of {len(played.arms)} arms"
