"""DIRECT: deep active learning under imbalance and label noise (Nuggehalli, Zhang, Jain and Nowak 2023)."""

from functools import partial
from typing import ClassVar

import numpy as np
from pydantic import Field

from labelbench_ray.strategies import Strategy, Want
from labelbench_ray.strategies._class_orders import loss_columns, losses, placed, required
from labelbench_ray.strategies._nearest_rows import alternately
from labelbench_ray.strategies._ranking import subkey, tie_hash
from labelbench_ray.strategies._separation import Separation
from labelbench_ray.types import Ask, Floats, Ids, PoolView, Shard

COLUMNS = 48
"""Classes whose losses are held at a time: 192 bytes a row."""
UNKNOWN, PENDING = -1, -2
"""In place of the label of a row that was not bought, and of one that was, whose answer comes after the batch."""


class Direct(Strategy):
    """Learns, class by class, the threshold that best separates the class in its order, and labels around it.

    Needs `ask`. The first half of the budget goes to version-space reduction. Of the rows between the last positive
    before the first negative and the first negative after the last positive, some are sampled uniformly; then the
    stretch is narrowed to where its worse end errs least, by the factor that would leave one row after the last sample,
    but never to fewer rows than labels are left for. Each class has budget / 2K for that; where this is under
    `minimum_class_budget`, the rarest classes among the labels have that much each, and the others nothing.

    The rest, and what a class had no rows for, is divided equally: one class after another, in random order, takes the
    rows nearest to its threshold, from both sides in turns. The thresholds are those of all answers of the first half.
    The midpoint of thresholds that err alike is taken in score, not in rank; else exact. As an arm whose answers come
    later it samples the first half at once, and takes the thresholds of the labels before the batch.
    """

    wants: ClassVar[tuple[Want, ...]] = ("probabilities", "labels")
    cost: ClassVar[str] = "N a class and round; the pool is scored again for every 48 classes looked at"
    guarantee: ClassVar[str] = (
        "the published two phases with the reference's defects fixed; where thresholds err alike, the midpoint in"
        " score, not in rank"
    )
    source: ClassVar[str] = (
        "Nuggehalli et al., *DIRECT: Deep Active Learning under Imbalance and Label Noise*, "
        "[2312.09196](https://arxiv.org/abs/2312.09196)"
    )
    needs_ask: ClassVar[bool] = True
    batched: ClassVar[bool] = True
    parallel_annotators: int = Field(default=20, gt=0)
    """Answers that arrive at a time, in the first half; the other half waits for none."""
    minimum_class_budget: int = Field(default=60, gt=0)
    """Labels below which it is not worth while to look for a class's threshold."""

    def choose(self, view: PoolView, budget: int, key: int, ask: Ask | None) -> Ids:
        return self._choose(view, budget, key, _Batch(view, required(ask, "direct", view.num_classes)))

    def choose_batched(self, view: PoolView, budget: int, key: int) -> Ids:
        at_once = self.model_copy(update={"parallel_annotators": budget})
        return at_once._choose(view, budget, key, _Batch(view, None))

    def _choose(self, view: PoolView, budget: int, key: int, batch: "_Batch") -> Ids:
        counts_K = np.bincount(view.labels_L, minlength=view.num_classes)
        classes_C, share = shares(counts_K, budget, self.minimum_class_budget, key)
        for start in range(0, len(classes_C), COLUMNS):
            group_G = classes_C[start : start + COLUMNS]
            columns = view.map(partial(loss_columns, classes_G=group_G))
            for place, number in enumerate(group_G.tolist()):
                column_R = np.concatenate([column_GR[place] for column_GR in columns])
                self._reduce(batch, column_R, number, share, subkey(key, f"samples of class {number}"))
        quotas_K = np.diff((budget - len(batch.chosen_ids)) * np.arange(view.num_classes + 1) // view.num_classes)
        classes_K = np.random.default_rng(subkey(key, "order of the classes")).permutation(view.num_classes)
        classes_G, quotas_G = classes_K[quotas_K > 0], quotas_K[quotas_K > 0]
        thresholds_G = batch.thresholds(view, classes_G)
        return alternately(view, classes_G, thresholds_G, quotas_G, batch.chosen_ids, subkey(key, "ties"))

    def _reduce(self, batch: "_Batch", column_R: Floats, number: int, share: int, key: int) -> None:
        """Sample the stretch of a class's order where its threshold may lie, and narrow it as the answers come."""
        low, high = batch.separation(column_R, number).uncertain()
        inside_I = batch.open_between(column_R, low, high)
        rounds = -(-share // self.parallel_annotators)
        shrink = len(inside_I) ** (1 / max(rounds, 1))
        for asked in range(0, share, self.parallel_annotators):
            if asked and len(inside_I):
                # Never to fewer rows than there are labels left to spend on them.
                width = max(int(np.ceil(len(inside_I) / shrink)), min(len(inside_I), share - asked))
                low, high = batch.separation(column_R, number).narrowed(np.sort(column_R[inside_I]), width)
                inside_I = inside_I[(column_R[inside_I] >= low) & (column_R[inside_I] <= high)]
            batch.buy(inside_I, min(self.parallel_annotators, share - asked), subkey(key, f"{asked}"))
            inside_I = inside_I[batch.labels_R[inside_I] == UNKNOWN]


def shares(counts_K: Ids, budget: int, minimum: int, key: int) -> tuple[Ids, int]:
    """The classes to separate, rarest among the labels first, and the labels that each may use."""
    hashes_K = tie_hash(subkey(key, "rarest"), np.arange(len(counts_K)))
    rarest_K = np.lexsort((hashes_K, counts_K))
    share = budget // (2 * len(counts_K))
    if share >= minimum:
        return rarest_K, share
    return rarest_K[: max(1, budget // (2 * minimum))], min(minimum, budget // 2)


class _Batch:
    """The pool's rows with their answers, and those of the first half; it grows as answers come."""

    def __init__(self, view: PoolView, ask: Ask | None) -> None:
        self._ask = ask
        self._ids_R = np.concatenate(view.map(placed))
        self.labels_R = np.full(len(self._ids_R), UNKNOWN)
        self.labels_R[np.searchsorted(self._ids_R, view.labeled_L)] = view.labels_L
        self.chosen_ids = np.empty(0, np.int64)

    def buy(self, rows_I: Ids, count: int, key: int) -> None:
        """Ask for a uniform sample of these rows, or for all, if they are fewer."""
        if not len(rows_I):
            return
        hashes_I = tie_hash(key, self._ids_R[rows_I])
        if count < len(rows_I):
            kept_I = np.argpartition(hashes_I, count)[:count]
            rows_I, hashes_I = rows_I[kept_I], hashes_I[kept_I]
        rows_I = rows_I[np.argsort(hashes_I)]
        ids_I = self._ids_R[rows_I]
        self.labels_R[rows_I] = PENDING if self._ask is None else self._ask(ids_I)
        self.chosen_ids = np.concatenate([self.chosen_ids, ids_I])

    def open_between(self, column_R: Floats, low: float, high: float) -> Ids:
        """Rows without an answer whose losses lie in [low, high]."""
        return np.flatnonzero((self.labels_R == UNKNOWN) & (column_R >= low) & (column_R <= high))

    def separation(self, column_R: Floats, number: int) -> Separation:
        """The answers in the order of a class, whose losses these are."""
        answered_A = np.flatnonzero(self.labels_R >= 0)
        return Separation.of(column_R[answered_A], self.labels_R[answered_A] == number)

    def thresholds(self, view: PoolView, classes_G: Ids) -> Floats:
        """(G,) the thresholds of these classes."""
        answered_A = np.flatnonzero(self.labels_R >= 0)
        found = view.map(partial(_losses_among, ids_A=self._ids_R[answered_A], classes_G=classes_G))
        losses_AG = np.concatenate(
            [np.empty((0, len(classes_G)), np.float32), *(part for parts in found for part in parts)]
        )
        labels_A = self.labels_R[answered_A]
        separations = (
            Separation.of(losses_A, labels_A == number) for losses_A, number in zip(losses_AG.T, classes_G, strict=True)
        )
        return np.array([separation.threshold() for separation in separations], np.float32)


def _losses_among(shard: Shard, ids_A: Ids, classes_G: Ids) -> list[Floats]:
    return [losses(block, classes_G).T for block in shard.among(ids_A)]
