"""Greedy design of BAIT with the whole Fisher information of each row, for small K*D.

A row's information is V V^T with V = L x h, (K*D, K), where L L^T = diag p - p p^T. With A = M^-1, H = I x h,
S = H^T A H and T = H^T A F A H, both (K, K), adding (sign 1) or removing (sign -1) the row lowers tr(A F) by
    sign tr(C^-1 L^T T L),    C = I + sign L^T S L.
A pick moves every row's S and T by products of K columns of K*D: the Woodbury identity (paper, section 3).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from labelbench_ray.strategies._bait_design import Counts, Design, Doubles, best_place, factors
from labelbench_ray.strategies._ranking import tie_hash
from labelbench_ray.types import Block, Ids, PoolView, Shard


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """S and T of a shard's rows that may be chosen, and what each lowers the objective by."""

    s_UKK: Doubles
    t_UKK: Doubles
    gains_U: Doubles


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """A pick: with W = A V and E E^T = C^-1, v = W E and r = (A F W - sign/2 W C^-1 W^T F W) E, each (D, K * K)."""

    v_DX: Doubles
    r_DX: Doubles


def forward_backward(view: PoolView, design: Design, counts: Counts, scale: float, key: int) -> Ids:
    """Rows added one by one, each the best, less those that can then be removed one by one with the least harm."""
    added_C, full = greedy(view, design, counts.added, scale, 1.0, key)
    removed_C, _ = greedy(view.only(added_C), full, counts.removed, scale, -1.0, key)
    return added_C[~np.isin(added_C, removed_C)]


def greedy(view: PoolView, design: Design, count: int, scale: float, sign: float, key: int) -> tuple[Ids, Design]:
    """`count` rows, each the best for the objective after those before it; and the design with(out) them."""
    ids_U, picked = view.open_ids(), np.zeros(count, np.int64)
    hashes_U, free_U = tie_hash(key, ids_U), np.zeros(len(ids_U))  # -inf where taken
    matrix_EE = design.matrix_EE.copy()
    inverse_EE = np.linalg.inv(matrix_EE).astype(np.float64)
    begin = partial(_start, inverse_EE=inverse_EE, target_EE=design.target_EE, classes=view.num_classes)
    parts = view.map(partial(begin, scale=scale, sign=sign))
    for turn in range(count):
        gains_U = np.concatenate([part.gains_U for part in parts]) + free_U
        place = best_place(gains_U, hashes_U)
        picked[turn], free_U[place] = ids_U[place], -np.inf
        columns_EK = _columns(view, picked[turn : turn + 1], scale)
        matrix_EE += sign * columns_EK @ columns_EK.T
        step, change_EE = _step(inverse_EE, design.target_EE, columns_EK, sign)
        inverse_EE -= sign * change_EE
        parts = view.map(partial(_advance, step=step, scale=scale, sign=sign), parts)
    return picked, Design(design.target_EE, matrix_EE)


def _columns(view: PoolView, ids_1: Ids, scale: float) -> Doubles:
    h_D = view.embeddings(ids_1)[0].astype(np.float64)
    factor_KK = np.sqrt(scale) * factors(view.probabilities(ids_1))[0]
    columns_EK: Doubles = np.kron(factor_KK, h_D[:, None])
    return columns_EK


def _step(inverse_EE: Doubles, target_EE: Doubles, columns_EK: Doubles, sign: float) -> tuple[Step, Doubles]:
    classes = columns_EK.shape[1]
    w_EK = inverse_EE @ columns_EK
    values_K, vectors_KK = np.linalg.eigh(np.eye(classes) + sign * columns_EK.T @ w_EK)
    half_KK = vectors_KK / np.sqrt(np.maximum(values_K, np.finfo(np.float64).eps))
    v_EK = w_EK @ half_KK
    pulled_EK = target_EE @ v_EK
    r_EK = inverse_EE @ pulled_EK - sign / 2 * v_EK @ (v_EK.T @ pulled_EK)
    return Step(_by_dimension(v_EK), _by_dimension(r_EK)), v_EK @ v_EK.T


def _by_dimension(columns_EK: Doubles) -> Doubles:
    classes = columns_EK.shape[1]
    dimensions = len(columns_EK) // classes
    return columns_EK.reshape(classes, dimensions, classes).transpose(1, 0, 2).reshape(dimensions, classes**2)


def _start(shard: Shard, inverse_EE: Doubles, target_EE: Doubles, classes: int, scale: float, sign: float) -> Terms:
    solved_EE = inverse_EE @ target_EE @ inverse_EE
    shape = (len(shard.open_ids), classes, classes)
    terms = Terms(np.empty(shape), np.empty(shape), np.empty(shape[0]))
    for block, rows in _candidates(shard):
        terms.s_UKK[rows], terms.t_UKK[rows] = _within(block, inverse_EE), _within(block, solved_EE)
        terms.gains_U[rows] = _gains(block, terms.s_UKK[rows], terms.t_UKK[rows], scale, sign)
    return terms


def _within(block: Block, matrix_EE: Doubles) -> Doubles:
    """(B, K, K) h^T of each D x D part of the matrix h."""
    h_BD = block.embeddings_BD.astype(np.float64)
    classes = len(matrix_EE) // h_BD.shape[1]
    matrix_KDKD = matrix_EE.reshape(classes, h_BD.shape[1], classes, h_BD.shape[1])
    within_BKK = np.empty((len(h_BD), classes, classes))
    for row in range(classes):
        for column in range(classes):
            within_BKK[:, row, column] = np.einsum("bd,bd->b", h_BD @ matrix_KDKD[row, :, column], h_BD)
    return within_BKK


def _advance(shard: Shard, terms: Terms, step: Step, scale: float, sign: float) -> Terms:
    moved = Terms(terms.s_UKK.copy(), terms.t_UKK.copy(), np.empty_like(terms.gains_U))
    for block, rows in _candidates(shard):
        h_BD, shape = block.embeddings_BD.astype(np.float64), moved.s_UKK[rows].shape
        v_BKK, r_BKK = (h_BD @ step.v_DX).reshape(shape), (h_BD @ step.r_DX).reshape(shape)
        crossed_BKK = v_BKK @ r_BKK.transpose(0, 2, 1)
        moved.s_UKK[rows] -= sign * (v_BKK @ v_BKK.transpose(0, 2, 1))
        moved.t_UKK[rows] -= sign * (crossed_BKK + crossed_BKK.transpose(0, 2, 1))
        moved.gains_U[rows] = _gains(block, moved.s_UKK[rows], moved.t_UKK[rows], scale, sign)
    return moved


def _candidates(shard: Shard) -> Iterator[tuple[Block, slice]]:
    """The blocks that may be chosen from, and the places of their rows among all such rows of the shard."""
    stop = 0
    for block in shard.candidates():
        start, stop = stop, stop + len(block.ids_B)
        yield block, slice(start, stop)


def _gains(block: Block, s_BKK: Doubles, t_BKK: Doubles, scale: float, sign: float) -> Doubles:
    factors_BKK = np.sqrt(scale) * factors(block.probabilities_BK)
    turned_BKK = factors_BKK.transpose(0, 2, 1)
    inner_BKK = np.eye(s_BKK.shape[1]) + sign * (turned_BKK @ s_BKK @ factors_BKK)
    lowered_BKK = np.linalg.solve(inner_BKK, turned_BKK @ t_BKK @ factors_BKK)
    gains_B: Doubles = sign * np.einsum("bkk->b", lowered_BKK)
    return gains_B
