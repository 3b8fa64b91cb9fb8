"""ProbCover (Yehuda et al. 2022, "Active Learning Through a Covering Lens")."""

import warnings
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from threadpoolctl import threadpool_limits

from labelbench_ray.strategies import Strategy, Want
from labelbench_ray.strategies._ranking import subkey, tie_hash
from labelbench_ray.strategies._sampling import open_rows, sample, sample_of_pool
from labelbench_ray.strategies._seeding import seeds
from labelbench_ray.strategies._vectors import unit
from labelbench_ray.types import Ask, Floats, Ids, PoolView

BALLS, BLOCK_ROWS, ITERATIONS = 4096, 512, 30
LARGEST_GRAPH = 49_152
"""Rows of the graph at most where the budget asks for more than `sample`: its n^2 bits take 288 MiB."""
WIDEST = 1.0
"""The largest radius looked for, as in the authors' search."""


class Probcover(Strategy):
    """Rows whose balls, with those around the labeled rows, cover the most: greedy max coverage, exact on the sample.

    Features are scaled to length 1. Candidates, and what they cover, are a uniform sample of the open rows: `sample` of
    them, or twice the budget if that is more. A larger ball covers more, but its rows are less alike: the radius
    is the largest at which a share of `purity` of the balls hold one pseudo-label only, that of k-means with as many
    clusters as classes. When all is covered, the rest of the batch is uniform.
    """

    bytes_per_row: ClassVar[int] = 32
    """2 were measured."""
    wants: ClassVar[tuple[Want, ...]] = ("embeddings", "labels")
    labels_as_places: ClassVar[bool] = True
    cost: ClassVar[str] = (
        "n²·D for the graph of n = 20,000 sampled rows (twice the budget if that is more, up to 49,152)"
    )
    guarantee: ClassVar[str] = "exact greedy on the sample; only sampled rows are chosen and covered"
    source: ClassVar[str] = (
        "Yehuda et al., *Active Learning Through a Covering Lens*, NeurIPS 2022, "
        "[2205.11320](https://arxiv.org/abs/2205.11320)"
    )
    cold_start: ClassVar[bool] = True
    purity: float = Field(default=0.95, gt=0, le=1)
    """Share of pure balls that the radius is chosen for."""
    radius: float | None = Field(default=None, gt=0, le=2)
    """A radius to use instead; `purity` is ignored then."""
    sample: int = Field(default=20_000, gt=0)
    """How many open rows the graph is made of; its cost grows with the square."""

    def choose(self, view: PoolView, budget: int, key: int, ask: Ask | None) -> Ids:
        count = max(self.sample, min(2 * budget, LARGEST_GRAPH))
        ids_N = sample_of_pool(view, subkey(key, "sample"), count, open_rows)
        # By hash: the first of equal rows is the one to take, and the first rows are a sample.
        ids_N = ids_N[np.argsort(tie_hash(key, ids_N))]
        units_ND = unit(view.embeddings(ids_N), np.float32)
        if self.radius is None:
            clusters_N = pseudo_labels(units_ND, view.num_classes, subkey(key, "k-means"))
            threshold = pure_cosine(units_ND, clusters_N, self.purity)
        else:
            threshold = 1 - self.radius**2 / 2
        places = max_coverage(graph(units_ND, threshold), ~_covered(view, units_ND, threshold), budget)
        return _filled(view, ids_N[places], budget, subkey(key, "fill"))


