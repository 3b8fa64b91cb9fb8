"""Which strategies a page shows in color: the best five of a setting and the baseline; the rest is thin and gray."""

from typing import Final

from labelbench_ray.report.curves import RANDOM
from labelbench_ray.report.sections import Report, Section
from labelbench_ray.report.strategy_lines import by_gain

BEST: Final = 5


def shown(section: Section) -> frozenset[str]:
    """The best strategies of a setting by their gain, the baseline, and upper bounds."""
    if section.main is None:
        return frozenset()
    others = [row.strategy for row in by_gain(section.main) if row.strategy != section.main.baseline]
    return frozenset((section.main.baseline, *others[:BEST], *(bound.strategy for bound in section.bounds)))


def bounds(report: Report) -> tuple[str, ...]:
    """The upper bounds of any setting, by name."""
    return tuple(sorted({bound.strategy for section in report.sections for bound in section.bounds}))


def baseline(report: Report) -> str:
    """The strategy that the others are compared with."""
    return next((section.main.baseline for section in report.sections if section.main), RANDOM)


def ranked(report: Report) -> tuple[str, ...]:
    """Every strategy, by its best place in any setting, then by name: the first get the most distinct looks."""
    places: dict[str, int] = {}
    for section in report.sections:
        for place, row in enumerate(by_gain(section.main) if section.main else ()):
            places[row.strategy] = min(place, places.get(row.strategy, place))
    last = len(report.strategies)
    return tuple(sorted(report.strategies, key=lambda name: (places.get(name, last), name)))
