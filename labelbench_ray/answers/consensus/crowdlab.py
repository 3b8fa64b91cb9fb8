"""CROWDLAB by cleanlab (extra `crowd`): what a model predicts counts as one more annotator, weighted by its quality.

Goh, Tkachenko and Mueller 2022, [2210.06812](https://arxiv.org/abs/2210.06812).
"""

import warnings
from typing import Any

import numpy as np

from labelbench_ray.answers.consensus.votes import UNDECIDED, Consensus, Floats, Posterior, Votes
from labelbench_ray.errors import ConfigError


def crowdlab(votes: Votes, probabilities_NK: Floats | None = None, /) -> Consensus:
    """The label with the highest quality score; the model decides ties, so that no row is disputed.

    The label may be one that only the model gives. Until some row has two answers, nothing measures the annotators:
    labels are as given, with the model's probabilities. Memory grows with the answered rows times annotators and
    classes.

    Args:
        votes: on rows of the pool.
        probabilities_NK: a model's, which did not learn from these votes (else its errors confirm themselves).

    Raises:
        ConfigError: there are no probabilities, or they have another shape.
    """
    shape = (votes.num_rows, votes.num_classes)
    if probabilities_NK is None or probabilities_NK.shape != shape:
        given = "none" if probabilities_NK is None else f"an array of shape {probabilities_NK.shape}"
        raise ConfigError(
            f"consensus: 'crowdlab' needs a model's probabilities of shape {shape}, and got {given}; "
            "train a model first, or use 'one_coin'"
        )
    labels_N, confidence_N = np.full(votes.num_rows, UNDECIDED, np.int64), np.zeros(votes.num_rows)
    probabilities_P = np.asarray(probabilities_NK[votes.rows_P, votes.labels_P], np.float64)
    if votes.answers_N.max(initial=0) > 1:
        answered_A = np.flatnonzero(votes.answers_N)
        places_V = np.searchsorted(answered_A, votes.rows_V)
        columns_W, column_V = np.unique(votes.annotators_V, return_inverse=True)
        given_AW = np.full((len(answered_A), len(columns_W)), np.nan)
        given_AW[places_V, column_V] = votes.labels_V
        scored = _scored(given_AW, np.asarray(probabilities_NK[answered_A], np.float64))
        labels_N[answered_A] = scored["label_quality"]["consensus_label"].to_numpy()
        confidence_N[answered_A] = scored["label_quality"]["consensus_quality_score"].to_numpy()
        probabilities_P[votes.pairs_V] = scored["detailed_label_quality"].to_numpy()[places_V, column_V]
    else:
        labels_N[votes.rows_P], confidence_N[votes.rows_P] = votes.labels_P, probabilities_P
    posterior = Posterior(votes.rows_P, votes.labels_P, probabilities_P)
    return Consensus(labels_N, confidence_N, np.zeros(votes.num_rows, np.bool_), votes.answers_N, posterior)


def _scored(given_AW: Floats, probabilities_AK: Floats) -> Any:  # noqa: ANN401  cleanlab's tables
    # Imported here: it brings pandas and scikit-learn.
    from cleanlab.multiannotator import get_label_quality_multiannotator

    with warnings.catch_warnings():
        # It warns where no two annotators agree on a row; the confidences show that.
        warnings.simplefilter("ignore", UserWarning)
        return get_label_quality_multiannotator(
            given_AW, probabilities_AK, consensus_method="best_quality", return_annotator_stats=False, verbose=False
        )
