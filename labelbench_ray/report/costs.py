"""What it costs: a strategy's trials in labels, seconds and money, and the embedding that they share."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from labelbench_ray.costs import NOTHING, Cost, Prices, total
from labelbench_ray.report.curves import Run, Setting
from labelbench_ray.report.finetuned import recipes
from labelbench_ray.report.statistics.paired import Floats

Embeddings = Mapping[str, "Embedding"]
"""By the content hash of the store."""


@dataclass(frozen=True, slots=True)
class Embedding:
    """What making a store took, and how many trials of the experiment read it."""

    spent: Cost
    trials: int

    @property
    def share(self) -> Cost:
        """One trial's part."""
        return self.spent.part(1 / max(self.trials, 1))


@dataclass(frozen=True, slots=True)
class Tuned:
    """The full model of one recipe on the most labels, over the trials that have it."""

    recipe: str
    labels: int
    trials: int
    spent: Cost
    """The mean."""


@dataclass(frozen=True, slots=True)
class StrategyCost:
    """Means over one strategy's trials."""

    strategy: str
    trials: int
    labels: float
    stages: dict[str, Cost]
    """What the rounds took, by stage."""
    rounds: Cost
    tuned: Tuned | None
    """The full model at the largest budget at which it was trained; None where it was not."""
    embedding: Cost
    """The trial's share; nothing where the store is not known."""

    @property
    def finetune(self) -> Cost:
        """What one full model took; nothing where none was trained."""
        return self.tuned.spent if self.tuned else NOTHING

    @property
    def spent(self) -> Cost:
        """The total cost."""
        return self.rounds + self.finetune + self.embedding


@dataclass(frozen=True, slots=True, eq=False)
class CostCurve:
    """How one strategy's mean spending grows with the labels; the share of the embedding comes first."""

    strategy: str
    computing_T: Floats
    """CPU and GPU seconds."""
    money_T: Floats
    """Labels and computing."""


def embeddings(runs: Iterable[Run], stores: Mapping[str, Cost]) -> dict[str, Embedding]:
    """The stores and views that the experiment's trials read, as far as what they took is known."""
    read = [each for run in runs if run.records for each in run.embeddings]
    return {store: Embedding(stores[store], read.count(store)) for store in dict.fromkeys(read) if store in stores}


def costs(setting: Setting, shared: Embeddings) -> tuple[StrategyCost, ...]:
    """One line a strategy, over the compared trials."""
    lines = ((name, [run for run in setting.compared if run.strategy == name]) for name in setting.strategies)
    return tuple(_cost(name, runs, shared) for name, runs in lines if runs)


def stages(lines: tuple[StrategyCost, ...]) -> tuple[str, ...]:
    """The stages of any line, in the order in which they were recorded."""
    return tuple(dict.fromkeys(stage for line in lines for stage in line.stages))


def cost_curve(
    strategy: str, setting: Setting, labels: tuple[int, ...], shared: Embeddings, prices: Prices
) -> CostCurve:
    """The spending of a strategy's compared trials at these numbers of labels."""
    runs = [run for run in setting.compared if run.strategy == strategy]
    spent_TS = [[share(run, shared) + rounds(run, count) for run in runs] for count in labels]
    return CostCurve(
        strategy,
        np.array([fmean(spent.computing for spent in spent_S) for spent_S in spent_TS]),
        np.array(
            [
                fmean(prices.money(spent, count) for spent in spent_S)
                for count, spent_S in zip(labels, spent_TS, strict=True)
            ]
        ),
    )


def share(run: Run, shared: Embeddings) -> Cost:
    """The run's part of its embeddings; nothing where what they took is not known."""
    return total(shared[each].share for each in run.embeddings if each in shared)


def whole(run: Run, shared: Embeddings) -> Cost:
    """All of the embeddings that the run read."""
    return total(shared[each].spent for each in run.embeddings if each in shared)


def rounds(run: Run, labels: float = float("inf")) -> Cost:
    """The cost of the rounds up to this number of labels."""
    return total(record.spent for record in run.records if record.num_labeled <= labels)


def mean(spent: Iterable[Cost]) -> Cost:
    """The mean of at least one."""
    every = list(spent)
    return total(every).part(1 / len(every))


def _cost(strategy: str, runs: list[Run], shared: Embeddings) -> StrategyCost:
    names = dict.fromkeys(stage for run in runs for record in run.records for stage in record.seconds)
    return StrategyCost(
        strategy=strategy,
        trials=len(runs),
        labels=fmean(max((record.num_labeled for record in run.records), default=0) for run in runs),
        stages={name: mean(_stage(run, name) for run in runs) for name in names},
        rounds=mean(rounds(run) for run in runs),
        tuned=_tuned(runs),
        embedding=mean(share(run, shared) for run in runs),
    )


def _tuned(runs: list[Run]) -> Tuned | None:
    """Of several recipes on the most labels, the one that most trials have."""
    most = max((labels for run in runs for records in run.finetunes.values() for labels in records), default=0)
    by_recipe = {
        recipe: [record.training for run in runs if (record := run.finetuned(recipe, most))]
        for recipe in sorted(recipes(runs))
    }
    if not most:  # none was asked for, or the first is still being trained
        return None
    recipe = max(by_recipe, key=lambda recipe: len(by_recipe[recipe]))
    return Tuned(recipe, most, len(by_recipe[recipe]), mean(by_recipe[recipe]))


def _stage(run: Run, name: str) -> Cost:
    return total(
        Cost(record.seconds.get(name, 0.0), record.cpu.get(name, 0.0), record.gpu.get(name, 0.0))
        for record in run.records
    )
