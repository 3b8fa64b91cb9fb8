"""Tune's ASHA ends dominated trials: its settings, and what it is told of each round."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from ray.tune.schedulers import ASHAScheduler

from labelbench_ray.ledger.trials import read_record
from labelbench_ray.planning.early_stopping import SCORE, Race

RACED, ACCURACY = "raced", "validation_accuracy"
HALVED: Final = 2
"""Of the trials that come to a rung the worse half ends. As the first rung is at half of the rounds, it is the only
one before the last round."""


def scheduler(race: Race) -> ASHAScheduler:
    """Ends trials by the rule of the race."""
    return ASHAScheduler(
        time_attr=RACED,
        metric=ACCURACY,
        mode="max",
        max_t=race.rounds,
        grace_period=race.judged_after,
        reduction_factor=HALVED,
    )


def results(race: Race, directory: Path, told: int, rounds: int) -> Iterator[dict[str, Any]]:
    """What to report once `rounds` are recorded and `told` of them reported: each one with its score.

    Those that an earlier run recorded are reported, too: a trial is compared by its score after as many rounds as the
    others had. Of the last round nothing is told, for ASHA ends whoever comes there.
    """
    if rounds >= race.rounds:
        return
    for number in range(told, rounds):
        metrics = read_record(directory, number).metrics
        score = {ACCURACY: metrics[SCORE]} if SCORE in metrics else {}
        yield {"rounds": rounds, RACED: number + 1} | score
