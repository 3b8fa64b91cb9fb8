"""Clusters of rows by plain features of their payloads, with integers alone: the same on every machine.

An image is its 8 x 8 colors, a text the rare words that it holds, hashed to `BUCKETS`. Rows of a class are clustered by
Lloyd's algorithm. Features and centers are integers, so that float64 holds every product and sum without rounding:
clusters depend neither on the order of additions nor on the linear algebra library.
"""

import re
import zlib
from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from labelbench_ray.datasets import SPLIT_SEED, Payload
from labelbench_ray.datasets.images.opened import open_rgb

SIDE: Final = 8
BUCKETS: Final = 256
STARTS: Final = 3
STEPS: Final = 20
HEAVIEST: Final = 4
FEWEST_TEXTS: Final = 3
WORDS: Final = re.compile(r"\w+")

Features = NDArray[np.uint16]
"""(N, D)"""
Centers = NDArray[np.float64]
"""(N, D) or (C, D): integers."""
Numbers = NDArray[np.int64]


def image_features(payloads: Sequence[Payload]) -> Features:
    """(N, 192) the colors of each image made small, 0 .. 255; zeros for what encoders reject."""
    return np.stack([_colors(payload) for payload in payloads])


def _colors(payload: Payload) -> Features:
    try:
        image = open_rgb(payload)
    except ValueError:
        return np.zeros(SIDE * SIDE * 3, np.uint16)
    small = image.resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(small, np.uint16).ravel()


def text_features(texts: Sequence[Payload]) -> Features:
    """(N, `BUCKETS`): a word adds to its bucket the binary logarithm, rounded down, of N / (the texts that have it).

    It adds at most `HEAVIEST`; a word of fewer than `FEWEST_TEXTS` texts connects none of them, and adds nothing.
    """
    words = [sorted(set(WORDS.findall(str(text).lower()))) for text in texts]
    texts_with = Counter(word for each in words for word in each)
    weights = {
        word: min(HEAVIEST, (len(texts) // count).bit_length() - 1)
        for word, count in texts_with.items()
        if count >= FEWEST_TEXTS
    }
    features_ND = np.zeros((len(texts), BUCKETS), np.uint16)
    for row, each in enumerate(words):
        for word in each:
            features_ND[row, zlib.crc32(word.encode()) % BUCKETS] += weights.get(word, 0)
    return features_ND


def cluster_centers(features_ND: Features, count: int, label: int) -> Centers:
    """(C, D) at most `count` centers, fewer where rows are alike: the nearest to the rows of `STARTS` attempts."""
    points_ND = features_ND.astype(np.float64)
    attempts = [_lloyd(points_ND, _spread(points_ND, count, label, start)) for start in range(STARTS)]
    return min(attempts, key=lambda centers_CD: float(_distances(points_ND, centers_CD).min(axis=1).sum()))


def _spread(points_ND: Centers, count: int, label: int, start: int) -> Centers:
    """Distinct rows to begin with, each drawn by its squared distance to the nearest one before it (k-means++)."""
    rng = np.random.default_rng([SPLIT_SEED, label, start])
    chosen = [int(rng.integers(len(points_ND)))]
    while len(chosen) < count:
        distance_N = _distances(points_ND, points_ND[chosen]).min(axis=1)
        if not distance_N.any():
            break
        chosen.append(int(rng.choice(len(points_ND), p=distance_N / distance_N.sum())))
    return points_ND[chosen]


def _lloyd(points_ND: Centers, centers_CD: Centers) -> Centers:
    """Move each center to the mean of its rows, rounded down, until none moves, `STEPS` times at most."""
    for _ in range(STEPS):
        nearest_N = _distances(points_ND, centers_CD).argmin(axis=1)
        rows_C = np.bincount(nearest_N, minlength=len(centers_CD))
        sums_CD = np.stack([points_ND[nearest_N == center].sum(axis=0) for center in range(len(centers_CD))])
        moved_CD = np.where(rows_C[:, None] > 0, np.floor_divide(sums_CD, np.maximum(rows_C, 1)[:, None]), centers_CD)
        if np.array_equal(moved_CD, centers_CD):
            break
        centers_CD = moved_CD
    return centers_CD


def _distances(points_ND: Centers, centers_CD: Centers) -> Centers:
    """(N, C) squared distances."""
    squares_N, squares_C = (np.square(each).sum(axis=1) for each in (points_ND, centers_CD))
    distances_NC: Centers = squares_N[:, None] + squares_C - 2 * points_ND @ centers_CD.T
    return distances_NC


def nearest(features_ND: Features, centers_CD: Centers) -> Numbers:
    """(N,) the center that each row is nearest to; the first of several."""
    closest_N: Numbers = _distances(features_ND.astype(np.float64), centers_CD).argmin(axis=1)
    return closest_N


def clusters_by_size(features_ND: Features, count: int, label: int) -> tuple[Centers, Numbers]:
    """The centers of a class's clusters, from the largest to the smallest, and the cluster of each row."""
    centers_CD = cluster_centers(features_ND, count, label)
    rows_C = np.bincount(nearest(features_ND, centers_CD), minlength=len(centers_CD))
    centers_CD = centers_CD[np.argsort(-rows_C, kind="stable")][: int((rows_C > 0).sum())]
    return centers_CD, nearest(features_ND, centers_CD)
