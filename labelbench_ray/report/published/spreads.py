"""How much margin less random varies over the seeds of LabelBench's published settings."""

import numpy as np

from labelbench_ray.report.curves import RANDOM
from labelbench_ray.report.published.curves import PublishedSetting, labelbench, with_random
from labelbench_ray.report.statistics.comparison import common_seeds
from labelbench_ray.report.statistics.paired import Floats, area_under_curve
from labelbench_ray.report.statistics.spreads import Spread

STRATEGY = "margin"
QUARTILES = {"lower quartile": 0.25, "median": 0.5, "upper quartile": 0.75}


def published_spreads() -> tuple[Spread, ...]:
    """Quartiles over the settings with both strategies, of the final accuracy and of the mean over the curve."""
    settings = [each for each in with_random(labelbench()) if STRATEGY in each.curves]
    finals_D, areas_D = np.array([_spreads(each) for each in settings]).T
    of_both = {"final accuracy": finals_D, "mean accuracy over the curve": areas_D}
    return tuple(
        Spread(f"published, {quartile}: {measure}", float(np.quantile(spreads_D, share)))
        for measure, spreads_D in of_both.items()
        for quartile, share in QUARTILES.items()
    )


def _spreads(setting: PublishedSetting) -> tuple[float, float]:
    curves, random = setting.curves[STRATEGY], setting.curves[RANDOM]
    seeds = common_seeds(curves, random)
    labels_T, mine_T, others_T = np.intersect1d(curves.labels_T, random.labels_T, return_indices=True)
    difference_ST: Floats = curves.at(seeds)[:, mine_T] - random.at(seeds)[:, others_T]
    area_S = area_under_curve(labels_T, difference_ST)
    return float(difference_ST[:, -1].std(ddof=1)), float(area_S.std(ddof=1))
