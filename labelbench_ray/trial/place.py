"""What a job of a trial reads, and what scores its pool."""

from dataclasses import dataclass
from pathlib import Path

from labelbench_ray.environment import ROW_SECONDS, Environment
from labelbench_ray.trial.parts import Parts
from labelbench_ray.trial.scoring import ScoringDevice, scoring_device


@dataclass(frozen=True, slots=True)
class Place:
    """The store and the data that a job reads."""

    store: Path
    data_root: Path
    row_seconds: float = ROW_SECONDS
    scoring: ScoringDevice | None = None
    """What scores the pool; None: numpy."""


def place_of(built: Parts, environment: Environment) -> Place:
    """The place of a trial's jobs in an environment."""
    store = (environment.store / built.embedding).resolve()
    return Place(store, environment.data_root, environment.row_seconds, scoring_device(environment))
