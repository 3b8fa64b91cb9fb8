"""What a trial chose of prompts, as its ledger states it: their tasks, their lengths, and what a design favors."""

from functools import partial
from typing import Final

import numpy as np

from labelbench_ray.embeddings.store import Embedded
from labelbench_ray.strategies import RankingStrategy, Strategy
from labelbench_ray.strategies._ranking import scores_of
from labelbench_ray.types import Ids, PoolView

TASK, LENGTH = "task", "num_prompt_tokens"
COVERED, CHOSEN_LENGTH, FAVORS_LENGTH = "Tasks Covered", "Chosen Prompt Tokens", "Score Length Correlation"
BOUGHT_OF: Final = "Bought of "
"""Begins the metric that counts the bought prompts of a task."""
MOST_TASKS: Final = 100
SAMPLE: Final = 100_000
"""Rows on which a score is compared with the length."""


def chosen_metrics(embedded: Embedded, strategy: Strategy, view: PoolView, labeled_L: Ids) -> dict[str, float]:
    """How many tasks the bought prompts cover, how many are of each, their mean length, and whether scores follow it.

    Args:
        embedded: the store; a metric whose fact it lacks is left out.
        strategy: the design.
        view: what it chose from.
        labeled_L: all that was bought.
    """
    facts, found = embedded.pool.facts, dict[str, float]()
    if TASK in facts:
        numbers_L = facts[TASK][labeled_L].astype(np.int64)
        counts_T = np.bincount(numbers_L, minlength=len(embedded.classes))
        found[COVERED] = float((counts_T > 0).sum())
        if 1 < len(counts_T) <= MOST_TASKS and len(counts_T) == len(embedded.classes):
            names = zip(embedded.classes, counts_T.tolist(), strict=True)
            found |= {f"{BOUGHT_OF}{name}": float(count) for name, count in names}
    if LENGTH in facts:
        found[CHOSEN_LENGTH] = float(facts[LENGTH][labeled_L].mean())
        found |= _favors_length(embedded, strategy, view)
    return found


def _favors_length(embedded: Embedded, strategy: Strategy, view: PoolView) -> dict[str, float]:
    """Spearman's correlation of a design's score with a prompt's length, where it scores rows differently."""
    if not isinstance(strategy, RankingStrategy):
        return {}
    ids_U = view.open_ids()
    sampled = view.only(ids_U[:: -(-len(ids_U) // SAMPLE)])
    scores_U = np.concatenate(sampled.map(partial(scores_of, score=strategy.scorer(view, 0))))
    lengths_U = embedded.pool.facts[LENGTH][sampled.open_ids()]
    if np.ptp(scores_U) == 0 or np.ptp(lengths_U) == 0:
        return {}
    from scipy.stats import spearmanr  # as in `fidelity`

    return {FAVORS_LENGTH: float(spearmanr(scores_U, lengths_U).statistic)}
