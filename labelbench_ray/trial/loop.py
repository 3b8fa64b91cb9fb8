"""The loop: one trial as a fold over rounds.

Round 0 asks for the first batch; every later round lets the strategy choose with the proxy of the round before.
Then the oracle answers, the proxy is fitted anew on all labels, and everything is measured and recorded. A
resumed trial starts from the recorded rounds and the last recorded proxy, and continues as if it had never stopped.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from operator import add, or_
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.costs import Stopwatch
from labelbench_ray.embeddings.external.watched import WatchedFiles, watched_files
from labelbench_ray.embeddings.store import Embedded
from labelbench_ray.errors import DataError
from labelbench_ray.ledger.trials import Ledger, RoundRecord
from labelbench_ray.oracles import PoolRows
from labelbench_ray.pool.distributions import CATEGORICAL, Distribution
from labelbench_ray.proxies import Classifier
from labelbench_ray.streams import integer
from labelbench_ray.tasks import Tally, Task
from labelbench_ray.trainers import PreviousRound
from labelbench_ray.trainers.engine.data import Work
from labelbench_ray.trial.asking import NUMBERED, Asking
from labelbench_ray.trial.bought import Bought, bought, bought_rows, lessons, nothing_to_learn, wasted_rows
from labelbench_ray.trial.chosen_prompts import chosen_metrics
from labelbench_ray.trial.evaluation import Measured, measure_splits
from labelbench_ray.trial.fit_light import FitRequest, Fitter, TrainedModel
from labelbench_ray.trial.no_fit import untrained
from labelbench_ray.trial.noise import hidden_labels, noise_metrics
from labelbench_ray.trial.parts import Parts
from labelbench_ray.trial.pseudo_labels import PseudoLabelStats
from labelbench_ray.trial.scoring import ScoringDevice
from labelbench_ray.trial.upper_bounds import validated
from labelbench_ray.types import BLOCK_ROWS, Block, Floats, Ids, Labels, Model, PoolView, Shard


@dataclass(frozen=True, slots=True, eq=False)
class Timed:
    """A model whose work on the pool is timed as the stage "score", whichever stage asks for it.

    Scorers work in other processes: their time is part of the wall seconds of the stage that asks.
    """

    model: Model
    watch: Stopwatch
    gpus: float = 0.0
    """GPUs that are held while it works."""

    @property
    def num_classes(self) -> int:
        """K."""
        return self.model.num_classes

    @property
    def distribution(self) -> Distribution:
        """The model's."""
        return self.model.distribution

    def probabilities(self, raw_BD: NDArray[Any]) -> Floats:
        """(B, K) float32."""
        with self.watch.stage("score", self.gpus):
            return self.model.probabilities(raw_BD)

    def features(self, raw_BD: NDArray[Any]) -> Floats:
        """(B, D) float32."""
        with self.watch.stage("score", self.gpus):
            return self.model.features(raw_BD)


