"""Early stopping of dominated trials: which trials may be compared while they run, and when one is ended.

It is off by default. A trial that was stopped is neither done nor failed: its finished rounds stay in the ledger beside
`stopped.json`, and a run without early stopping resumes it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from labelbench_ray.config import Trial
from labelbench_ray.errors import ConfigError
from labelbench_ray.tasks import Task, in_a_sentence
from labelbench_ray.tasks.single_label import SINGLE_LABEL

COMPARABLE: Final = ("dataset", "encoder", "budget", "rounds")
"""Only trials that agree in these are comparable after the same number of rounds."""
FEWEST_ROUNDS: Final = 3
"""With fewer, only the first batch could be compared, which no strategy chooses."""


@dataclass(frozen=True, slots=True)
class EarlyStoppingRule:
    """When a trial of this many rounds is ended because others are better."""

    rounds: int
    metric: str = f"Validation {SINGLE_LABEL.primary}"
    """By which running trials are compared; never one of the test rows, on which the report rests."""

    @property
    def judged_after(self) -> int:
        """The round after which a trial is compared: half of all, because learning curves cross early on."""
        return -(-self.rounds // 2)

    def __str__(self) -> str:
        return (
            f"after {self.judged_after} rounds its {in_a_sentence(self.metric)} was below the median of the trials "
            "that got there before it"
        )


def early_stopping_rule(trials: Sequence[Trial], task: Task = SINGLE_LABEL) -> EarlyStoppingRule:
    """The rule for these trials, of data sets of this task.

    Raises:
        ConfigError: they cannot be compared while they run.
    """
    for name in COMPARABLE:
        values = list(dict.fromkeys(str(getattr(trial, name)) for trial in trials))
        if len(values) > 1:
            raise ConfigError(
                f"early stopping compares trials after the same number of rounds, but those to run differ in {name}: "
                f"{', '.join(values)}; give each of these an experiment of its own, or leave out --early-stopping"
            )
    rounds = trials[0].rounds
    if rounds < FEWEST_ROUNDS:
        raise ConfigError(
            f"early stopping compares strategies at half of the rounds; {rounds} are asked for, and no strategy "
            f"chooses the first; ask for at least {FEWEST_ROUNDS}, or leave out --early-stopping"
        )
    return EarlyStoppingRule(rounds, f"Validation {task.primary}")