def pseudo_labels(units_ND: Floats, clusters: int, key: int) -> NDArray[np.int32]:
    """(N,) k-means clusters; on one thread, so that sums are always taken in the same order."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    count = min(clusters, len(units_ND))
    means = KMeans(count, init=seeds, n_init=1, max_iter=ITERATIONS, random_state=key % 2**32)
    with threadpool_limits(1), warnings.catch_warnings():
        # There may be fewer distinct rows than classes.
        warnings.simplefilter("ignore", ConvergenceWarning)
        labels_N: NDArray[np.int32] = means.fit_predict(units_ND)
    return labels_N


def pure_cosine(units_ND: Floats, clusters_N: NDArray[np.int32], purity: float) -> float:
    """The cosine of the largest radius at which that share of the balls (estimated from the first `BALLS`) is pure.

    A ball, open, is pure if and only if its radius is at most the distance to the nearest row of another cluster:
    the radius is a quantile of those distances.
    """
    nearest_B = np.empty(min(BALLS, len(units_ND)), np.float32)
    for start in range(0, len(nearest_B), BLOCK_ROWS):
        rows = slice(start, min(start + BLOCK_ROWS, len(nearest_B)))
        cosines_BN = units_ND[rows] @ units_ND.T
        cosines_BN[clusters_N[rows, None] == clusters_N] = -1
        nearest_B[rows] = cosines_BN.max(axis=1)
    pure = int(np.ceil(purity * len(nearest_B) - 1e-9))
    return max(float(np.sort(nearest_B)[pure - 1]), 1 - WIDEST**2 / 2)


def graph(units_ND: Floats, threshold: float) -> NDArray[np.uint8]:
    """(N, N / 8) bits: row j lies in the ball around row i, which is where their cosine is above the threshold.

    Symmetric to the bit: each pair is computed once. A row lies in its own ball, whatever the rounding.
    """
    rows = len(units_ND)
    edges = np.zeros((rows, -(-rows // 8)), np.uint8)
    for start in range(0, rows, BLOCK_ROWS):
        stop = min(start + BLOCK_ROWS, rows)
        near = units_ND[start:stop] @ units_ND[start:].T > threshold
        corner = near[:, : stop - start]
        near[:, : stop - start] = np.triu(corner) | np.triu(corner).T | np.eye(stop - start, dtype=np.bool_)
        edges[start:stop, start // 8 :] = np.packbits(near, axis=1)
        if stop < rows:
            edges[stop:, start // 8 : stop // 8] = np.packbits(near[:, stop - start :].T, axis=1)
    return edges


def max_coverage(edges: NDArray[np.uint8], uncovered_N: NDArray[np.bool_], budget: int) -> list[int]:
    """Places of the rows that greedily cover the most uncovered rows, until all are covered; the first of equals."""
    uncovered_N = uncovered_N.copy()
    gains_N = _degrees(edges, np.flatnonzero(uncovered_N))
    chosen: list[int] = []
    while len(chosen) < budget and gains_N.any():
        chosen.append(int(gains_N.argmax()))
        ball_N = np.unpackbits(edges[chosen[-1]], count=len(edges)).view(np.bool_)
        newly_X = np.flatnonzero(ball_N & uncovered_N)
        uncovered_N[newly_X] = False
        gains_N -= _degrees(edges, newly_X)
    return chosen


def _degrees(edges: NDArray[np.uint8], rows_X: NDArray[np.intp]) -> NDArray[np.int32]:
    """(N,) how many of these rows lie in the ball around each row."""
    degrees_N = np.zeros(len(edges), np.int32)
    for start in range(0, len(rows_X), 255):
        # 255 ones fit into a byte.
        bits = np.unpackbits(edges[rows_X[start : start + 255]], axis=1, count=len(edges))
        degrees_N += bits.sum(axis=0, dtype=np.uint8)
    return degrees_N


def _covered(view: PoolView, units_ND: Floats, threshold: float) -> NDArray[np.bool_]:
    """(N,) whether the row lies in the ball around a labeled row."""
    covered_N = np.zeros(len(units_ND), np.bool_)
    for start in range(0, len(view.labeled_L), BLOCK_ROWS):
        labeled_LD = unit(view.embeddings(view.labeled_L[start : start + BLOCK_ROWS]), np.float32)
        covered_N |= (units_ND @ labeled_LD.T > threshold).any(axis=1)
    return covered_N


def _filled(view: PoolView, chosen: Ids, budget: int, key: int) -> Ids:
    if len(chosen) == budget:
        return chosen
    rest_U = np.setdiff1d(view.open_ids(), chosen, assume_unique=True)
    return np.concatenate([chosen, sample(rest_U, key, budget - len(chosen))])
