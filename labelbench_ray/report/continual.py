"""Training that goes on from the last round against training from scratch: work of fits saved, accuracy lost.

Row passes (Das et al. 2023, arXiv 2305.06408, count time) do not depend on the machine: 1 for a forward pass of a row,
2 for a backward pass.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from labelbench_ray.ledger.records import RoundRecord
from labelbench_ray.report.curves import Run, Setting, last_common
from labelbench_ray.report.protocols import Ratio, ratio
from labelbench_ray.report.statistics.paired import Estimate, estimate

FIT: Final = "fit"
PASSES: Final = "Fit Row Passes"
EPOCHS: Final = "Fit Epochs"
EARLIER: Final = "Earlier Labels Accuracy"
NEWEST: Final = "Newest Labels Accuracy"
FORGETS: Final = 0.05
"""The loss of accuracy on earlier labels, beside from scratch, from which on a trainer counts as one that forgets."""


@dataclass(frozen=True, slots=True)
class Continued:
    """One strategy over the seeds that both ways have."""

    setting: Setting
    scratch: Setting
    strategy: str
    seeds: int
    fit: Ratio
    """Seconds of fit, going on ÷ from scratch."""
    accuracy: Estimate
    """Going on less from scratch, at the last common number of labels."""
    passes: Ratio | None
    """Row passes of all fits after the first, from scratch ÷ going on; None: older records do not have them."""
    matched: Ratio | None
    """Row passes from scratch until its accuracy is the one that going on ends with ÷ those of going on."""
    unmatched: int
    """Seeds for which from scratch never gets there: they count with all of its row passes, so that `matched` is at
    least that."""
    epochs: float | None
    """Mean epochs of a round after the first."""
    earlier: float | None
    """Mean over seeds of the accuracy of the last model on the labels of the rounds before."""
    earlier_change: Estimate | None
    """That less the same from scratch."""
    backward: Estimate | None
    """Backward transfer (Lopez-Paz and Ranzato 2017, arXiv 1706.08840), over the rows of all rounds but the last: the
    accuracy of the last model on their labels less that of each round's own model on those it bought."""


def continual(settings: tuple[Setting, ...]) -> tuple[Continued, ...]:
    """Every setting that goes on, beside the one that does the same from scratch, by strategy."""
    pairs = ((setting, _scratch(setting, settings)) for setting in settings if _goes_on(setting))
    found = (
        _continued(setting, scratch, strategy)
        for setting, scratch in pairs
        if scratch is not None
        for strategy in setting.strategies
    )
    return tuple(each for each in found if each is not None)


def _goes_on(setting: Setting) -> bool:
    return setting.traits.from_scratch is not None


def _scratch(setting: Setting, settings: tuple[Setting, ...]) -> Setting | None:
    """The same setting with its trainer from scratch; without one, a setting whose trainer has other settings."""
    inner = setting.traits.from_scratch
    assert inner is not None
    same = [
        other
        for other in settings
        if other.same_but(setting, "trainer") and not _goes_on(other) and other.trial.trainer.name == inner.name
    ]
    return min(same, key=lambda other: other.trial.trainer != inner, default=None)


def _continued(setting: Setting, scratch: Setting, strategy: str) -> Continued | None:
    mine, theirs = setting.by_seed(strategy), scratch.by_seed(strategy)
    pairs = [(mine[seed], theirs[seed]) for seed in sorted(mine.keys() & theirs.keys())]
    labels = last_common(run for pair in pairs for run in pair) if pairs else 0
    if not labels:
        return None
    fit = ratio([_fit(run, labels) for run, _ in pairs], [_fit(run, labels) for _, run in pairs])
    lost = np.array([first.primary[labels] - second.primary[labels] for first, second in pairs])
    if fit is None:
        return None
    kept = [(_at(mine, EARLIER, labels), _at(theirs, EARLIER, labels)) for mine, theirs in pairs]
    reached = [_labels_to(theirs, mine.primary[labels], labels) for mine, theirs in pairs]
    epochs = [record.metrics.get(EPOCHS) for mine, _ in pairs for record in _later(mine, labels)]
    return Continued(
        setting,
        scratch,
        strategy,
        len(pairs),
        fit,
        estimate(lost),
        _ratio([(_passes(theirs, labels), _passes(mine, labels)) for mine, theirs in pairs]),
        _ratio(
            [
                (_passes(theirs, number or labels), _passes(mine, labels))
                for (mine, theirs), number in zip(pairs, reached, strict=True)
            ]
        ),
        reached.count(None),
        _mean(epochs),
        _mean([mine for mine, _ in kept]),
        _estimate([None if mine is None or theirs is None else mine - theirs for mine, theirs in kept]),
        _estimate([_backward(mine, labels) for mine, _ in pairs]),
    )


def _later(run: Run, labels: int) -> list[RoundRecord]:
    """The rounds after the first, in which the ways differ, up to a number of labels."""
    return [record for record in run.records[1:] if record.num_labeled <= labels]


def _at(run: Run, metric: str, labels: int) -> float | None:
    return next((record.metrics.get(metric) for record in run.records if record.num_labeled == labels), None)


def _passes(run: Run, labels: int) -> float | None:
    """Row passes of the rounds after the first; None if a record does not have them."""
    each = [record.metrics.get(PASSES) for record in _later(run, labels)]
    return None if None in each else sum((count for count in each if count is not None), 0.0)


def _labels_to(run: Run, accuracy: float, labels: int) -> int | None:
    """The number of labels with which a run's accuracy first is at least that; None: it never is."""
    return min((number for number in run.primary if number <= labels and run.primary[number] >= accuracy), default=None)


def _backward(run: Run, labels: int) -> float | None:
    """Backward transfer of one run; None if a record does not have the accuracies, or there is one round only."""
    *before, last = (record for record in run.records if record.num_labeled <= labels)
    own = [record.metrics.get(NEWEST) for record in before]
    after = last.metrics.get(EARLIER)
    if after is None or None in own:
        return None
    bought = [len(record.chosen) for record in before]
    return after - float(np.average(np.array(own, np.float64), weights=bought))


def _ratio(pairs: list[tuple[float | None, float | None]]) -> Ratio | None:
    whole = [(above, below) for above, below in pairs if above is not None and below is not None]
    return ratio([above for above, _ in whole], [below for _, below in whole]) if len(whole) == len(pairs) else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def _estimate(values: Sequence[float | None]) -> Estimate | None:
    known = [value for value in values if value is not None]
    return estimate(np.array(known)) if known and len(known) == len(values) else None


def _fit(run: Run, labels: int) -> float:
    """CPU and GPU seconds of fitting."""
    return sum(
        record.cpu.get(FIT, 0.0) + record.gpu.get(FIT, 0.0) for record in run.records if record.num_labeled <= labels
    )