@dataclass(frozen=True, slots=True, eq=False)
class Loop:
    """The rounds of a trial: everything that each of them uses."""

    parts: Parts
    ledger: Ledger
    fitter: Fitter
    rows: PoolRows = NUMBERED
    """What the data set holds for rows of the pool, for oracles that look at it."""
    scoring: ScoringDevice | None = None
    """What scores the pool; None: numpy."""

    def rounds(self) -> Iterator[RoundRecord]:
        """Run the rounds that are not recorded yet, one at a step; each is on disk when it is yielded."""
        records = self.ledger.records()
        if len(records) >= self.parts.trial.rounds:
            return
        if self.scoring is not None:
            self.scoring.check()
        embedded = self.fitter.embedded
        files = watched_files(embedded.origin)
        hidden_N = hidden_labels(self.parts, embedded)
        asking = Asking(self.parts, self.ledger, embedded.classes, self.rows, embedded.task, hidden_N, self._worth)
        watch = Stopwatch()
        view = self._first_view(records, watch)
        while len(records) < self.parts.trial.rounds:
            files.check()
            view, record = self._round(records, view, asking, watch, files)
            records.append(record)
            yield record

    def _first_view(self, records: Sequence[RoundRecord], watch: Stopwatch) -> PoolView:
        if records:
            with watch.stage("score", gpus=self.fitter.gpus):
                fitted = self.fitter.open(self.ledger.proxy(records[-1]))
            return self._view(fitted, bought(records, self.fitter.embedded), watch)
        embedded = self.fitter.embedded
        return self.fitter.open_view(Timed(untrained(embedded), watch), *bought_rows(records, embedded))

    def _round(
        self, records: Sequence[RoundRecord], view: PoolView, asking: Asking, watch: Stopwatch, files: WatchedFiles
    ) -> tuple[PoolView, RoundRecord]:
        trial, number = self.parts.trial, len(records)
        # A device works while the next stage waits for it, so every stage that reads scores holds the GPU.
        with watch.stage("select", gpus=self._scoring_gpus):
            batch = asking.batch(records, view)
        embedded = self.fitter.embedded
        known = Bought(view.labeled_L, view.labels_L, wasted_rows(records, embedded))
        now = known + Bought.of(batch.chosen_B, batch.labels_B, embedded.task)
        if not len(now.labeled_L):
            raise DataError(nothing_to_learn(trial, len(now)))
        stats, work = PseudoLabelStats(embedded.pool.truth_N), list[Work]()
        with watch.stage("fit", gpus=self.fitter.gpus):
            request = replace(
                self._request(records, now),
                on_pseudo_labels=stats.add,
                spend=partial(watch.elsewhere, "fit"),
                on_work=work.append,
            )
            tensors = self.fitter.fit(request)
        with watch.stage("score", gpus=self.fitter.gpus):
            fitted = self.fitter.open(tensors)
        with watch.stage("evaluate", gpus=self._scoring_gpus):
            described = self._described(view, now.labeled_L)
            view = self._view(fitted, now, watch)
            measured = measure(view, fitted, self.fitter.validation_labels, self.parts.dataset.prior_alphas)
            kept = kept_labels(fitted, now.labeled_L, now.labels_L, len(known.labeled_L))
        files.check()  # the numbers are of the files that were read
        record = self.ledger.publish(
            number,
            batch.chosen_B,
            batch.labels_B,
            len(now),
            measured.metrics
            | now.metrics()
            | noise_metrics(self.parts, embedded, asking.hidden_N, now)
            | described
            | kept
            | self.parts.strategy.round_metrics(view)
            | stats.metrics()
            | reduce(or_, (each.metrics() for each in work), {}),
            watch.lap(),
            dict(tensors),
            batch.notes_B,
            measured.groups,
            scored_on="" if self.scoring is None else self.scoring.scores(fitted.classifier),
            hits=measured.hits,
        )
        return view, record

    @property
    def _scoring_gpus(self) -> float:
        return 0.0 if self.scoring is None else self.scoring.gpus

    def _view(self, fitted: TrainedModel, now: Bought, watch: Stopwatch) -> PoolView:
        model = fitted.classifier if self.scoring is None else self.scoring.place(fitted.classifier)
        view = now.open(fitted.open_view(Timed(model, watch, self._scoring_gpus), now.labeled_L, now.labels_L))
        heads = fitted.classifier.task_heads if isinstance(fitted.classifier, Classifier) else None
        return view if heads is None else replace(view, task_heads=heads)

    def _described(self, view: PoolView, labeled_L: Ids) -> dict[str, float]:
        """What was chosen of prompts, whose rounds measure nothing else."""
        if self.fitter.embedded.task.predicted:
            return {}
        return chosen_metrics(self.fitter.embedded, self.parts.strategy, view, labeled_L)

    def _request(self, records: Sequence[RoundRecord], now: Bought) -> FitRequest:
        """The fit of the round after these, given its labels."""
        seed = integer(self.parts.trial.seed, len(records), "fit")
        previous = self._previous(records)
        return FitRequest(now.labeled_L, now.labels_L, previous, seed, lambda stats: None, wasted_W=now.wasted_W)

    def _worth(
        self, records: Sequence[RoundRecord], view: PoolView, answer: Callable[[Ids], Labels], ids_B: Ids
    ) -> float:
        embedded = self.fitter.embedded
        known = Bought(view.labeled_L, view.labels_L, wasted_rows(records, embedded))
        now = known + Bought.of(ids_B, answer(ids_B), embedded.task)
        return validated(self._request(records, now), self.fitter)

    def _previous(self, records: Sequence[RoundRecord]) -> list[PreviousRound]:
        counts = lessons(records, self.fitter.embedded)
        return [
            PreviousRound(count, partial(self.ledger.proxy, record))
            for count, record in zip(counts, records, strict=True)
        ]


