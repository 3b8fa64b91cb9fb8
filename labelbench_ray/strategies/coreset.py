"""Core-set: farthest-first traversal, the greedy 2-approximation of k-center (Sener and Savarese, ICLR 2018)."""

from typing import ClassVar

from labelbench_ray.strategies import Strategy, Want
from labelbench_ray.strategies._farthest import Traversal
from labelbench_ray.types import Ask, Ids, PoolView


class Coreset(Strategy):
    """The row farthest from all labeled and chosen rows, again and again, by Euclidean distance of the embeddings.

    Exact: the picks are those of plain farthest-first in float64. Without labels the first row is random.
    """

    bytes_per_row: ClassVar[int] = 128
    """90 were measured."""
    wants: ClassVar[tuple[Want, ...]] = ("embeddings", "labels")
    labels_as_places: ClassVar[bool] = True
    cost: ClassVar[str] = "N·D·(L + b); bounds leave most of it out"
    guarantee: ClassVar[str] = "exact: the greedy's picks in float64"
    source: ClassVar[str] = (
        "Sener and Savarese, *Active Learning for Convolutional Neural Networks: A Core-Set Approach*, ICLR 2018,"
        " [1708.00489](https://arxiv.org/abs/1708.00489)"
    )
    on_device: ClassVar[bool] = True
    cold_start: ClassVar[bool] = True
    tasks: ClassVar[tuple[str, ...]] = ("single_label", "multi_label", "regression", "response")

    def choose(self, view: PoolView, budget: int, key: int, ask: Ask | None) -> Ids:
        return Traversal(view, key).run(budget)
