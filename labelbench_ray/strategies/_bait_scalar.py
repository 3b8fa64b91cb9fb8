"""Greedy design of BAIT with one weight a row: picks ahead among the likely rows, which all rows then check.

With A = M^-1, a row h of signed weight w (negative: it is taken out of M) lowers tr(A F) by w t / (1 + w s), where
s = h^T A h and t = h^T A F A h. A pick h* moves every row's s and t by
    s -= a (h^T v)^2,  t -= 2 a (h^T v) (h^T r),  a = w* / (1 + w* s*),  v = A h*,  r = A F v - a (v^T F v) v / 2,
so what many picks do to all rows is one matrix product. Their errors are measured on the candidates, and rows that a
pick leads by no more than the error are evaluated in float64.
"""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.strategies._bait_ahead import Candidates, Inverse, Places, Steps, inverse_root, pick_ahead, roots
from labelbench_ray.strategies._bait_design import TIE, Counts, Design, Doubles
from labelbench_ray.strategies._bait_rows import Rows, Terms, blocks_of, fresh_terms, joined, weights_of
from labelbench_ray.strategies._ranking import leading, tie_hash
from labelbench_ray.types import Block, Floats, Ids, PoolView, Shard

LEADING, OTHERS = 1536, 128
"""Candidates, among which the driver picks ahead in float64: rows of the largest gains, and rows by hash."""
FIRST_STEPS, MOST_STEPS = 16, 128
"""Picks ahead before all rows check them: doubled after a check that finds nothing, halved after one that does."""
FALL = 0.03
"""All rows' s and t are computed afresh when the best gain has fallen by this: errors of their updates are absolute."""
MOST_LOST = 1e-3
"""They are also when 1 + w s of any row has."""
ROUNDING = 1e-5
"""Relative error of the gains that all rows compute from float32 products, right after they are computed afresh."""
UNSEEN = 4.0
"""The error of any row's gain, in units of the largest among the candidates, whose gains are exact: an assumption."""
MOST_ERROR = 1e-2
"""All rows' s and t are also computed afresh when that error exceeds this share of the best gain."""


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """The terms of all rows, with the best gain and each row's 1 + w s when they were last computed afresh."""

    terms: Terms
    top: float
    whole_U: Doubles


@dataclass(frozen=True, slots=True, eq=False)
class Checked:
    """Terms of a shard's rows before the first step at which a row outside surely gains more; that step."""

    terms: Terms
    first: int
    unsure_V: Places
    """Places, among the shard's rows, of those that may gain more than a pick."""
    since_V: Places
    """The first step at which each of them may."""


