"""Early stopping of dominated trials: which may be compared while they run, by which rule one ends, and its record.

Off unless asked for. A trial that was stopped is neither done nor failed: its finished rounds stay in the ledger beside
`stopped.json`, and a run without early stopping goes on after them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from labelbench_ray.config import Trial
from labelbench_ray.errors import ConfigError

SCORE: Final = "Validation Accuracy"
"""The metric by which running trials are compared; never one of the test rows, on which the report rests."""
COMPARABLE: Final = ("dataset", "encoder", "budget", "rounds")
"""Only trials that are alike in these are on the same scale after the same number of rounds."""
FEWEST_ROUNDS: Final = 3
"""With fewer, all that could be judged is the first batch, which no strategy has chosen yet."""


@dataclass(frozen=True, slots=True)
class EarlyStoppingRule:
    """When a trial of this many rounds is ended because others are better."""

    rounds: int

    @property
    def judged_after(self) -> int:
        """After how many rounds a trial is compared: half of them, for curves of strategies cross early on."""
        return -(-self.rounds // 2)

    def __str__(self) -> str:
        return (
            f"after {self.judged_after} rounds its validation accuracy was below the median of the trials that had "
            "come so far before it"
        )


def early_stopping_rule(trials: Sequence[Trial]) -> EarlyStoppingRule:
    """The rule for these trials.

    Raises:
        ConfigError: they cannot be compared while they run.
    """
    for name in COMPARABLE:
        values = list(dict.fromkeys(str(getattr(trial, name)) for trial in trials))
        if len(values) > 1:
            raise ConfigError(
                f"early stopping compares trials after the same number of rounds, and those to run differ in {name}: "
                f"{', '.join(values)}; give each of these an experiment of its own, or leave out --early-stopping"
            )
    rounds = trials[0].rounds
    if rounds < FEWEST_ROUNDS:
        raise ConfigError(
            f"early stopping judges strategies at half of the rounds, and {rounds} are asked for, the first of which "
            f"no strategy chooses; ask for at least {FEWEST_ROUNDS}, or leave out --early-stopping"
        )
    return EarlyStoppingRule(rounds)
