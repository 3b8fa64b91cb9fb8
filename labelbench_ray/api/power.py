"""`power`: how many seeds find a difference, from the spread on record or the published one."""

from collections.abc import Iterable
from pathlib import Path

from labelbench_ray.api.results import results
from labelbench_ray.errors import ConfigError
from labelbench_ray.report.published.spreads import published_spreads
from labelbench_ray.report.statistics.comparison import compare
from labelbench_ray.report.statistics.spreads import Spread, recorded


def spreads(paths: Iterable[str | Path], baseline: str | None = None) -> tuple[tuple[Spread, ...], int]:
    """Spreads to plan with, and the most strategies that a setting compares; without paths the published ones, and 1.

    Args:
        paths: as of `results`.
        baseline: the strategy that others are compared with; None: random.

    Raises:
        ConfigError: no setting has a strategy with two seeds that the baseline has, too.
    """
    folders = list(paths)
    if not folders:
        return published_spreads(), 1
    found = results(folders, baseline).experiments
    titled = [
        (title, comparison)
        for experiment in found
        for title, setting in zip(experiment.titles, experiment.settings, strict=True)
        if setting.compared and (comparison := compare(setting, setting.metrics[0]))
    ]
    every = tuple(spread for title, comparison in titled for spread in recorded(comparison, title))
    if not every:
        raise ConfigError(
            f"{', '.join(str(folder) for folder in folders)}: no strategy has two seeds that the baseline has, too, so "
            "that the spread over seeds is not known; run two seeds or more, name another --baseline, or give no "
            "folder for the published spread"
        )
    return every, max(comparison.compared for _, comparison in titled)
