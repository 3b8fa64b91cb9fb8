"""The greedy of BAIT among a few rows, in float64: many picks ahead, none of which reads a matrix of (D, D).

With A0 = M^-1 before the first pick and F = R R^T, h^T v and h^T A0 F v of all candidates follow from two rows of
products, H A0 H^T and H A0 F A0 H^T, and from the picks so far. The likeliest picks' rows are computed at once.
What the picks do to A, to A R and to the candidates is one product of rank J each.
"""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.strategies._bait_design import Design, Doubles, best_place

Places = NDArray[np.intp]
Hashes = NDArray[np.uint64]

PRODUCTS_AT_ONCE = 32
"""Candidates whose products with all candidates are computed together."""


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """Picks ahead: their places among all rows, their gains, and v and 2 r, each times sqrt|a|; a's sign."""

    places_J: Places
    gains_J: Doubles
    v_JD: Doubles
    r_JD: Doubles
    sign: float

    def until(self, count: int) -> Self:
        """Only the first `count` picks."""
        return replace(
            self,
            places_J=self.places_J[:count],
            gains_J=self.gains_J[:count],
            v_JD=self.v_JD[:count],
            r_JD=self.r_JD[:count],
        )


@dataclass(frozen=True, slots=True, eq=False)
class Inverse:
    """A = M^-1, and A R."""

    inverse_DD: Doubles
    pulling_DD: Doubles

    @classmethod
    def of(cls, lower_DD: Doubles, root_DD: Doubles) -> Self:
        """Of a design with this `inverse_root`, without what earlier picks' rounding left behind."""
        inverse_DD = lower_DD.T @ lower_DD
        return cls(inverse_DD, inverse_DD @ root_DD)

    def after(self, picks: "Picks") -> Self:
        """With the picks in M."""
        signed_DJ = picks.steps.sign * picks.steps.v_JD.T
        return replace(
            self,
            inverse_DD=self.inverse_DD - signed_DJ @ picks.steps.v_JD,
            pulling_DD=self.pulling_DD - signed_DJ @ picks.pulled_JD,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Rows to pick from: places among all rows, signed weights, tie hashes, h, A h and R^T A h."""

    places_C: Places
    weights_C: Doubles
    hashes_C: Hashes
    features_CD: Doubles
    solved_CD: Doubles
    pulled_CD: Doubles

    @classmethod
    def of(cls, places_C: Places, weights_C: Doubles, hashes_C: Hashes, features_CD: Doubles, inverse: Inverse) -> Self:
        """Rows with these features."""
        solved_CD, pulled_CD = features_CD @ inverse.inverse_DD, features_CD @ inverse.pulling_DD
        return cls(places_C, weights_C, hashes_C, features_CD, solved_CD, pulled_CD)

    def gains(self) -> Doubles:
        """(C,) by how much each row lowers the objective."""
        s_C = np.einsum("cd,cd->c", self.features_CD, self.solved_CD)
        gains_C: Doubles = shares(self.weights_C, s_C) * np.einsum("cd,cd->c", self.pulled_CD, self.pulled_CD)
        return gains_C

    def gains_before(self, steps: Steps) -> Doubles:
        """(C, J) the same before each of these steps, in float64."""
        along_CJ, moved_CJ = self.features_CD @ steps.v_JD.T, self.features_CD @ steps.r_JD.T
        s_C = np.einsum("cd,cd->c", self.features_CD, self.solved_CD)
        t_C = np.einsum("cd,cd->c", self.pulled_CD, self.pulled_CD)
        s_CJ, t_CJ = (
            start_C[:, None] - steps.sign * (np.cumsum(change_CJ, axis=1) - change_CJ)
            for start_C, change_CJ in ((s_C, along_CJ**2), (t_C, along_CJ * moved_CJ))
        )
        gains_CJ: Doubles = shares(self.weights_C[:, None], s_CJ) * t_CJ
        return gains_CJ

    def where(self, kept_C: NDArray[np.bool_]) -> Self:
        """Some of them."""
        return type(self)(*(array[kept_C] for array in self._arrays()))

    def with_more(self, others: Self) -> Self:
        """Both."""
        return type(self)(*map(np.concatenate, zip(self._arrays(), others._arrays(), strict=True)))

    def after(self, picks: "Picks") -> Self:
        """With the picks in M."""
        signed_CJ = picks.steps.sign * picks.along_JC.T
        return replace(
            self,
            solved_CD=self.solved_CD - signed_CJ @ picks.steps.v_JD,
            pulled_CD=self.pulled_CD - signed_CJ @ picks.pulled_JD,
        )

    def _arrays(self) -> tuple[NDArray[Any], ...]:
        return (self.places_C, self.weights_C, self.hashes_C, self.features_CD, self.solved_CD, self.pulled_CD)


@dataclass(frozen=True, slots=True, eq=False)
class Picks:
    """Steps, with what the candidates need: the picks' places among them, R^T v, and h^T v of each candidate."""

    steps: Steps
    among_J: Places
    pulled_JD: Doubles
    along_JC: Doubles

    def until(self, count: int) -> Self:
        """Only the first `count` picks."""
        return replace(
            self,
            steps=self.steps.until(count),
            among_J=self.among_J[:count],
            pulled_JD=self.pulled_JD[:count],
            along_JC=self.along_JC[:count],
        )


class Products:
    """Rows of H A0 H^T and of H A0 F A0 H^T of the candidates, computed when the first of some is asked for."""

    def __init__(self, candidates: Candidates) -> None:
        self._candidates = candidates
        self._found: dict[int, tuple[Doubles, Doubles]] = {}

    def of(self, place: int, gains_C: Doubles) -> tuple[Doubles, Doubles]:
        """The two rows (C,) of a candidate."""
        if place not in self._found:
            likely_C = (
                np.argpartition(gains_C, -PRODUCTS_AT_ONCE)[-PRODUCTS_AT_ONCE:]
                if len(gains_C) > PRODUCTS_AT_ONCE
                else np.arange(len(gains_C))
            )
            new_P = np.array(
                [place, *(other for other in likely_C.tolist() if other not in self._found and other != place)]
            )
            features_CD, pulled_CD = self._candidates.features_CD, self._candidates.pulled_CD
            along_PC = self._candidates.solved_CD[new_P] @ features_CD.T
            moved_PC = pulled_CD[new_P] @ pulled_CD.T
            self._found |= zip(new_P.tolist(), zip(along_PC, moved_PC, strict=True), strict=True)
        return self._found[place]


def shares(weights_U: Doubles, s_U: Doubles) -> Doubles:
    """w / (1 + w s). Where a removal would leave nothing in the row's direction, rounding must not change the sign."""
    return weights_U / np.maximum(1 + weights_U * s_U, np.finfo(np.float64).eps)


def pick_ahead(candidates: Candidates, inverse: Inverse, ahead: int, least: float) -> Picks:
    """The plain greedy among the candidates, `ahead` picks or until the gain is below `least`."""
    weights_C, solved_CD, pulled_CD = candidates.weights_C, candidates.solved_CD, candidates.pulled_CD
    s_C = np.einsum("cd,cd->c", candidates.features_CD, solved_CD)
    t_C, sign = np.einsum("cd,cd->c", pulled_CD, pulled_CD), float(np.sign(weights_C.sum()))
    among_J, gains_J = np.zeros(ahead, np.intp), np.zeros(ahead)
    v_JD, r_JD, pulled_JD = (np.zeros((ahead, solved_CD.shape[1])) for _ in range(3))
    along_JC, moved_JC = (np.zeros((ahead, len(weights_C))) for _ in range(2))  # h^T v, h^T A0 F v
    free_C = np.zeros(len(weights_C))  # -inf where taken
    products, count = Products(candidates), ahead
    for step in range(ahead):
        shares_C = shares(weights_C, s_C)
        gains_C = shares_C * t_C + free_C
        place = best_place(gains_C, candidates.hashes_C)
        if step and abs(gains_C[place]) < least:
            count = step
            break
        along_C, moved_C = products.of(place, gains_C)
        among_J[step], gains_J[step], free_C[place] = place, gains_C[place], -np.inf
        share, earlier_J = shares_C[place], sign * along_JC[:step, place]
        v_D = solved_CD[place] - earlier_J @ v_JD[:step]
        pulled_D = pulled_CD[place] - earlier_J @ pulled_JD[:step]
        along_C = along_C - earlier_J @ along_JC[:step]
        moved_C = moved_C - earlier_J @ moved_JC[:step]
        between_J, own = sign * (pulled_JD[:step] @ pulled_D), share * (pulled_D @ pulled_D) / 2
        s_C -= share * along_C**2
        t_C -= 2 * share * along_C * (moved_C - between_J @ along_JC[:step] - own * along_C)
        scale = np.sqrt(abs(share))
        r_JD[step] = -2 * scale * (between_J @ v_JD[:step] + own * v_D)
        v_JD[step], pulled_JD[step] = scale * v_D, scale * pulled_D
        along_JC[step], moved_JC[step] = scale * along_C, scale * moved_C
    r_JD += 2 * pulled_JD @ inverse.pulling_DD.T  # A0 F v, of all picks at once
    steps = Steps(candidates.places_C[among_J], gains_J, v_JD, r_JD, sign)
    return Picks(steps, among_J, pulled_JD, along_JC).until(count)


def inverse_root(design: Design) -> Doubles:
    """(D, D) lower S with M^-1 = S^T S, in Fortran order."""
    from scipy.linalg.lapack import dtrtri

    lower_DD: Doubles
    lower_DD, _ = dtrtri(np.asfortranarray(np.linalg.cholesky(design.matrix_EE)), lower=1, overwrite_c=1)
    return lower_DD


def roots(lower_DD: Doubles, inverse: Inverse) -> tuple[Doubles, Doubles]:
    """(D, D) lower S and upper T, in Fortran order, for s = |S h|^2 and t = |T h|^2: no sum that cancels."""
    from scipy.linalg import qr

    (upper_DD,) = qr(inverse.pulling_DD.T, mode="r", check_finite=False)
    return lower_DD, np.asfortranarray(upper_DD)
