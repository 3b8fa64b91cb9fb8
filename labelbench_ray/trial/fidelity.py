"""How far a trial's proxy can be trusted: what it would buy next, beside what the full model would, on equal labels.

The open questions of selection via proxy (LabelBench, arXiv 2306.09910, section 6), measured where the full model is
trained anyway.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.strategies import History, RankingStrategy, Strategy
from labelbench_ray.strategies._ranking import best_rows, scores_of, tie_hash
from labelbench_ray.strategies.margin import Margin
from labelbench_ray.streams import stream
from labelbench_ray.types import Block, Ids, PoolView

SAMPLE = 100_000
"""Ranks are compared on at most this many rows, the same for both models."""


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """The next batch that both models are asked for: of this strategy and size, in this round of this seed."""

    strategy: Strategy
    budget: int
    seed: int
    round: int
    answers_N: Ids | None
    """What the oracle would answer for each row: for strategies that ask within a batch; nothing is bought. None: the
    oracle cannot state it, and the strategy does not ask."""
    history: History = ()
    """The rounds before."""


def fidelity(question: Question, proxy: PoolView, full: PoolView) -> dict[str, float]:
    """Overlap of the two batches (Jaccard) and rank correlation of the two scores (Spearman) on the unlabeled rows.

    The score is the strategy's own where it ranks rows, else the margin. Absent where nothing is left to choose, or
    where a score is the same for all rows.
    """
    if question.budget > proxy.num_unlabeled:
        return {}
    one, other = (set(_batch(question, view).tolist()) for view in (proxy, full))
    found = {"Fidelity Batch Overlap": len(one & other) / len(one | other)}
    scores = [_scores(question, view) for view in (proxy, full)]
    if any(np.ptp(each_U) == 0 for each_U in scores):
        return found
    from scipy.stats import spearmanr  # takes a sixth of a worker's start to import, and most workers never need it

    return found | {"Fidelity Score Correlation": float(spearmanr(*scores).statistic)}


def _batch(question: Question, view: PoolView) -> Ids:
    rng = stream(question.seed, question.round, "select")
    answers_N = question.answers_N
    ask = None if answers_N is None else lambda ids: answers_N[ids]
    return question.strategy.select_with_notes(view, question.budget, rng, ask, question.history).ids


def _scores(question: Question, view: PoolView) -> NDArray[np.float64]:
    strategy = question.strategy if isinstance(question.strategy, RankingStrategy) else Margin()
    key = int(stream(question.seed, question.round, "fidelity").integers(2**63))
    sample = view.only(np.sort(best_rows(view, SAMPLE, key, partial(_noise, key=key)).ids_C))
    return np.concatenate(sample.map(partial(scores_of, score=strategy.scorer(view, key))))


def _noise(block: Block, key: int) -> NDArray[np.float64]:
    return tie_hash(key, block.ids_B).astype(np.float64)
