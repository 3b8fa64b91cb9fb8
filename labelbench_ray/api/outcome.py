"""What became of the trials that a run was asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from labelbench_ray.config import Trial
from labelbench_ray.ledger.state import TrialState
from labelbench_ray.planning.plan import Plan, trials_now

if TYPE_CHECKING:
    from labelbench_ray.api.results import Results


@dataclass(frozen=True, slots=True)
class RanTrial:
    """A trial and its state in the ledger when the run ended."""

    trial: Trial
    fingerprint: str
    state: TrialState
    rounds_done: int
    reason: str
    """Why it failed or was stopped early, or what it waits for; "" in other states."""


@dataclass(frozen=True, slots=True, repr=False)
class RunOutcome:
    """What `run` returns."""

    folder: Path
    """The experiment's: its ledgers and its report."""
    trials: tuple[RanTrial, ...]
    """In the order of the experiment; trials that are the same trial stand there once."""

    @classmethod
    def of(cls, plan: Plan) -> Self:
        """The state of a plan's trials now."""
        return cls(
            plan.folder,
            tuple(
                RanTrial(
                    each.parts.trial,
                    each.parts.fingerprint,
                    each.progress.state,
                    each.rounds_done,
                    each.progress.reason,
                )
                for each in trials_now(plan)
            ),
        )

    @property
    def report(self) -> Path:
        """The page."""
        return self.folder / "report.html"

    @property
    def failed(self) -> tuple[RanTrial, ...]:
        """The trials that failed; the next run tries them again."""
        return self._in(TrialState.FAILED, TrialState.DAMAGED)

    @property
    def done(self) -> bool:
        """Whether every trial has all of its rounds."""
        return len(self._in(TrialState.DONE)) == len(self.trials)

    def results(self) -> "Results":
        """The experiment's tables."""
        from labelbench_ray.api.results import results

        return results(self.folder)

    def __str__(self) -> str:
        counts = {state: len(self._in(state)) for state in TrialState}
        states = [f"{count} {state.words}" for state, count in counts.items() if count]
        lines = [f"{self.folder.name}: {len(self.trials)} trials, {', '.join(states)}; report: {self.report}"]
        return "\n".join([*lines, *_why(self.failed)])

    def __repr__(self) -> str:
        return str(self)  # as the last value of a notebook's cell: hundreds of trials would be pages

    def _in(self, *states: TrialState) -> tuple[RanTrial, ...]:
        return tuple(each for each in self.trials if each.state in states)


def _why(trials: Sequence[RanTrial]) -> list[str]:
    """Why each of them failed, a line each."""
    return [f"{each.state.words}: {each.trial.strategy}, seed {each.trial.seed}: {each.reason}" for each in trials]
