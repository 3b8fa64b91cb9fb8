"""Rows whose prediction dropout changes, one from each cluster (Gupte et al. 2024, "Revisiting Active Learning in the
Era of Vision Foundation Models": DropQuery).
"""

from functools import partial
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from labelbench_ray.strategies import Strategy, Want
from labelbench_ray.strategies._head import Head, last_layer
from labelbench_ray.strategies._kmeans import DIRECTIONS, central_rows, filled
from labelbench_ray.strategies._ranking import subkey, tie_hash
from labelbench_ray.strategies._sampling import sample
from labelbench_ray.types import Ask, Ids, PoolView, Shard


class DropQuery(Strategy):
    """The rows nearest to the k-means centroids of those whose predicted class changes under dropout of the features.

    Candidates change in more than half of the passes; while they are fewer than `fewest` for each row to be chosen, in
    one pass less. Of more than `most` for each, a random sample is clustered. With fewer than the budget, all are
    chosen, and random rows. Without labels, all rows are candidates. The last layer is recovered from the view
    (`_head.py`): exact for linear and shallow proxies up to rounding, unless nearly all rows are too certain for it.
    """

    wants: ClassVar[tuple[Want, ...]] = ("embeddings", "probabilities", "labels")
    labels_as_places: ClassVar[bool] = True
    cost: ClassVar[str] = "passes·N·D·K, then k-means on at most 50·b candidates"
    guarantee: ClassVar[str] = (
        "exact candidates; k-means of 15 iterations, on a sample of the candidates where they are many; the "
        "recovered last layer is wrong where nearly all rows have logits more than 87 apart, which read 0 in "
        "float32"
    )
    source: ClassVar[str] = (
        "Gupte et al., *Revisiting Active Learning in the Era of Vision Foundation Models*, TMLR 2024, "
        "[2401.14555](https://arxiv.org/abs/2401.14555)"
    )
    cold_start: ClassVar[bool] = True
    passes: PositiveInt = 3
    """Predictions with dropout."""
    dropout: float = Field(default=0.75, gt=0, lt=1)
    """The share of the features that a pass sets to 0."""
    fewest: PositiveInt = 25
    """Candidates for each row to be chosen below which a change in fewer passes is enough."""
    most: PositiveInt = 50
    """Candidates for each row to be chosen, at most."""
    iterations: PositiveInt = 15
    """Rounds of Lloyd's iteration, at most."""

    def choose(self, view: PoolView, budget: int, key: int, ask: Ask | None) -> Ids:
        if not len(view.labeled_L):
            return central_rows(view, budget, key, DIRECTIONS, self.iterations)
        ids_C = self._candidates(view, budget, key)
        if len(ids_C) <= budget:
            return filled(view, ids_C, budget, key)
        return central_rows(view.only(ids_C), budget, key, DIRECTIONS, self.iterations)

    def _candidates(self, view: PoolView, budget: int, key: int) -> Ids:
        head = last_layer(view, key)
        count = partial(changes, head=head, key=subkey(key, "dropout"), passes=self.passes, dropout=self.dropout)
        changes_U = np.concatenate(view.map(count))
        threshold = self.passes // 2
        while threshold > 0 and (changes_U > threshold).sum() < self.fewest * budget:
            threshold -= 1
        return sample(view.open_ids()[changes_U > threshold], subkey(key, "candidates"), self.most * budget)


def changes(shard: Shard, head: Head, key: int, passes: int, dropout: float) -> NDArray[np.int32]:
    """(U,) in how many passes with dropout the predicted class is another than without."""
    found = [np.empty(0, np.int32)]
    for block in shard.candidates():
        kept = block.probabilities_BK.argmax(axis=1)
        scaled_BD = block.embeddings_BD / np.float32(1 - dropout)
        count_B = np.zeros(len(kept), np.int32)
        for number in range(passes):
            # The stream belongs to the block's first row, not to the shard: any cut of the pool has the same masks.
            rng = np.random.default_rng([int(tie_hash(key, block.ids_B[:1])[0]), number])
            dropped_BD = scaled_BD * (rng.random(scaled_BD.shape, np.float32) >= dropout)
            count_B += head.logits(dropped_BD).argmax(axis=1) != kept
        found.append(count_B)
    return np.concatenate(found)
