"""The Bayesian signed-rank test: how probable it is that one strategy is better, equal in practice, or worse.

Benavoli, Mangili, Corani, Zaffalon and Ruggeri (ICML 2014): a Dirichlet process over the differences of D settings,
with a prior observation of weight 1/2 at 0. Differences inside the region of practical equivalence are equal in
practice. (Letters: D settings, E the settings and the prior observation, R draws.)
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from labelbench_ray.report.statistics.paired import Floats

DRAWS: Final = 20_000
PRIOR: Final = 0.5
"""Weight of the prior observation, a difference of 0."""
EQUIVALENT: Final = 0.001
"""Half of the width of the region: a difference of .1 points of accuracy does not matter."""
_SEED: Final = 20140622
_AT_ONCE: Final = 1_000_000
"""Entries of the draws' array that are weighted at a time."""


@dataclass(frozen=True, slots=True)
class Posterior:
    """Probabilities that sum to 1: the share of the draws in which each of the three weighs most."""

    better: float
    equal: float
    worse: float


def signed_rank(differences_D: Floats, equivalent: float = EQUIVALENT) -> Posterior:
    """The posterior for the first strategy's score less the second's, a setting each; the same input, the same answer.

    Raises:
        ValueError: no difference, one that is not finite, or a negative width.
    """
    if not differences_D.size or not np.isfinite(differences_D).all() or equivalent < 0:
        raise ValueError(
            f"{differences_D.size} differences with a region of half-width {equivalent}; give finite differences, at "
            "least one, and a half-width of at least 0"
        )
    observed = np.concatenate([[0.0], differences_D])
    weights_RE = np.random.default_rng(_SEED).dirichlet([PRIOR, *np.ones(len(differences_D))], DRAWS)
    sums_EE = observed[:, None] + observed
    above_R, below_R = (_weighed(weights_RE, _above(sign * sums_EE, 2 * equivalent)) for sign in (1, -1))
    shares_R3 = np.stack([above_R, 1 - above_R - below_R, below_R], axis=1)
    if equivalent == 0:
        shares_R3[:, 1] = -1  # no region: a tie counts half for each side
    best_R3 = shares_R3 >= shares_R3.max(axis=1, keepdims=True) - 1e-12
    better, equal, worse = (best_R3 / best_R3.sum(axis=1, keepdims=True)).mean(axis=0)
    return Posterior(float(better), float(equal), float(worse))


def _above(sums_EE: Floats, bound: float) -> Floats:
    above_EE: Floats = (sums_EE > bound) + 0.5 * (sums_EE == bound)
    return above_EE


def _weighed(weights_RE: Floats, above_EE: Floats) -> Floats:
    """(R,) the weight of the pairs above, for each draw of weights."""
    rows = max(1, _AT_ONCE // weights_RE.shape[1])
    parts = (weights_RE[start : start + rows] for start in range(0, len(weights_RE), rows))
    return np.concatenate([np.sum((part_RE @ above_EE) * part_RE, axis=1) for part_RE in parts])
