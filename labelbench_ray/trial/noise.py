"""The answers that annotators give in a trial, and how many of those that were bought are wrong."""

from dataclasses import replace
from typing import Final

import numpy as np

from labelbench_ray.config import Trial
from labelbench_ray.corrupters import TruePool
from labelbench_ray.embeddings.store import Embedded
from labelbench_ray.errors import DataError
from labelbench_ray.trial.bought import Bought
from labelbench_ray.trial.parts import CLEAN, Parts
from labelbench_ray.types import Labels

BOUGHT_NOISE: Final = "Bought Label Noise"
POOL_NOISE: Final = "Pool Label Noise"


def hidden_labels(parts: Parts, embedded: Embedded) -> Labels | None:
    """What the oracle answers with, noise included; None where it does not need the data set's labels.

    A row of none of the classes keeps that answer.

    Raises:
        DataError: it does, and a row of the pool has none.
    """
    if not parts.oracle.needs_labels:
        return None
    truth_N, task = embedded.pool.truth_N, embedded.task
    if truth_N is None:
        raise DataError(f"trial {parts.trial.strategy} seed {parts.trial.seed}: {needs_labels(parts.trial)}")
    pool = TruePool(truth_N, embedded.classes, parts.trial.seed, embeddings=embedded.pool.embeddings_ND)
    if task.answers_every_row:
        return parts.corrupter.answers(pool)
    answers_N, rows = truth_N.copy(), np.flatnonzero(task.teaches(truth_N))
    answers_N[rows] = parts.corrupter.answers(replace(pool, labels_N=truth_N[rows], ids_N=rows))
    return answers_N


def noise_metrics(parts: Parts, embedded: Embedded, hidden_N: Labels | None, bought: Bought) -> dict[str, float]:
    """The share of wrong answers among the labels bought and, for comparison, in the pool; none for clean labels."""
    truth_N = embedded.pool.truth_N
    if parts.trial.corrupter == CLEAN or hidden_N is None or truth_N is None:
        return {}
    with_class_N = embedded.task.teaches(truth_N)
    return {
        BOUGHT_NOISE: float((bought.labels_L != truth_N[bought.labeled_L]).mean()) if len(bought.labeled_L) else 0.0,
        POOL_NOISE: float((hidden_N != truth_N)[with_class_N].mean()),
    }


def needs_labels(trial: Trial) -> str:
    """Why an oracle that needs labels cannot answer for a pool that lacks some, and what to do."""
    return (
        f"the pool has rows without a label, and the oracle {trial.oracle} answers with the data set's labels; have "
        'people label them, oracle="files", or give every row a label'
    )