def forward_backward(view: PoolView, design: Design, counts: Counts, scale: float, key: int) -> Ids:
    """Rows added one by one, each the best, less those that can then be removed one by one with the least harm."""
    ids_U = view.open_ids()
    weights = [scale * weights_U for weights_U in view.map(weights_of)]
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
    known: Known | None = None
    ahead = FIRST_STEPS
    while len(picked_C) < count:
        fresh = known is None or not _holds(known, open_U)
        if known is None or fresh:
            lower_DD = inverse_root(design)
            inverse = Inverse.of(lower_DD, root_DD)
            known, candidates = _known(view, rows, open_U, roots(lower_DD, inverse)), None
        gains_U = _open_gains(known.terms, open_U)
        error, best = ROUNDING * abs(gains_U.max()), abs(gains_U.max())
        places_C = _likely(gains_U, rows.hashes_U, error)
        candidates = _candidates(view, rows, places_C, inverse, candidates)
        error += UNSEEN * float(np.abs(candidates.gains() - gains_U[candidates.places_C]).max())
        outside_U = open_U.copy()
        outside_U[places_C] = False
        if error > MOST_ERROR * best and outside_U.any() and not fresh:
            known = None
            continue
        hoped = min(ahead, count - len(picked_C), len(places_C))
        picks = pick_ahead(candidates, inverse, hoped, FALL * abs(known.top))
        found = len(picks.steps.places_J)
        steps, terms = _check(view, rows, known.terms, outside_U, picks.steps, error, inverse)
        picks = picks.until(len(steps.places_J))
        ahead = min(2 * ahead, MOST_STEPS) if len(steps.places_J) == found else max(1, ahead // 2)
        x_JD, weights_J = candidates.features_CD[picks.among_J], candidates.weights_C[picks.among_J]
        design = design.plus((x_JD.T * weights_J) @ x_JD)
        known, inverse, candidates = replace(known, terms=terms), inverse.after(picks), candidates.after(picks)
        picked_C = np.concatenate([picked_C, steps.places_J])
        open_U[steps.places_J] = False
    return picked_C, design


def _holds(known: Known, open_U: NDArray[np.bool_]) -> bool:
    """Whether the errors of what is known of all rows cannot hide the best row."""
    best = _open_gains(known.terms, open_U).max()
    lost_U = known.terms.whole_U < MOST_LOST * known.whole_U
    return bool(abs(best) >= FALL * abs(known.top) and not (open_U & lost_U).any())


def _known(view: PoolView, rows: Rows, open_U: NDArray[np.bool_], both: tuple[Doubles, Doubles]) -> Known:
    """What is known of all rows, computed afresh."""
    single = tuple(root_DD.astype(np.float32) for root_DD in both)
    terms = joined(view.map(partial(fresh_terms, both=single), rows.split(rows.weights_U)))
    return Known(terms, float(_open_gains(terms, open_U).max()), terms.whole_U)


def _candidates(
    view: PoolView, rows: Rows, places_C: Places, inverse: Inverse, before: Candidates | None
) -> Candidates:
    """The rows at these places; of those that were candidates before, what is known is kept."""
    kept = None if before is None else before.where(np.isin(before.places_C, places_C, assume_unique=True))
    new_C = places_C if kept is None else np.setdiff1d(places_C, kept.places_C, assume_unique=True)
    if kept is not None and not len(new_C):
        return kept
    features_CD = view.embeddings(rows.ids_U[new_C]).astype(np.float64)
    new = Candidates.of(new_C, rows.weights_U[new_C], rows.hashes_U[new_C], features_CD, inverse)
    return new if kept is None else kept.with_more(new)


def _open_gains(terms: Terms, open_U: NDArray[np.bool_]) -> Doubles:
    return np.where(open_U, terms.gains(), -np.inf)


def _likely(gains_U: Doubles, hashes_U: NDArray[np.uint64], error: float) -> Places:
    """Ascending places of the largest gains, those that may tie with the last of them by hash; and of some others."""
    open_U = np.flatnonzero(np.isfinite(gains_U))
    if len(open_U) <= LEADING + OTHERS:
        return open_U
    last = np.partition(gains_U, -LEADING)[-LEADING]
    tied_U = np.abs(gains_U - last) <= error
    leading_C = leading(np.where(tied_U, last, gains_U), hashes_U, LEADING)
    # Where thousands of rows are equal, the leading ones would all be, and all but one of them useless after a pick.
    others_C = open_U[np.argpartition(hashes_U[open_U], OTHERS)[:OTHERS]]
    return np.union1d(leading_C, others_C)


def _check(
    view: PoolView,
    rows: Rows,
    terms: Terms,
    outside_U: NDArray[np.bool_],
    steps: Steps,
    error: float,
    inverse: Inverse,
) -> tuple[Steps, Terms]:
    """The steps before any row outside gains more than the pick, and what is known of all rows after them.

    Rows whose gains differ from the pick's by less than the error are evaluated in float64.
    """
    each = [rows.split(values_U) for values_U in (rows.weights_U, terms.whole_U, terms.pull_U, outside_U)]
    checked = view.map(partial(_advance, steps=steps, error=error), *each)
    first = min(part.first for part in checked)
    starts = [0, *rows.starts.tolist()]
    unsure_V = np.concatenate([start + part.unsure_V for start, part in zip(starts, checked, strict=True)])
    unsure_V = unsure_V[np.concatenate([part.since_V for part in checked]) < first]
    if len(unsure_V) > LEADING:
        unsure_V = unsure_V[np.argpartition(-terms.gains()[unsure_V], LEADING)[:LEADING]]
    if len(unsure_V):
        first = _first_better(_candidates(view, rows, unsure_V, inverse, None), steps.until(first))
    if any(part.first > first for part in checked):
        checked = view.map(partial(_advance, steps=steps.until(first), error=error), *each)
    return steps.until(first), joined([part.terms for part in checked])


def _first_better(unsure: Candidates, steps: Steps) -> int:
    """The first step, after the first pick, at which one of these rows gains more than the pick; else their number."""
    better_VJ = unsure.gains_before(steps) > steps.gains_J + TIE * np.abs(steps.gains_J)
    better_S = np.flatnonzero(better_VJ[:, 1:].any(axis=0))
    return 1 + int(better_S[0]) if len(better_S) else len(steps.gains_J)


def _advance(
    shard: Shard,
    weights_U: Doubles,
    whole_U: Doubles,
    pull_U: Doubles,
    outside_U: NDArray[np.bool_],
    steps: Steps,
    error: float,
) -> Checked:
    both_XD = np.stack([steps.v_JD, steps.r_JD], axis=1).astype(np.float32).reshape(-1, steps.v_JD.shape[1])
    bounds_J2 = steps.gains_J[:, None] + error * np.array([-1.0, 1.0])
    after, first, made = Terms(whole_U.copy(), pull_U.copy()), len(bounds_J2), []
    since_U, never = np.full(len(weights_U), len(bounds_J2)), len(bounds_J2)

    def advance(block: Block, part: slice) -> int:
        signed_B = steps.sign * weights_U[part]
        return _advance_block(block, part, after, signed_B, outside_U[part], since_U[part], bounds_J2[:first], both_XD)

    for block, part in blocks_of(shard):
        first = advance(block, part)
        made.append(first)
    # Blocks that were brought beyond the first step that fails go back to it.
    for (block, part), count in zip(blocks_of(shard), made, strict=True):
        if count > first:
            after.whole_U[part], after.pull_U[part] = whole_U[part], pull_U[part]
            advance(block, part)
    unsure_V = np.flatnonzero(since_U < never)
    return Checked(after, first, unsure_V, since_U[unsure_V])


def _advance_block(
    block: Block,
    part: slice,
    terms: Terms,
    signed_B: Doubles,
    outside_B: NDArray[np.bool_],
    since_B: Places,
    bounds_J2: Doubles,
    both_XD: Floats,
) -> int:
    """Change the block's part of the terms, step by step until a row outside surely gains more; returns that step.

    `since_B` gets the first step at which a row outside may gain more: above the lower of the two bounds.
    """
    products_XB = both_XD[: 2 * len(bounds_J2)] @ block.embeddings_BD.T
    whole_B, pull_B = terms.whole_U[part], terms.pull_U[part]
    for step, (lower, upper) in enumerate(bounds_J2):
        # The first pick stands: the candidates are the rows that gain most before it.
        if step:
            may_B = np.greater(pull_B, lower * whole_B)
            if may_B.any():
                may_V = np.flatnonzero(may_B & outside_B)
                if (pull_B[may_V] > upper * whole_B[may_V]).any():
                    return step
                since_B[may_V] = np.minimum(since_B[may_V], step)
        along_B, pulled_B = products_XB[2 * step], products_XB[2 * step + 1]
        moved_B = signed_B * along_B
        whole_B -= moved_B * along_B
        pull_B -= moved_B * pulled_B
    return len(bounds_J2)


def _root(target_DD: Doubles) -> Doubles:
    values_D, vectors_DD = np.linalg.eigh(target_DD)
    root_DD: Doubles = vectors_DD * np.sqrt(np.maximum(values_D, 0))
    return root_DD
