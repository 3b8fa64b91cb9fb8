"""The bases of strategies: of any, of those that rank rows, and of those that score each row on its own."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from typing import ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray

from labelbench_ray import tasks
from labelbench_ray.pool.distributions import BERNOULLI, REAL, UNPREDICTED, Distribution
from labelbench_ray.pool.facts import DUPLICATE_OF, missing_facts
from labelbench_ray.strategies._notes import Chosen, History, check_notes
from labelbench_ray.strategies._ranking import Score, best_rows
from labelbench_ray.types import Ask, Block, Ids, PoolView, Shard

PACKAGE = "labelbench_ray.strategies"
Want = Literal["embeddings", "probabilities", "labels", "facts"]
OTHER_LABELS: Final[Mapping[Distribution, tuple[str, str]]] = {
    BERNOULLI: ("multi_label", "the classes of this one are independent"),
    REAL: ("regression", "the answers of this one are numbers"),
    UNPREDICTED: ("response", "the answers of this one are texts, without class probabilities"),
}
"""The task that a strategy must serve for such a view, and what such a view is."""
LETTERS: Final[Mapping[Want, str]] = {"embeddings": "E", "probabilities": "P", "labels": "L", "facts": "F"}
"""How the table of strategies abbreviates what they want."""


class Strategy(tasks.ServesTasks, ABC):
    """A query strategy; its fields are its settings."""

    wants: ClassVar[tuple[Want, ...]] = ("embeddings", "probabilities", "labels")
    """What it reads of a view; like the next three, for readers, and in Markdown."""
    cost: ClassVar[str] = ""
    """The order of its time: N rows, D dimensions, K classes, L labels, b rows to choose."""
    guarantee: ClassVar[str] = ""
    """Whether it is exact, and if not, how it differs from the published procedure."""
    source: ClassVar[str] = ""
    """Who published it."""
    renamed_methods: ClassVar[Mapping[str, str]] = {"_choose": "choose"}
    cold_start: ClassVar[bool] = False
    """Can choose the first batch: needs neither labels nor a trained proxy."""
    needs_ask: ClassVar[bool] = False
    """Asks for labels while it chooses, which only an oracle that answers at once can give."""
    batched: ClassVar[bool] = False
    """Has a form that asks for nothing, `choose_batched`, for strategies around it whose oracle answers later."""
    on_device: ClassVar[bool] = False
    """Computes scores or distances where the model lies, for a model on a GPU too; others copy what they read of it."""
    labels_as_places: ClassVar[bool] = False
    """Of labeled rows it reads where they lie and never their labels, so rows that await a label may stand among
    them."""
    facts: ClassVar[tuple[str, ...]] = ()
    """The facts of pool rows that it reads, by name: `shard.facts[name]`, `block.facts[name]`."""
    bytes_per_row: ClassVar[int] = 300
    """Memory that it holds for every pool row beyond its working memory; a plan reserves it. Strategies that
    `benchmarks/row_memory.py` measures state less.
    """
    bytes_per_row_and_class: ClassVar[int] = 0
    """Memory that it holds for every pair of a pool row and a class; a plan reserves it."""

    @classmethod
    def table_row(cls) -> dict[str, str]:
        return {
            "wants": " ".join(LETTERS[each] for each in cls.wants) or "nothing",
            "time": cls.cost,
            "kind": cls.guarantee,
            "cold start": _yes_or_no(cls.cold_start),
            "asks": _yes_or_no(cls.needs_ask),
            "tasks": ", ".join(cls.tasks),
            "from": cls.source,
        }

    def select(self, view: PoolView, budget: int, rng: np.random.Generator, ask: Ask | None = None) -> Ids:
        """Choose the rows to label next.

        Args:
            view: the pool and the labels paid for so far.
            budget: how many rows to choose.
            rng: the stream of this round; one 64-bit key is drawn from it.
            ask: pool ids -> labels, for strategies that need answers inside a batch; others ignore it.

        Returns:
            (budget,) int64: distinct unlabeled pool ids, in order of selection. The same for the same number of BLAS
            threads (`labelbench run` uses one): the last bits of products differ with it, and with them rare near-ties.

        Raises:
            ValueError: the budget is negative or larger than what is unlabeled, the scores hold NaN, or the classes of
                the view are independent and the strategy serves single labels only.
        """
        return self.select_with_notes(view, budget, rng, ask).ids

    def select_with_notes(
        self,
        view: PoolView,
        budget: int,
        rng: np.random.Generator,
        ask: Ask | None = None,
        history: History = (),
    ) -> Chosen:
        """Choose the rows to label next, as `select` does, given the earlier rounds with their notes."""
        return self._selected(view, budget, rng, partial(self.choose_with_notes, ask=ask, history=history))

    def _selected(
        self,
        view: PoolView,
        budget: int,
        rng: np.random.Generator,
        choose: Callable[[PoolView, int, int], Chosen],
    ) -> Chosen:
        """What `choose` returns for (view, budget, key), with everything checked that `select` promises."""
        self.check_view(view)
        view = without_duplicates(view)
        if isinstance(budget, bool) or not isinstance(budget, (int, np.integer)):
            raise ValueError(f"budget: {budget!r} is not an integer; give a number of rows")
        if budget < 0 or budget > view.num_unlabeled:
            raise ValueError(
                f"budget: {budget} rows asked for, {view.num_unlabeled} of the pool's {view.num_rows} are unlabeled"
                f"{' and no duplicates' if DUPLICATE_OF in view.fact_names else ''}; ask for that many at most"
            )
        key = int(rng.integers(2**64, dtype=np.uint64))
        if budget == 0:
            return Chosen(np.empty(0, np.int64))
        found = choose(view, budget, key)
        if not isinstance(found, Chosen):
            raise ValueError(
                f"{type(self).__name__}.choose_with_notes returned {type(found).__name__}; it must return "
                "Chosen(ids, notes)"
            )
        self._check_ids(view, budget, found.ids)
        check_notes(type(self).__name__, found)
        return found

    def check_view(self, view: PoolView) -> None:
        """Refuse a view whose labels it does not serve, or that lacks a fact; `ValueError` states what fits."""
        task, what = OTHER_LABELS.get(view.distribution, ("", ""))
        if task and set(self.tasks) <= {"single_label", "multi_label", "regression", "response"} - {task}:
            raise ValueError(
                f"{type(self).__name__} serves pools of {' or '.join(map(_words, self.tasks))}, and {what}; use one "
                f"of: {', '.join(tasks.serving(Strategy, PACKAGE, [task]))}"
            )
        if missing := missing_facts(self.facts, view.fact_names):
            raise ValueError(
                f"{type(self).__name__} {missing}; give them to the view, as in PoolView.from_arrays(..., "
                f"facts={{{self.facts[0]!r}: array}})"
            )

    def round_metrics(self, view: PoolView) -> dict[str, float]:
        """What it reports of a round's new model, into the round's metrics: finite numbers, none by default."""
        return {}

    def _check_ids(self, view: PoolView, budget: int, chosen: Ids) -> None:
        if (
            not isinstance(chosen, np.ndarray)
            or chosen.shape != (budget,)
            or chosen.dtype != np.int64
            or len(np.unique(chosen)) != budget
        ):
            what = (
                f"{chosen.dtype} of shape {chosen.shape}" if isinstance(chosen, np.ndarray) else type(chosen).__name__
            )
            raise ValueError(
                f"{type(self).__name__} returned {what}; a strategy must choose {budget} distinct int64 pool ids"
            )
        if np.isin(chosen, view.labeled_L).any():
            wrong = chosen[np.isin(chosen, view.labeled_L)][0]
            raise ValueError(f"{type(self).__name__} chose row {wrong}, which is labeled; choose unlabeled rows")
        if sum(view.map(partial(_count_known, ids_C=chosen))) != budget:
            raise ValueError(f"{type(self).__name__} chose ids that are not in the pool; choose among its shards' ids")

    def choose_batched(self, view: PoolView, budget: int, key: int) -> Ids:
        """Choose as `choose` does, by the labels known before the batch; one with `batched` and `needs_ask` has it."""
        return self.choose(view, budget, key, None)

    @abstractmethod
    def choose(self, view: PoolView, budget: int, key: int, ask: Ask | None) -> Ids:
        """Choose `budget` distinct unlabeled ids, in order of selection; `select` calls it and checks what it returns.

        Args:
            view: the pool and the labels paid for so far.
            budget: at least 1, at most the number of unlabeled rows.
            key: 64 random bits of this round, from which every random choice is derived.
            ask: pool ids -> labels, as in `select`.
        """

    def choose_with_notes(self, view: PoolView, budget: int, key: int, ask: Ask | None, history: History) -> Chosen:
        """The same with notes; a strategy that needs none leaves this method as it is. See `MemoryStrategy`."""
        return Chosen(self.choose(view, budget, key, ask))


class MemoryStrategy(Strategy):
    """A strategy with memory. It may write a note for each row that it chooses, and reads those of earlier rounds.

    The ledger holds the notes, so that a trial that is continued chooses as if it had never stopped. Keep nothing in
    the strategy itself: it is made anew in every process.
    """

    @abstractmethod
    def choose_with_notes(self, view: PoolView, budget: int, key: int, ask: Ask | None, history: History) -> Chosen:
        """Choose `budget` distinct unlabeled ids, in order of selection, and write a note for each of them or none.

        Args:
            view: as in `choose`, like the next three.
            budget: at least 1, at most the number of unlabeled rows.
            key: 64 random bits of this round.
            ask: pool ids -> labels, as in `select`.
            history: the earlier rounds, the first batch first; empty in the first round.
        """

    def choose(self, view: PoolView, budget: int, key: int, ask: Ask | None) -> Ids:
        return self.choose_with_notes(view, budget, key, ask, ()).ids


class RankingStrategy(Strategy):
    """A strategy that takes the rows of the best scores, where the score may depend on the view and the key."""

    bytes_per_row: ClassVar[int] = 32
    """At most 22 were measured."""

    @abstractmethod
    def scorer(self, view: PoolView, key: int) -> Score:
        """The score of the rows of this view: a function that travels to the shards."""

    def choose(self, view: PoolView, budget: int, key: int, ask: Ask | None) -> Ids:
        return best_rows(view, budget, key, self.scorer(view, key)).ids_C


class RowStrategy(RankingStrategy):
    """A strategy that scores each row independently and takes the best: a subclass writes only `score`."""

    @abstractmethod
    def score(self, block: Block) -> NDArray[np.floating]:
        """(B,) floats; larger is more worth labeling. Must be finite."""

    def scorer(self, view: PoolView, key: int) -> Score:
        return self.score


def without_duplicates(view: PoolView) -> PoolView:
    """The view without rows that repeat another one, as the fact `duplicate_of` states: -1 for a row that does not."""
    if DUPLICATE_OF not in view.fact_names:
        return view
    ids_C = np.concatenate([np.empty(0, np.int64), *view.map(_distinct_ids)])
    return view if len(ids_C) == view.num_unlabeled else view.only(ids_C)


def _distinct_ids(shard: Shard) -> Ids:
    return shard.ids_S[shard.open_S & (shard.facts[DUPLICATE_OF] < 0)]


def _count_known(shard: Shard, ids_C: Ids) -> int:
    places_C = np.minimum(np.searchsorted(shard.ids_S, ids_C), len(shard.ids_S) - 1)
    return int((shard.ids_S[places_C] == ids_C).sum())


def _words(task: str) -> str:
    return {"single_label": "one label a row", "multi_label": "several labels a row", "response": "prompts"}.get(
        task, task
    )


def _yes_or_no(attribute: object) -> str:
    """An attribute of a class in words; a strategy around others has a property in its place."""
    return "as its strategy" if isinstance(attribute, property) else "yes" if attribute else "no"
