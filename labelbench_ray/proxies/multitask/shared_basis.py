"""A basis that many linear tasks share, and a head for each: alternating ridge least squares on moments.

    M tasks      D dimensions of an input      R dimensions of the shared representation

Minimizes over orthonormal B (D, R) and heads w_m the sum over tasks of |y - X B w_m|² + l2 * n_m * |w_m|².
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.proxies.multitask.moments import TINY, Moments

Reals = NDArray[np.float64]
SWEEPS: Final = 100
MOVED: Final = 1e-8
"""A fit ends once a sweep moves the subspace by less."""
STEPS: Final = 30
"""Of conjugate gradients in a sweep, which begins where the last one ended, so that the next one goes on."""
DENSE: Final = 256
"""Up to this many entries the basis is solved for at once; above, by conjugate gradients."""


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """The centered moments of all source tasks."""

    squares_MDD: Reals
    products_MD: Reals
    rows_M: Reals
    """Rows of each: not their weights, which change while classes are fitted, and the ridge penalty with them."""

    @classmethod
    def of(cls, moments: Sequence[Moments]) -> "Problem":
        """Of tasks, in their order. A task without rows has no say."""
        centered = [each.centered() for each in moments]
        return cls(
            np.stack([squares_DD for squares_DD, _ in centered]),
            np.stack([products_D for _, products_D in centered]),
            np.array([max(each.rows, TINY) for each in moments]),
        )


def shared_basis(problem: Problem, first_DR: Reals, l2: float, sweeps: int = SWEEPS, moved: float = MOVED) -> Reals:
    """(D, R) orthonormal: the subspace that all tasks share.

    Args:
        first_DR: where the search begins, as `first_basis` has it; R at most D.
        l2: the ridge penalty a row.
        sweeps: at most so many.
        moved: a sweep that moves the subspace by less is the last one.
    """
    basis_DR = first_DR
    for _ in range(sweeps):
        before_DR = basis_DR
        heads_MR = heads(problem, basis_DR, l2)
        basis_DR = np.linalg.qr(_least_squares_basis(problem, heads_MR, basis_DR, l2))[0]
        if np.linalg.norm(before_DR - basis_DR @ (basis_DR.T @ before_DR)) < moved:
            break
    return basis_DR


def first_basis(problem: Problem, rank: int) -> Reals:
    """(D, R): the largest eigenvectors of the sum over tasks of (Xᵀy)(Xᵀy)ᵀ / n."""
    scaled_MD = problem.products_MD / np.sqrt(problem.rows_M)[:, None]
    vectors_DD = np.linalg.eigh(scaled_MD.T @ scaled_MD)[1]
    return np.asarray(vectors_DD[:, ::-1][:, :rank], np.float64)


def heads(problem: Problem, basis_DR: Reals, l2: float) -> Reals:
    """(M, R): the ridge solution of every task on a basis."""
    squares_MRR = np.einsum("dr,mds->mrs", basis_DR, problem.squares_MDD @ basis_DR)
    penalty_M = np.maximum(l2 * problem.rows_M, TINY)
    ridged_MRR = squares_MRR + penalty_M[:, None, None] * np.eye(basis_DR.shape[1])
    found_MR1 = np.linalg.solve(ridged_MRR, (problem.products_MD @ basis_DR)[:, :, None])
    return np.asarray(found_MR1[:, :, 0], np.float64)


def task_solutions(problem: Problem, l2: float) -> Reals:
    """(M, D): the ridge solution of every task, from its own rows alone."""
    penalty_M = np.maximum(l2 * problem.rows_M, TINY)
    ridged_MDD = problem.squares_MDD + penalty_M[:, None, None] * np.eye(problem.squares_MDD.shape[1])
    found_MD1 = np.linalg.solve(ridged_MDD, problem.products_MD[:, :, None])
    return np.asarray(found_MD1[:, :, 0], np.float64)


def _least_squares_basis(problem: Problem, heads_MR: Reals, guess_DR: Reals, l2: float) -> Reals:
    """(D, R): the basis that fits all tasks best, given their heads: sum of S_m B w_m w_mᵀ = sum of b_m w_mᵀ."""
    wanted_DR = problem.products_MD.T @ heads_MR
    weighted_RR = (heads_MR * problem.rows_M[:, None]).T @ heads_MR
    size = float(np.trace(weighted_RR)) / len(weighted_RR)
    if size <= TINY:  # no task has learned anything yet
        return guess_DR
    # For directions that no input or no head has: far below the heads' own penalty, and above rounding.
    ridge = max(1e-3 * l2, 1e-12) * size
    if wanted_DR.size <= DENSE:
        return _solved_at_once(problem, heads_MR, wanted_DR, ridge)
    return _solved_step_by_step(problem, heads_MR, wanted_DR, weighted_RR, guess_DR, ridge)


def _solved_at_once(problem: Problem, heads_MR: Reals, wanted_DR: Reals, ridge: float) -> Reals:
    outer_MRR = heads_MR[:, :, None] * heads_MR[:, None, :]
    dimensions, rank = wanted_DR.shape
    system = np.tensordot(outer_MRR, problem.squares_MDD, axes=(0, 0))  # (R, R, D, D)
    system = system.transpose(2, 0, 3, 1).reshape(dimensions * rank, dimensions * rank)
    system[np.diag_indices_from(system)] += ridge
    return np.asarray(np.linalg.solve(system, wanted_DR.reshape(-1)), np.float64).reshape(dimensions, rank)


def _solved_step_by_step(
    problem: Problem, heads_MR: Reals, wanted_DR: Reals, weighted_RR: Reals, guess_DR: Reals, ridge: float
) -> Reals:
    from scipy.sparse.linalg import LinearOperator, cg

    shape = wanted_DR.shape
    # Standardized inputs have squares near n times the identity, for which this is the inverse.
    inverse_RR = np.linalg.inv(weighted_RR + ridge * np.eye(shape[1]))

    def product(flat: Reals) -> Reals:
        basis_DR = flat.reshape(shape)
        moved_MD = (problem.squares_MDD @ (heads_MR @ basis_DR.T)[:, :, None])[:, :, 0]
        return (moved_MD.T @ heads_MR + ridge * basis_DR).reshape(-1)

    def preconditioned(flat: Reals) -> Reals:
        return (flat.reshape(shape) @ inverse_RR).reshape(-1)

    size = wanted_DR.size
    found, _ = cg(
        LinearOperator((size, size), product, dtype=np.float64),
        wanted_DR.reshape(-1),
        x0=guess_DR.reshape(-1),
        rtol=1e-10,
        maxiter=STEPS,
        M=LinearOperator((size, size), preconditioned, dtype=np.float64),
    )
    return np.asarray(found, np.float64).reshape(shape)
