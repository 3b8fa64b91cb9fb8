"""Greedy design of BAIT with one weight a row: picks ahead among the likely rows, which all rows then check.

With A = M^-1, a row h of signed weight w (negative: it is taken out of M) lowers tr(A F) by w t / (1 + w s), where
s = h^T A h and t = h^T A F A h. A pick h* moves every row's s and t by
    s -= a (h^T v)^2,  t -= 2 a (h^T v) (h^T r),  a = w* / (1 + w* s*),  v = A h*,  r = A F v - a (v^T F v) v / 2,
so what many picks do to all rows is one matrix product.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.strategies._bait_design import Counts, Design, Doubles, best_place, uncertainty
from labelbench_ray.strategies._ranking import leading, tie_hash
from labelbench_ray.types import Ids, PoolView, Shard

Places = NDArray[np.intp]

LEADING, OTHERS = 1536, 128
"""Candidates, among which the driver picks ahead in float64: rows of the largest gains, and rows by hash."""
FIRST_STEPS, MOST_STEPS = 16, 128
"""Picks ahead before all rows check them: doubled after a check that finds nothing, halved after one that does."""
FALL = 0.03
"""All rows' s and t are computed afresh when the best gain has fallen by this: errors of their updates are absolute."""
MOST_LOST = 1e-3
"""They are also when 1 + w s of any row has."""
ROUNDING = 1e-5
"""Relative error of the gains that all rows compute from float32 products."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The rows that may be chosen, in the shards' order: where each shard begins, signed weights, tie hashes."""

    ids_U: Ids
    starts: Places
    weights_U: Doubles
    hashes_U: NDArray[np.uint64]

    def split(self, values_U: NDArray[np.generic]) -> list[NDArray[np.generic]]:
        """One array a shard."""
        return np.split(values_U, self.starts)


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """s and t of rows."""

    s_U: Doubles
    t_U: Doubles


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """s and t of all rows, with the best gain and each row's 1 + w s when they were last computed afresh."""

    terms: Terms
    top: float
    whole_U: Doubles


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """Picks ahead: their places among the candidates, their gains, and v and 2 r, each times sqrt|a|; a's sign."""

    places_J: Places
    gains_J: Doubles
    v_JD: Doubles
    r_JD: Doubles
    sign: float

    def until(self, count: int) -> "Steps":
        """Only the first `count` picks."""
        return Steps(self.places_J[:count], self.gains_J[:count], self.v_JD[:count], self.r_JD[:count], self.sign)


@dataclass(frozen=True, slots=True, eq=False)
class Checked:
    """s and t of a shard's rows after all steps; the first step at which a row outside the candidates gains more."""

    terms: Terms
    first: int


def forward_backward(view: PoolView, design: Design, counts: Counts, scale: float, key: int) -> Ids:
    """Rows added one by one, each the best, less those that can then be removed one by one with the least harm."""
    ids_U = view.open_ids()
    weights = [scale * weights_U for weights_U in view.map(_weights)]
    starts = np.cumsum([len(weights_U) for weights_U in weights])[:-1]
    rows = Rows(ids_U, starts, np.concatenate(weights), tie_hash(key, ids_U))
    root_DD = _root(design.target_EE)
    added_C, full = greedy(view, rows, design, root_DD, counts.added)
    kept_C = np.sort(added_C)
    fewer = Rows(ids_U[kept_C], np.searchsorted(kept_C, starts), -rows.weights_U[kept_C], rows.hashes_U[kept_C])
    removed_C, _ = greedy(view.only(fewer.ids_U), fewer, full, root_DD, counts.removed)
    return ids_U[added_C[~np.isin(added_C, kept_C[removed_C])]]


