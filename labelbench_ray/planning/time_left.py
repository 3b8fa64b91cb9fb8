"""How long the rounds that a plan would run take, estimated from rounds that are recorded."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from labelbench_ray.errors import LedgerError
from labelbench_ray.ledger.experiments import FILE, read_grid
from labelbench_ray.ledger.records import RoundRecord
from labelbench_ray.ledger.shared import entry_progress
from labelbench_ray.planning.plan import Plan

Recorded = Mapping[str, Sequence[float]]
"""Wall seconds of recorded rounds, by strategy."""


@dataclass(frozen=True, slots=True)
class TimeLeft:
    """Wall seconds of the rounds to run, as if trials ran one after the other."""

    rounds: int
    seconds: float
    longest: float
    """Of the trial that has the most left: more computers do not make it shorter."""
    recorded: int
    """The number of rounds that the estimate is made from."""
    is_tiny: bool
    """Those are rounds of the experiment's `--tiny` run: shorter ones, on fewer rows."""

    def when(self, at_once: int) -> float:
        """Wall seconds where this number of trials runs at once."""
        return max(self.seconds / max(at_once, 1), self.longest)


def time_left(plan: Plan) -> TimeLeft | None:
    """The time that the rounds to run need; None where nothing is to run or no round is recorded."""
    of_plan = _recorded((str(each.parts.trial.strategy), each.progress.records) for each in plan.trials)
    recorded = of_plan or _recorded_in(plan.folder.with_name(f"{plan.folder.name}.tiny"))
    if not recorded or not plan.missing:
        return None
    every = [seconds for of_strategy in recorded.values() for seconds in of_strategy]
    left = []
    for each in plan.missing:
        rounds = each.parts.trial.rounds - each.rounds_done
        left.append(rounds * fmean(recorded.get(str(each.parts.trial.strategy), every)))
    rounds = sum(each.parts.trial.rounds - each.rounds_done for each in plan.missing)
    return TimeLeft(rounds, sum(left), max(left), len(every), is_tiny=not of_plan)


def _recorded(records: Iterable[tuple[str, Iterable[RoundRecord]]]) -> Recorded:
    found: dict[str, list[float]] = {}
    for strategy, rounds in records:
        for record in rounds:
            found.setdefault(strategy, []).append(sum(record.seconds.values()))
    return found


def _recorded_in(folder: Path) -> Recorded:
    """The rounds of an experiment's folder; none where it is damaged, since they are a help only."""
    if not (folder / FILE).is_file():
        return {}
    try:
        return _recorded(
            (
                str(entry.trial.strategy),
                entry_progress(folder, entry).records,
            )
            for entry in read_grid(folder).entries
        )
    except LedgerError:
        return {}
