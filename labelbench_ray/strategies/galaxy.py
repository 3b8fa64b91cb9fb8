"""GALAXY: graph-based active learning at the extreme (Zhang, Katz-Samuels and Nowak 2022)."""

from typing import ClassVar

import numpy as np
from pydantic import Field

from labelbench_ray.strategies import Strategy, Want
from labelbench_ray.strategies._class_orders import required
from labelbench_ray.strategies._linear_graphs import Graph, Orders
from labelbench_ray.strategies._ranking import subkey, tie_hash
from labelbench_ray.types import Ask, Ids, PoolView


class Galaxy(Strategy):
    """Bisects, class by class, the stretch of the class's order in which the answers turn from it to the others.

    Needs `ask`. Each query draws a class uniformly (two classes share one graph) and takes the midpoint of the shortest
    stretch whose ends have opposite answers, in either orientation. In a graph without such a stretch it takes the row
    nearest to a found cut, on its left and on its right in turns (the paper's rising order of connectivity); in a graph
    without opposite answers the row where the missing one is likeliest with probability 1/2, else a random row. The
    same picks as the algorithm run node by node. Holds K * N * 4 bytes.

    With `parallel_annotators` of B, B rows are asked for at a time. Until its answer comes, such a row counts in each
    graph as its nearest answered neighbor there does; the answer replaces that. 1 is the published algorithm. As an arm
    whose answers come later it chooses all of its rows like that.
    """

    wants: ClassVar[tuple[Want, ...]] = ("probabilities", "labels")
    cost: ClassVar[str] = "K·N·log N to order the pool by each class, then N a query"
    guarantee: ClassVar[str] = "the paper's picks, both orientations of a cut"
    source: ClassVar[str] = (
        "Zhang et al., *GALAXY: Graph-based Active Learning at the Extreme*, ICML 2022, "
        "[2202.01402](https://arxiv.org/abs/2202.01402)"
    )
    bytes_per_row_and_class: ClassVar[int] = 4
    """An order of the pool for every class."""
    needs_ask: ClassVar[bool] = True
    batched: ClassVar[bool] = True
    parallel_annotators: int = Field(default=1, gt=0)
    """Answers that arrive at a time."""

    def choose(self, view: PoolView, budget: int, key: int, ask: Ask | None) -> Ids:
        answers = required(ask, "galaxy", view.num_classes)
        batch = _Batch(view, budget, key)
        for start in range(0, budget, self.parallel_annotators):
            for _ in range(min(self.parallel_annotators, budget - start)):
                batch.add()
            batch.record(answers(batch.pending_ids))
        return batch.chosen_ids

    def choose_batched(self, view: PoolView, budget: int, key: int) -> Ids:
        batch = _Batch(view, budget, key)
        for _ in range(budget):
            batch.add()
        return batch.chosen_ids


class _Batch:
    """The rows with an answer, and behind them those of this batch that await one; it grows from query to query."""

    def __init__(self, view: PoolView, budget: int, key: int) -> None:
        num_graphs = 1 if view.num_classes == 2 else view.num_classes
        self._orders = Orders.of(view, np.arange(num_graphs), subkey(key, "ties"))
        queries = np.random.default_rng(subkey(key, "queries"))
        self._graphs_Q = queries.integers(num_graphs, size=budget)
        self._random_Q = queries.random(budget) < 0.5
        ids_R = self._orders.ids_R
        self._first = self._answered = self._filled = len(view.labeled_L)
        self._rows = np.concatenate([np.searchsorted(ids_R, view.labeled_L), np.empty(budget, np.int64)])
        self._labels = np.concatenate([view.labels_L, np.empty(budget, np.int64)])
        self._turns_G = np.zeros(num_graphs, np.int64)
        self._open_R = open_R = np.ones(len(ids_R), np.bool_)
        open_R[self._rows[: self._first]] = False
        shuffled_R = np.argsort(tie_hash(subkey(key, "random rows"), ids_R))
        # It refers to no `self`: a cycle would keep the orders in memory after the batch.
        self._random_rows = (int(row) for row in shuffled_R if open_R[row])

    @property
    def pending_ids(self) -> Ids:
        """Pool ids of the rows that await an answer."""
        return self._ids(slice(self._answered, self._filled))

    @property
    def chosen_ids(self) -> Ids:
        """Pool ids of the batch so far, in order."""
        return self._ids(slice(self._first, self._filled))

    def record(self, labels_P: Ids) -> None:
        """Take the answers for the pending rows."""
        self._labels[self._answered : self._filled] = labels_P
        self._answered = self._filled

    def add(self) -> None:
        """Choose the next row, which awaits its answer then."""
        query = self._filled - self._first
        row = self._next_row(int(self._graphs_Q[query]), bool(self._random_Q[query]))
        self._open_R[row] = False
        self._rows[self._filled] = row
        self._filled += 1

    def _next_row(self, number: int, random: bool) -> int:
        ranks_R = self._orders.ranks(number)
        answered_A, pending_P = self._rows[: self._answered], self._rows[self._answered : self._filled]
        graph = Graph.of(len(ranks_R), ranks_R[answered_A], self._labels[: self._answered] == number)
        graph = graph.with_pending(ranks_R[pending_P])
        if not graph.has_opposites and random:
            return next(self._random_rows)
        return int((ranks_R == self._next_rank(graph, number)).argmax())

    def _next_rank(self, graph: Graph, number: int) -> int:
        if not graph.has_opposites:
            return graph.likeliest_opposite()
        midpoint = graph.midpoint()
        if midpoint is not None:
            return midpoint
        self._turns_G[number] += 1
        return graph.beside_cut(int(self._turns_G[number]) - 1)

    def _ids(self, places: slice) -> Ids:
        ids_P: Ids = self._orders.ids_R[self._rows[places]]
        return ids_P
