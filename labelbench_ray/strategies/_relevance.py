"""How relevant each source task is to a target, given the heads of all: shares of rows, and how good an allocation is.

    M source tasks      R dimensions of the shared representation

The target's head is a combination of the sources' heads, W nu = w. Rows n_m of the sources leave the target a risk
proportional to wᵀ (W diag(n) Wᵀ)⁻¹ w. By Elfving's theorem (1952) the least such risk of N rows is |nu|_1² / N, for
the nu of the least l1 norm and n proportional to |nu|; with costs c, n is proportional to |nu| / √c, where nu
minimizes the sum of √c |nu|.
"""

import warnings
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.pool.task_heads import Heads

Reals = NDArray[np.float64]
Norm = Literal["l1", "l2", "uniform"]
PENALTY: Final = 0.05
"""Of the lasso, as a share of the penalty from which on all is 0, unless another is given."""
WORST_FIT: Final = 0.5
"""Where the lasso leaves more than this share of the target's head unexplained, the exact program is solved instead."""
RIDGE: Final = 1e-9


def shares(norm: Norm, heads_RM: Reals, target_R: Reals, costs_M: Reals, penalty: float = PENALTY) -> Reals:
    """(M,) shares of the rows to buy, which sum to 1; equal ones where no task is relevant."""
    nu_M = relevance(norm, heads_RM, target_R, costs_M, penalty)
    weights_M = nu_M**2 if norm == "l2" else np.abs(nu_M) / np.sqrt(costs_M)
    total = weights_M.sum()
    return weights_M / total if np.isfinite(total) and total > 0 else np.full(len(costs_M), 1 / len(costs_M))


def relevance(norm: Norm, heads_RM: Reals, target_R: Reals, costs_M: Reals, penalty: float = PENALTY) -> Reals:
    """(M,) nu: how the target's head combines the sources' heads."""
    if norm == "uniform":
        return np.zeros(len(costs_M))
    if norm == "l2":
        return least_l2(heads_RM, target_R)
    scale_M = np.sqrt(costs_M)
    columns_RM = heads_RM / scale_M
    nu_M = lasso(columns_RM, target_R, penalty)
    if np.abs(columns_RM @ nu_M - target_R).sum() > WORST_FIT * np.abs(target_R).sum():
        nu_M = least_l1(columns_RM, target_R)
    return nu_M / scale_M


def least_l1(columns_RM: Reals, target_R: Reals) -> Reals:
    """(M,) nu of the least l1 norm with columns @ nu = target, at most R entries not 0; the least squares solution
    where there is none.
    """
    from scipy.optimize import linprog

    size = max(np.abs(target_R).max(), np.finfo(np.float64).tiny)
    both = np.hstack([columns_RM, -columns_RM])
    found = linprog(np.ones(both.shape[1]), A_eq=both, b_eq=target_R / size, bounds=(0, None), method="highs-ds")
    if found.x is None:
        return least_l2(columns_RM, target_R)
    plus_M, minus_M = np.split(np.asarray(found.x, np.float64) * size, 2)
    nu_M: Reals = plus_M - minus_M
    return nu_M


def least_l2(columns_RM: Reals, target_R: Reals) -> Reals:
    """(M,) nu of the least l2 norm that explains the target's head best."""
    return np.asarray(np.linalg.lstsq(columns_RM, target_R, rcond=None)[0], np.float64)


def lasso(columns_RM: Reals, target_R: Reals, share: float = PENALTY) -> Reals:
    """(M,) nu that minimizes |columns @ nu - target|² / 2 + penalty * |nu|_1, a share of the largest useful penalty."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import Lasso

    penalty = share * np.abs(columns_RM.T @ target_R).max()
    if penalty == 0:
        return np.zeros(columns_RM.shape[1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = Lasso(alpha=penalty / len(target_R), fit_intercept=False, max_iter=10_000)
        return np.asarray(model.fit(columns_RM, target_R).coef_, np.float64)


def risk(heads_RM: Reals, target_R: Reals, rows_M: Reals) -> float:
    """wᵀ (W diag(n) Wᵀ)⁻¹ w, what an allocation leaves of the target's risk in units of the noise's variance."""
    information_RR = (heads_RM * rows_M) @ heads_RM.T
    information_RR += RIDGE * np.trace(information_RR) / len(target_R) * np.eye(len(target_R))
    return float(target_R @ np.linalg.lstsq(information_RR, target_R, rcond=None)[0])


def risk_ratio(heads_RM: Reals, target_R: Reals, rows_M: Reals) -> float:
    """The risk that rows leave over that of as many rows, the same number for every task; 1 where both are 0."""
    even_M = np.full(len(rows_M), rows_M.sum() / len(rows_M))
    below = risk(heads_RM, target_R, even_M)
    return risk(heads_RM, target_R, rows_M) / below if below > 0 else 1.0


def cumulative(shares_M: Reals, explore: float, floor: int, rows: float) -> Reals:
    """(M,) how many rows of each task there should be once there are `rows` of all: shares, and an even part."""
    even = rows / len(shares_M)
    return np.maximum((1 - explore) * shares_M * rows + explore * even, min(floor, even))


def cross_fit(
    halves: tuple[Heads, Heads],
    norm: Norm,
    costs_M: Reals,
    explore: float,
    floor: int,
    rows: float,
    penalty: float = PENALTY,
) -> float:
    """The risk of the shares that each half of the rows gives over that of equal shares, judged by the other half: the
    mean of both ways. Below 1, it is identified which tasks are relevant.
    """

    def judged(fitted: Heads, judge: Heads) -> float:
        shares_M = shares(norm, fitted.heads_RM, fitted.target_R, costs_M, penalty)
        return risk_ratio(judge.heads_RM, judge.target_R, cumulative(shares_M, explore, floor, rows))

    first, second = halves
    return (judged(first, second) + judged(second, first)) / 2
