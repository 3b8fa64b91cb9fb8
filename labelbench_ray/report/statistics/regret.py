"""Cost regret of a rule that stops: what its stop costs, less what the best stop on the same curve costs.

C(n) = price * n + use * harm * error(n), as in Pullar-Strecker et al. 2022, Hitting the target: stopping active
learning at the cost-based optimum, Machine Learning, [2110.03802](https://arxiv.org/abs/2110.03802). A rule that never
stops goes on to the end of the curve. (Letters: T rounds.)
"""

from collections.abc import Sequence

import numpy as np

from labelbench_ray.report.statistics.forecast import LEAST_ROUNDS, Call, Forecast, forecast
from labelbench_ray.report.statistics.learning_curves import Floats
from labelbench_ray.report.statistics.money import Stakes, Worth, decide


def first_stop(stops_T: Sequence[bool]) -> int:
    """The first round after which a rule stops; the last round where it never does."""
    return next((number for number, stop in enumerate(stops_T) if stop), len(stops_T) - 1)


def regret(labels_T: Floats, accuracies_T: Floats, stakes: Stakes, stop: int) -> float:
    """The cost of this stop less that of the best one."""
    costs_T = stakes.total(labels_T, accuracies_T)
    return float(costs_T[stop] - costs_T.min())


def oracle_stop(labels_T: Floats, accuracies_T: Floats, stakes: Stakes) -> int:
    """The round with the least cost, which only the complete curve shows."""
    return int(np.argmin(stakes.total(labels_T, accuracies_T)))


def forecasts(labels_T: Floats, accuracies_T: Floats) -> tuple[Forecast | None, ...]:
    """What was known after each round of the next one; None where there is no forecast, and after the last round."""
    return tuple(
        forecast(labels_T[:seen], accuracies_T[:seen], labels_T[seen : seen + 1])
        if LEAST_ROUNDS <= seen < len(labels_T)
        else None
        for seen in range(1, len(labels_T) + 1)
    )


def money_stop(labels_T: Floats, ahead_T: Sequence[Forecast | None], stakes: Stakes) -> int:
    """Where the money rule stops; it goes on where no forecast is trusted."""
    batches_T = np.append(np.diff(labels_T), 0.0)
    return first_stop(
        [
            ahead is not None and ahead.trusted and decide(ahead.gains_RM[:, 0], float(batch), stakes) is Worth.STOP
            for ahead, batch in zip(ahead_T, batches_T, strict=True)
        ]
    )


def gain_stop(ahead_T: Sequence[Forecast | None]) -> int:
    """Where a further quarter of a point is unlikely: the rule without prices."""
    return first_stop([ahead is not None and ahead.advised(0) is Call.UNLIKELY for ahead in ahead_T])
