"""The fine-tune: the full model trained once on labels that a trial has bought, at one or several budgets."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from labelbench_ray.costs import Stopwatch
from labelbench_ray.errors import LedgerError
from labelbench_ray.ledger.finetunes import (
    COMPARING,
    FineTuneLedger,
    FineTuneRecord,
    chosen_hash,
    read_finetune_records,
)
from labelbench_ray.ledger.trials import Ledger, RoundRecord
from labelbench_ray.streams import integer
from labelbench_ray.trial.asking import history
from labelbench_ray.trial.bought import Bought, bought_rows
from labelbench_ray.trial.fidelity import Question, fidelity
from labelbench_ray.trial.fit_light import FitRequest, Fitter, LightFitter, TrainedModel
from labelbench_ray.trial.loop import measure
from labelbench_ray.trial.noise import hidden_labels
from labelbench_ray.trial.parts import Parts, Tuning, budgets
from labelbench_ray.trial.pseudo_labels import PseudoLabelStats
from labelbench_ray.types import Ids, Labels


@dataclass(frozen=True, slots=True, eq=False)
class FineTuning:
    """What every budget of a fine-tune uses."""

    parts: Parts
    tuning: Tuning
    ledger: Ledger
    finetunes: FineTuneLedger
    fitter: Fitter
    """Of the full model."""
    selector: Fitter | None
    """Opens the trial's own proxies; None where it has none."""

    def run(self) -> Iterator[FineTuneRecord]:
        """Fit what is not recorded yet, one budget at a step; each is on disk when it is yielded."""
        records = self.ledger.records()
        have = read_finetune_records(self.finetunes.directory)
        for num_labeled in budgets(self.parts):
            bought = len(records) * self.parts.trial.budget
            if num_labeled > bought:
                raise LedgerError(
                    f"{self.ledger.directory}: fine-tuning on {num_labeled} labels, the trial has bought {bought}; "
                    "`labelbench run` buys the rest"
                )
            chosen, labels = self.bought(records, num_labeled)
            if num_labeled in have:
                self._check(have[num_labeled], chosen_hash(chosen.tolist(), labels.tolist()))
            else:
                yield self.fit(records, chosen, labels)

    def bought(self, records: Sequence[RoundRecord], num_labeled: int) -> tuple[Ids, Labels]:
        """The first pool ids in the order in which they were bought, and their labels."""
        chosen, labels = bought_rows(records, self.fitter.embedded)
        return chosen[:num_labeled], labels[:num_labeled]

    def _check(self, point: FineTuneRecord, chosen: str) -> None:
        if point.chosen != chosen:
            raise LedgerError(
                f"{self.finetunes.path(point.num_labeled)}: was trained on other labels than the trial has bought; "
                "delete it to fine-tune again"
            )

    def fit(self, records: Sequence[RoundRecord], chosen: Ids, labels: Labels) -> FineTuneRecord:
        """Train the full model on these labels, measure it and record it."""
        watch, num_labeled = Stopwatch(), len(chosen)
        stats = PseudoLabelStats(self.fitter.embedded.pool.truth_N)
        now = Bought.of(chosen, labels, self.fitter.embedded.task)
        request = self._request(records, now, stats)
        with watch.stage("fine-tune", gpus=self.fitter.gpus):
            tensors = self.fitter.fit(replace(request, spend=partial(watch.elsewhere, "fine-tune")))
        with watch.stage("score", gpus=self.fitter.gpus):
            fitted = self.fitter.open(tensors)
        with watch.stage("evaluate"):
            view = fitted.open_view(fitted.classifier, now.labeled_L, now.labels_L)
            alphas = self.parts.dataset.prior_alphas
            found = measure(view, fitted, self.fitter.validation_labels, alphas)
            measured = found.metrics | stats.metrics() | now.metrics()
        with watch.stage(COMPARING, gpus=self.selector.gpus if self.selector else 0.0):
            measured |= self._fidelity(records, fitted, measured, now)
        return self.finetunes.publish(
            num_labeled, chosen_hash(chosen.tolist(), labels.tolist()), measured, watch.lap(), tensors, found.hits
        )

    def _request(self, records: Sequence[RoundRecord], now: Bought, stats: PseudoLabelStats) -> FitRequest:
        known = [record for record in records if record.num_labeled <= len(now)]
        light = self.selector if isinstance(self.selector, LightFitter) else None
        proxy = light.classifier(self.ledger.proxy(known[-1])) if light and known else None
        seed = integer(self.parts.trial.seed, len(now), "finetune")
        return FitRequest(now.labeled_L, now.labels_L, (), seed, stats.add, proxy, wasted_W=now.wasted_W)

    def _fidelity(
        self, records: Sequence[RoundRecord], full: TrainedModel, measured: dict[str, float], now: Bought
    ) -> dict[str, float]:
        """Against the proxy that was fitted to the same labels; nothing between two rounds."""
        record = next((record for record in records if record.num_labeled == len(now)), None)
        if record is None or self.selector is None or self.parts.strategy.sees_labels:
            return {}
        proxy = self.selector.open(self.ledger.proxy(record))
        trial, embedded = self.parts.trial, self.fitter.embedded
        answers_N = hidden_labels(self.parts, embedded) if embedded.task.answers_every_row else None
        if answers_N is None and self.parts.strategy.needs_ask:
            return {}  # its batch depends on answers that nobody has given
        number = record.round + 1
        earlier = history(records[:number], embedded.task, len(embedded.classes))
        question = Question(self.parts.strategy, trial.budget, trial.seed, number, answers_N, earlier)
        views = (now.open(each.open_view(each.classifier, now.labeled_L, now.labels_L)) for each in (proxy, full))
        decides = embedded.task.shown[0]
        reached, before = measured.get(decides), record.metrics.get(decides)
        gap = {} if reached is None or before is None else {"Fidelity Accuracy Gap": reached - before}
        return fidelity(question, *views) | gap
