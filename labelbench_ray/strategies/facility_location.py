"""Facility location (Cornuejols et al. 1977; in active learning: Wei et al. 2015, DISTIL 2021)."""

import warnings
from collections.abc import Mapping
from typing import ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, JsonValue

from labelbench_ray.strategies import Strategy, Want
from labelbench_ray.strategies._coverage import TARGETS, one
from labelbench_ray.strategies._lazy_greedy import cover
from labelbench_ray.strategies._ranking import subkey
from labelbench_ray.strategies._sampling import open_or_labeled, sample_of_pool
from labelbench_ray.strategies._spaces import Euclidean
from labelbench_ray.types import Ask, Ids, PoolView

MEDIAN_ROWS: Final = 2000
TOO_UNLIKE, TOO_ALIKE = 0.02, 0.9
"""Mean similarities beyond which `rbf` hardly distinguishes rows."""


class FacilityLocation(Strategy):
    """Rows that, with the labeled ones, are most alike to the pool: sum_i max_{j in L u S} (1 + cos(x_i, x_j)) / 2.

    Exact greedy if the pool has at most `targets` rows, otherwise on gains estimated from that many (`_coverage.py`).
    The shift of the cosine keeps it from being negative and changes no difference between two cosines. With `rbf` the
    similarity is exp(-|x_i - x_j|^2 / (gamma * m)), m the median of |x - x'|^2 over pairs of 2,000 rows of the pool.
    """

    wants: ClassVar[tuple[Want, ...]] = ("embeddings", "labels")
    labels_as_places: ClassVar[bool] = True
    tasks: ClassVar[tuple[str, ...]] = ("single_label", "response")
    cost: ClassVar[str] = "N·4096·D, lazy greedy after it"
    guarantee: ClassVar[str] = (
        "exact greedy on pools of up to 4,096 rows; gains estimated from 4,096 sampled rows above"
    )
    source: ClassVar[str] = (
        "Cornuéjols et al. 1977; Wei et al., *Submodularity in Data Subset Selection and Active Learning*, ICML 2015"
    )
    cold_start: ClassVar[bool] = True
    neutral_settings: ClassVar[Mapping[str, JsonValue]] = {"kernel": "cosine", "gamma": 1.0}
    targets: int = Field(default=TARGETS, gt=0)
    """How many rows of the pool the gains are estimated from."""
    kernel: Literal["cosine", "rbf"] = "cosine"
    """How likeness is measured: by the angle, or by the distance."""
    gamma: float = Field(default=1.0, gt=0)
    """The width of `rbf`; a small one is worse than random: rows then cover nothing but themselves."""

    def choose(self, view: PoolView, budget: int, key: int, ask: Ask | None) -> Ids:
        if self.kernel == "cosine":
            return cover(view, budget, key, shifted_cosine, one, self.targets)
        return cover(view, budget, key, exponential, one, self.targets, self._space(view, key))

    def _space(self, view: PoolView, key: int) -> Euclidean:
        """Distances in units of sqrt(gamma * median)."""
        ids_C = np.sort(sample_of_pool(view, subkey(key, "median"), MEDIAN_ROWS, open_or_labeled))
        rows_CD = view.embeddings(ids_C).astype(np.float64)
        from scipy.spatial.distance import pdist

        squares = pdist(rows_CD, "sqeuclidean")
        scale = self.gamma * float(np.median(squares)) if len(squares) else 0.0
        scale = scale or 1.0  # rows that are all alike have no distance to measure by
        mean = float(np.exp(-squares / scale).mean()) if len(squares) else 1.0
        if not TOO_UNLIKE <= mean <= TOO_ALIKE:
            likeness, other = ("unlike one another", "larger") if mean < TOO_UNLIKE else ("alike", "smaller")
            warnings.warn(
                f"facility_location(kernel='rbf', gamma={self.gamma:g}): the mean similarity of rows is {mean:.3g}: "
                f"nearly all rows are {likeness}; choose a {other} gamma",
                stacklevel=2,
            )
        return Euclidean(rows_CD.mean(axis=0), float(np.sqrt(scale)))


def exponential(products: NDArray[np.floating]) -> NDArray[np.floating]:
    """exp of minus squared distances, in place."""
    np.minimum(products, 0, out=products)
    np.exp(products, out=products)
    return products


def shifted_cosine(cosines: NDArray[np.floating]) -> NDArray[np.floating]:
    """(1 + cos) / 2, in place."""
    cosines += 1
    cosines *= 0.5
    return cosines
