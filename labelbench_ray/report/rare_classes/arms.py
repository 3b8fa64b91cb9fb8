"""Arms of strategies that choose by arms: what each chose, what that was worth, the regret against the best arm."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelbench_ray import plugins
from labelbench_ray.errors import UserError
from labelbench_ray.ledger.records import RoundRecord
from labelbench_ray.pool.distributions import CATEGORICAL
from labelbench_ray.report.curves import Run, Setting
from labelbench_ray.report.statistics.comparison import Comparison, paired_difference
from labelbench_ray.report.statistics.paired import Estimate, Floats
from labelbench_ray.strategies import NO_NOTE, PACKAGE, ChosenRound, Strategy
from labelbench_ray.strategies._arms import Arms
from labelbench_ray.strategies._rare_classes import counts_of, worth
from labelbench_ray.strategies.tailor import Tailor, posterior

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Played:
    """The arms of a strategy that chooses by arms."""

    strategy: str
    arms: tuple[str, ...]
    rounds: tuple[int, ...]
    shares: tuple[tuple[float, ...], ...]
    """Each arm's share of the rows of each round, mean over the seeds."""
    expected: tuple[tuple[float, ...], ...]
    """What a row of each arm is worth by the posterior means before each round, mean over the seeds; none for a
    strategy that learns nothing about its arms.
    """
    rare: tuple[float, ...]
    """The share of rare rows among those that each arm chose."""
    alone: int
    """How many of these arms the setting also has as strategies of their own."""
    best_arm: str
    """The one of them with the largest area under the curve; "" for none."""
    regret: Estimate | None
    """The strategy's area under the curve less that of the best arm, paired by seed."""


def played(setting: Setting, comparison: Comparison, rare_C: Counts, num_classes: int) -> Iterable[Played]:
    """The setting's strategies with arms that have chosen rows."""
    for row in comparison.rows:
        runs = list(setting.by_seed(row.strategy).values())
        strategy = _with_arms(runs[0])
        if strategy is None or not any(record.notes for run in runs for record in run.records):
            continue
        names = strategy.arm_names(num_classes)
        rounds = sorted({record.round for run in runs for record in run.records if record.notes})
        pulls_RA, rare_A = np.zeros((len(rounds), len(names))), np.zeros(len(names))
        for record in (record for run in runs for record in run.records if record.notes):
            notes_B = np.array(record.notes)
            pulls_RA[rounds.index(record.round)] += np.bincount(notes_B, minlength=len(names))
            rare_A += np.bincount(notes_B[np.isin(np.array(record.labels), rare_C)], minlength=len(names))
        played_A = np.flatnonzero(pulls_RA.sum(axis=0))
        shares_RA = pulls_RA / pulls_RA.sum(axis=1, keepdims=True)
        arms = [each for each in comparison.rows if each.strategy in {names[arm] for arm in played_A}]
        best = max(arms, key=lambda each: each.area.value, default=None)
        yield Played(
            row.strategy,
            tuple(names[arm] for arm in played_A),
            tuple(rounds),
            tuple(tuple(shares_RA[:, arm].tolist()) for arm in played_A),
            _expected(strategy, runs, rounds, played_A, num_classes),
            tuple((rare_A[played_A] / pulls_RA.sum(axis=0)[played_A]).tolist()),
            len(arms),
            best.strategy if best else "",
            paired_difference(comparison, row, best) if best else None,
        )


def reward(run: Run, labels: int, num_classes: int) -> float:
    """What the labels after the first batch were worth when they were bought, as `tailor` rewards its arms."""
    records = [record for record in run.records if record.num_labeled <= labels]
    return float(
        sum(
            _worth_before(records, record.round, num_classes)[np.array(record.labels)].sum()
            for record in records
            if record.round
        )
    )


def _worth_before(records: Sequence[RoundRecord], number: int, num_classes: int) -> Floats:
    """(K,) what a label of each class is worth in this round."""
    before = np.array([label for record in records if record.round < number for label in record.labels], np.int64)
    return worth(counts_of(before, num_classes), len(before))


def _expected(
    strategy: Strategy, runs: Sequence[Run], rounds: Sequence[int], played_A: Counts, num_classes: int
) -> tuple[tuple[float, ...], ...]:
    if not isinstance(strategy, Tailor):
        return ()
    found_ARS: list[list[list[float]]] = [[[] for _ in rounds] for _ in played_A]
    for run in runs:
        earlier = [_as_chosen(record) for record in run.records]
        for place, number in enumerate(rounds):
            if number < len(run.records):
                worth_K = _worth_before(run.records, number, num_classes)
                learned = posterior(earlier[:number], played_A, num_classes, CATEGORICAL, strategy.decay)
                for arm, value in enumerate((learned.means_AK @ worth_K).tolist()):
                    found_ARS[arm][place].append(value)
    return tuple(tuple(float(np.mean(seeds)) for seeds in each) for each in found_ARS)


def _as_chosen(record: RoundRecord) -> ChosenRound:
    labels = np.array(record.labels, np.int64)
    # Notes of the first batch are another strategy's.
    notes = np.array(record.notes, np.int64) if record.round and record.notes else np.full(len(labels), NO_NOTE)
    return ChosenRound(np.array(record.chosen, np.int64), labels, notes)


def _with_arms(run: Run) -> Arms | None:
    """The strategy if it chooses by arms; None for others, and for one that cannot be made here."""
    try:
        strategy = plugins.build(Strategy, PACKAGE, run.trial.strategy)
    except UserError:
        return None
    return strategy if isinstance(strategy, Arms) else None
