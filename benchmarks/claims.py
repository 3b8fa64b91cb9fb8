"""What LabelBench's 624 published runs, which ship with the package, show of the paper's claims: docs/claims.md.

.venv/bin/python benchmarks/claims.py    # seconds; no data are needed

Labels saved are those of the report: at random's highest mean accuracy, by running maxima of the mean curves. A mean
over settings counts a strategy that does not get there with all labels of its curve, so it is an upper bound there.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby
from math import isfinite
from typing import Final

import numpy as np

from labelbench_ray.report import words
from labelbench_ray.report.curves import RANDOM
from labelbench_ray.report.published.curves import PublishedSetting, labelbench, with_random
from labelbench_ray.report.statistics.comparison import common_seeds
from labelbench_ray.report.statistics.mean_saving import PairedCurves, mean_saving
from labelbench_ray.report.statistics.paired import area_under_curve, estimate
from labelbench_ray.report.statistics.ranks import wilcoxon
from labelbench_ray.report.statistics.savings import Saving, saving
from labelbench_ray.report.statistics.signed_rank import signed_rank

PAIRS: Final = (("margin", "confidence"), ("confidence", "entropy"), (RANDOM, "coreset"), ("margin", RANDOM))
"""The first is published to be ahead."""


def paired(setting: PublishedSetting, strategy: str) -> PairedCurves | None:
    """A strategy and random at the same checkpoints and seeds; None where the setting lacks it."""
    if strategy not in setting.curves:
        return None
    mine, random = setting.curves[strategy], setting.curves[RANDOM]
    labels_T = np.intersect1d(mine.labels_T, random.labels_T)
    seeds = common_seeds(mine, random)
    both = [each.at(seeds)[:, np.isin(each.labels_T, labels_T)] for each in (mine, random)]
    return PairedCurves(labels_T, *both) if seeds and len(labels_T) > 1 else None


def areas(settings: Iterable[PublishedSetting], first: str, second: str) -> tuple[list[float], list[bool]]:
    """By setting, the first strategy's mean area less the second's, and whether the seeds distinguish them."""
    differences, sure = [], []
    for setting in settings:
        if not {first, second} <= {*setting.curves}:
            continue
        pair = [setting.curves[name] for name in (first, second)]
        labels_T = np.intersect1d(*(each.labels_T for each in pair))
        seeds = common_seeds(*pair)
        one_S, other_S = (
            area_under_curve(labels_T, each.at(seeds)[:, np.isin(each.labels_T, labels_T)]) for each in pair
        )
        found = estimate(one_S - other_S)
        differences.append(found.value)
        sure.append(found.has_interval and found.low > 0)
    return differences, sure


def order_of(settings: Sequence[PublishedSetting]) -> None:
    """Which of two strategies is ahead, over all settings that have both."""
    print("| ahead, behind | settings | ahead in | surely (95 %, own seeds) | Wilcoxon p | P(ahead by .1 points) |")
    print("|---|---|---|---|---|---|")
    for first, second in PAIRS:
        differences, sure = areas(settings, first, second)
        values_D = np.array(differences)
        posterior = signed_rank(values_D)
        print(
            f"| `{first}`, `{second}` | {len(values_D)} | {(values_D > 0).sum()} | {sum(sure)} | "
            f"{words.p_value(wilcoxon(values_D)).removeprefix('p ')} | {posterior.better:.2f} |"
        )


def savings_of(settings: Sequence[PublishedSetting], strategies: Sequence[str]) -> None:
    """The mean saving of strategies over settings."""
    print("\n| strategy | settings | mean saving | 95 % | not reached in |\n|---|---|---|---|---|")
    for strategy in strategies:
        found = mean_saving([pair for each in settings if (pair := paired(each, strategy))])
        interval = f"{words.percent(found.low, 0)} to {words.percent(found.high, 0)}" if isfinite(found.low) else ""
        print(
            f"| `{strategy}` | {found.settings} | {words.percent(found.fraction, 0)} | {interval} | {found.unreached} |"
        )


def of_margin(settings: Sequence[PublishedSetting]) -> None:
    """What `margin` saves in each setting, by data set: with and without pretraining, and by what learns."""
    print("\n| setting | seeds | labels saved by `margin` | gain over the curve, points |\n|---|---|---|---|")
    for _, group in groupby(settings, key=lambda each: each.dataset.split("_")[0]):
        for setting in group:
            pair = paired(setting, "margin")
            if pair is None:
                continue
            found: Saving = saving(pair.labels_T, pair.strategy_ST, pair.random_ST)
            gain = estimate(
                area_under_curve(pair.labels_T, pair.strategy_ST) - area_under_curve(pair.labels_T, pair.random_ST)
            )
            print(f"| {setting.name} | {len(pair.strategy_ST)} | {words.saved_fully(found)} | {words.points(gain)} |")


def main() -> None:
    """Print all tables."""
    settings = with_random(labelbench())
    order_of(settings)
    savings_of(settings, ("margin", "badge", "galaxy", "confidence", "entropy", "coreset"))
    of_margin(settings)


if __name__ == "__main__":
    main()
