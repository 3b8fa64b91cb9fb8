"""The table of a search's points."""

from labelbench_ray.report import words
from labelbench_ray.report.cells import NOTHING, Cell, Table
from labelbench_ray.report.searched import Point, Searched


def search_table(found: Searched | None) -> Table:
    """A row a point, the best first, with the base where it would rank; no rows without a search."""
    if found is None:
        return Table((), ())
    ranked = [*found.points, found.base]
    ranked.sort(key=lambda point: (point.value is None, -(point.value or 0.0)))
    head = ("point", *found.note.over, found.note.metric, "over the base", "trial")
    return Table(head, tuple(_row(found, place, point) for place, point in enumerate(ranked, 1)))


def search_gain(found: Searched | None) -> str:
    """What the best point gains on other labels, in a sentence; "" where no check seed is done."""
    if found is None or found.gain is None:
        return ""
    pairs = words.several(found.gain.seeds, "other seed")
    change = words.signed(100 * found.gain.value, words.digits(found.gain))
    interval = words.points_interval(found.gain)
    return (
        f"With the labels of {pairs}, the best point has {change} points of test {found.noun} over the base"
        f"{f' ({interval})' if interval else ''}."
    )


def _row(found: Searched, place: int, point: Point) -> tuple[Cell, ...]:
    value, base = point.value, found.base.value
    gained = None if value is None or base is None or point is found.base else 100 * (value - base)
    return (
        Cell("base" if point is found.base else str(place), key=place),
        *(_setting(point, name) for name in found.note.over),
        NOTHING if value is None else Cell(words.percent(value, 2), key=value),
        NOTHING if gained is None else Cell(words.signed(gained, 2), key=gained),
        Cell(point.run.fingerprint, "" if value is not None else point.run.state.value),
    )


def _setting(point: Point, name: str) -> Cell:
    number = point.settings.get(name)
    return Cell("default") if number is None else Cell(f"{number:.4g}", key=number)
