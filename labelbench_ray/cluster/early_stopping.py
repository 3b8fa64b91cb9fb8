"""Tune's ASHA ends dominated trials: its settings, and what is reported to it of each round."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from ray.tune.schedulers import ASHAScheduler

from labelbench_ray.ledger.trials import read_record
from labelbench_ray.planning.early_stopping import EarlyStoppingRule

COMPARED_ROUND, ACCURACY = "compared_round", "validation_accuracy"
HALVED: Final = 2
"""Of the trials that come to a rung the worse half ends. As the first rung is at half of the rounds, it is the only
one before the last round."""


def scheduler(rule: EarlyStoppingRule) -> ASHAScheduler:
    """Tune's scheduler for a rule."""
    return ASHAScheduler(
        time_attr=COMPARED_ROUND,
        metric=ACCURACY,
        mode="max",
        max_t=rule.rounds,
        grace_period=rule.judged_after,
        reduction_factor=HALVED,
    )


def results(rule: EarlyStoppingRule, directory: Path, reported: int, rounds: int) -> Iterator[dict[str, Any]]:
    """What to report once `rounds` are recorded and `reported` of them reported: each one with its score.

    Rounds of an earlier run are reported as well: a trial is compared by its score after as many rounds as the others
    had. The last round is not reported, because ASHA ends every trial that reaches it.
    """
    if rounds >= rule.rounds:
        return
    for number in range(reported, rounds):
        metrics = read_record(directory, number).metrics
        score = {ACCURACY: metrics[rule.metric]} if rule.metric in metrics else {}
        yield {"rounds": rounds, COMPARED_ROUND: number + 1} | score