def measure(
    view: PoolView, fitted: TrainedModel, validation_labels: int, prior_alphas: Sequence[float] = ()
) -> Measured:
    """A trained model, measured on the pool and every evaluation split, as far as their labels are known."""
    embedded, classifier = fitted.embedded, fitted.classifier
    task, of_pool = embedded.task, dict[str, float]()
    of_labeled: dict[str, float] = {"Num Labeled": len(view.labeled_L), **task.of_bought(view.labels_L)}
    if not task.predicted:
        return Measured(of_labeled, {})
    truth_N = embedded.pool.truth_N
    if truth_N is not None and view.task_heads is not None:
        of_labeled = task.of_labeled(truth_N[view.labeled_L], view.num_classes)  # the model is of the target alone
    elif truth_N is not None:
        pool = reduce(add, view.map(partial(tally_shard, embedded=embedded)))
        true_L = truth_N[view.labeled_L]
        of_pool = task.of_split("Pool", pool.rows)
        of_labeled = task.of_labeled(true_L, view.num_classes)
        share = task.labeling_accuracy(pool.rows, pool.labeled_right, view.labels_L, true_L)
        of_labeled |= {} if share is None else {"Labeling Accuracy": share}
    evaluated = measure_splits(classifier, embedded.evaluation, task, prior_alphas)
    other = classifier.alone if isinstance(classifier, Classifier) else None
    alone = measure_splits(other, {"test": embedded.test}, task).metrics if other else {}
    measured = {
        **of_pool,
        **{f"Target Alone {name}": value for name, value in alone.items()},
        **evaluated.metrics,
        **of_labeled,
        "Num Validation Labels": validation_labels,
        "Num Test Rows": len(embedded.test.labels_N),
    }
    return Measured(measured, evaluated.groups, evaluated.hits)


def kept_labels(fitted: TrainedModel, labeled_L: Ids, labels_L: Labels, earlier: int) -> dict[str, float]:
    """How many of the labels that this round bought, and that earlier ones did, the model gives: what is forgotten.

    Nothing where a row may have several classes; nothing of earlier rounds in the first.
    """
    task = fitted.embedded.task
    if task.distribution != CATEGORICAL:
        return {}
    right_L = np.empty(len(labeled_L), np.bool_)
    for start in range(0, len(labeled_L), BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        probabilities_BK = fitted.classifier.probabilities(fitted.embedded.pool.embeddings_ND[labeled_L[rows]])
        right_L[rows] = task.right_answers(probabilities_BK, labels_L[rows])
    parts = {"Earlier": right_L[:earlier], "Newest": right_L[earlier:]}
    return {f"{name} Labels Accuracy": float(right.mean()) for name, right in parts.items() if len(right)}


@dataclass(frozen=True, slots=True, eq=False)
class PoolTally:
    """The tally of a pool's rows, and the number of right answers among those of the labeled ones."""

    rows: Tally
    labeled_right: int

    def __add__(self, other: Self) -> "PoolTally":
        return PoolTally(self.rows + other.rows, self.labeled_right + other.labeled_right)


def tally_shard(shard: Shard, embedded: Embedded) -> PoolTally:
    """The tally of a shard of the pool, whose true labels are known; a scorer maps them from the store."""
    labels_N, task = embedded.pool.labels_N, embedded.task
    return reduce(add, (_tally_block(block, labels_N[block.ids_B], task) for block in shard.blocks()))


def _tally_block(block: Block, labels_B: Labels, task: Task) -> PoolTally:
    right_B = task.right_answers(block.probabilities_BK, labels_B)
    return PoolTally(task.tally(block.probabilities_BK, labels_B), int(right_B[block.labeled_B].sum()))