def greedy(view: PoolView, rows: Rows, design: Design, root_DD: Doubles, count: int) -> tuple[Places, Design]:
    """Places of `count` rows, each the best for the objective after those before it; and the design with them."""
    picked_C, open_U = np.empty(0, np.intp), np.ones(len(rows.ids_U), np.bool_)
    known, ahead = None, FIRST_STEPS
    while len(picked_C) < count:
        places_C = np.flatnonzero(open_U)
        known = _known(view, rows, open_U, design, root_DD, known) if len(places_C) > LEADING + OTHERS else None
        if known is not None:
            places_C = _candidates(_open_gains(rows, known.terms, open_U), rows.hashes_U)
        features_CD, weights_C = view.embeddings(rows.ids_U[places_C]).astype(np.float64), rows.weights_U[places_C]
        ahead = min(ahead, count - len(picked_C), len(places_C))
        least = 0.0 if known is None else FALL * abs(known.top)
        steps = _pick_ahead(design, root_DD, features_CD, weights_C, rows.hashes_U[places_C], ahead, least)
        hoped = len(steps.places_J)
        if known is not None:
            outside_U = open_U.copy()
            outside_U[places_C] = False
            steps, terms = _check(view, rows, known.terms, outside_U, steps)
            known = replace(known, terms=terms)
        ahead = min(2 * ahead, MOST_STEPS) if len(steps.places_J) == hoped else max(1, ahead // 2)
        x_JD, weights_J = features_CD[steps.places_J], weights_C[steps.places_J]
        design = design.plus((x_JD.T * weights_J) @ x_JD)
        picked_C = np.concatenate([picked_C, places_C[steps.places_J]])
        open_U[picked_C] = False
    return picked_C, design


def gains(weights_U: Doubles, s_U: Doubles, t_U: Doubles) -> Doubles:
    """By how much each row lowers the objective."""
    return _shares(weights_U, s_U) * t_U


def _shares(weights_U: Doubles, s_U: Doubles) -> Doubles:
    """w / (1 + w s). Where a removal would leave nothing in the row's direction, rounding must not change the sign."""
    return weights_U / np.maximum(1 + weights_U * s_U, np.finfo(np.float64).eps)


def _known(
    view: PoolView, rows: Rows, open_U: NDArray[np.bool_], design: Design, root_DD: Doubles, known: Known | None
) -> Known:
    """What is known of all rows, computed again where its errors could hide the best row."""
    if known is not None:
        left_U = 1 + rows.weights_U * known.terms.s_U
        best = _open_gains(rows, known.terms, open_U).max()
        if abs(best) >= FALL * abs(known.top) and not (open_U & (left_U < MOST_LOST * known.whole_U)).any():
            return known
    terms = _join(view.map(partial(_terms, roots_DX=_roots(design, root_DD))))
    return Known(terms, float(_open_gains(rows, terms, open_U).max()), 1 + rows.weights_U * terms.s_U)


def _open_gains(rows: Rows, terms: Terms, open_U: NDArray[np.bool_]) -> Doubles:
    return np.where(open_U, gains(rows.weights_U, terms.s_U, terms.t_U), -np.inf)


def _candidates(gains_U: Doubles, hashes_U: NDArray[np.uint64]) -> Places:
    """Ascending places of the largest gains, those that may tie with the last of them by hash; and of some others."""
    last = np.partition(gains_U, -LEADING)[-LEADING]
    tied_U = np.abs(gains_U - last) <= ROUNDING * abs(last)
    leading_C = leading(np.where(tied_U, last, gains_U), hashes_U, LEADING)
    # Where thousands of rows are equal, the leading ones would all be, and all but one of them useless after a pick.
    open_U = np.flatnonzero(np.isfinite(gains_U))
    others_C = open_U[np.argpartition(hashes_U[open_U], OTHERS)[:OTHERS]]
    return np.union1d(leading_C, others_C)


def _pick_ahead(
    design: Design,
    root_DD: Doubles,
    features_CD: Doubles,
    weights_C: Doubles,
    hashes_C: NDArray[np.uint64],
    ahead: int,
    least: float,
) -> Steps:
    """The plain greedy among the candidates, `ahead` picks or until the gain is below `least`.

    With A0 = A before the first pick, h^T v and h^T A0 F v of all candidates follow from two columns, of H A0 H^T and
    of H A0 F A0 H^T, and from the picks so far: a pick reads no matrix of (D, D).
    """
    factor_DD = np.linalg.cholesky(design.matrix_EE)
    half_CD = _solved(factor_DD, features_CD)
    solved_CD = _solved(factor_DD, half_CD, transposed=True)
    pulled_CD = solved_CD @ root_DD
    s_C, t_C, sign = _square(half_CD), _square(pulled_CD), float(np.sign(weights_C.sum()))
    places_J, gains_J = np.zeros(ahead, np.intp), np.zeros(ahead)
    v_JD, r_JD, pulled_JD = (np.zeros((ahead, len(root_DD))) for _ in range(3))  # the last: v^T root
    along_JC, moved_JC = (np.zeros((ahead, len(weights_C))) for _ in range(2))  # h^T v, h^T A0 F v
    free_C = np.zeros(len(weights_C))  # -inf where taken
    count = ahead
    for step in range(ahead):
        shares_C = _shares(weights_C, s_C)
        gains_C = shares_C * t_C + free_C
        place = best_place(gains_C, hashes_C)
        if step and abs(gains_C[place]) < least:
            count = step
            break
        places_J[step], gains_J[step], free_C[place] = place, gains_C[place], -np.inf
        share, earlier_J = shares_C[place], sign * along_JC[:step, place]
        v_D = solved_CD[place] - earlier_J @ v_JD[:step]
        pulled_D = pulled_CD[place] - earlier_J @ pulled_JD[:step]
        along_C = half_CD @ half_CD[place] - earlier_J @ along_JC[:step]
        moved_C = pulled_CD @ pulled_CD[place] - earlier_J @ moved_JC[:step]
        between_J, own = sign * (pulled_JD[:step] @ pulled_D), share * (pulled_D @ pulled_D) / 2
        s_C -= share * along_C**2
        t_C -= 2 * share * along_C * (moved_C - between_J @ along_JC[:step] - own * along_C)
        scale = np.sqrt(abs(share))
        r_JD[step] = -2 * scale * (between_J @ v_JD[:step] + own * v_D)
        v_JD[step], pulled_JD[step] = scale * v_D, scale * pulled_D
        along_JC[step], moved_JC[step] = scale * along_C, scale * moved_C
    # r lacks A0 F v, of all picks at once.
    r_JD += 2 * _solved(factor_DD, _solved(factor_DD, pulled_JD @ root_DD.T), transposed=True)
    return Steps(places_J, gains_J, v_JD, r_JD, sign).until(count)


def _check(view: PoolView, rows: Rows, terms: Terms, outside_U: NDArray[np.bool_], steps: Steps) -> tuple[Steps, Terms]:
    """The steps before any row outside gains more than the pick, and all rows' s and t after them."""
    each = [rows.split(values_U) for values_U in (rows.weights_U, terms.s_U, terms.t_U, outside_U)]
    checked = view.map(partial(_advance, steps=steps), *each)
    first = min(part.first for part in checked)
    if first < len(steps.places_J):
        steps = steps.until(first)
        checked = view.map(partial(_advance, steps=steps), *each)
    return steps, _join([part.terms for part in checked])


def _advance(
    shard: Shard, weights_U: Doubles, s_U: Doubles, t_U: Doubles, outside_U: NDArray[np.bool_], steps: Steps
) -> Checked:
    both_XD = np.stack([steps.v_JD, steps.r_JD], axis=1).astype(np.float32).reshape(-1, steps.v_JD.shape[1])
    bounds_J = steps.gains_J + ROUNDING * np.abs(steps.gains_J)
    s_U, t_U, first, start = s_U.copy(), t_U.copy(), len(bounds_J), 0
    for block in shard.candidates():
        part = slice(start, start := start + len(block.ids_B))
        products_XB = both_XD[: 2 * first] @ block.embeddings_BD.T
        w_B, s_B, t_B, outside_B = weights_U[part], s_U[part], t_U[part], outside_U[part]
        for step in range(first):
            # The first pick stands: the candidates are the rows that gain most before it.
            if step and ((w_B * t_B > bounds_J[step] * (1 + w_B * s_B)) & outside_B).any():
                first = step
                break
            along_B, pulled_B = products_XB[2 * step], products_XB[2 * step + 1]
            np.maximum(s_B - steps.sign * (along_B * along_B), 0, out=s_B)
            t_B -= steps.sign * (along_B * pulled_B)
    return Checked(Terms(s_U, t_U), first)


def _terms(shard: Shard, roots_DX: Doubles) -> Terms:
    single_DX = roots_DX.astype(np.float32)
    return _join([_squares(block.embeddings_BD @ single_DX) for block in shard.candidates()])


def _squares(products_BX: NDArray[np.floating]) -> Terms:
    half = products_BX.shape[1] // 2
    s_B, t_B = _square(products_BX[:, :half]), _square(products_BX[:, half:])
    return Terms(s_B.astype(np.float64), t_B.astype(np.float64))


def _square(rows_BD: NDArray[Any]) -> NDArray[Any]:
    square_B: NDArray[Any] = np.einsum("bd,bd->b", rows_BD, rows_BD)
    return square_B


def _join(parts: list[Terms]) -> Terms:
    return Terms(
        np.concatenate([np.empty(0), *(part.s_U for part in parts)]),
        np.concatenate([np.empty(0), *(part.t_U for part in parts)]),
    )


def _roots(design: Design, root_DD: Doubles) -> Doubles:
    """(D, 2 D) whose halves give s and t as squared lengths of what they make of h: no sum that cancels."""
    factor_DD = np.linalg.cholesky(design.matrix_EE)
    inverse_root_DD = _solved(factor_DD, np.eye(len(factor_DD)))
    return np.hstack([inverse_root_DD, _solved(factor_DD, _solved(factor_DD, root_DD.T), transposed=True).T])


def _solved(factor_DD: NDArray[np.floating], rows_BD: Doubles, *, transposed: bool = False) -> Doubles:
    """(B, D) rows x with L x = row, or with L^T x = row, for a lower factor L."""
    from scipy.linalg import solve_triangular

    trans = "T" if transposed else "N"
    solved_DB: Doubles = solve_triangular(factor_DD, rows_BD.T, trans=trans, lower=True, check_finite=False)
    return solved_DB.T


def _root(target_DD: Doubles) -> Doubles:
    values_D, vectors_DD = np.linalg.eigh(target_DD)
    root_DD: Doubles = vectors_DD * np.sqrt(np.maximum(values_D, 0))
    return root_DD


def _weights(shard: Shard) -> Doubles:
    return np.concatenate([np.empty(0), *(uncertainty(block.probabilities_BK) for block in shard.candidates())])
