"""Ending a sweep before its trials are done: each one ends between two rounds, and a later run resumes it."""

from typing import Any

from ray.tune import Stopper

from labelbench_ray.trial.assembly import SweepCallbacks


class BetweenRounds(Stopper):
    """Ends each trial at its next report once the run is to end; rounds under way are finished."""

    def __init__(self, callbacks: SweepCallbacks) -> None:
        self._callbacks = callbacks

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles it for a restore that we never do."""
        return {}

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Whether the trial that reports is to end."""
        return self._callbacks.should_end()

    def stop_all(self) -> bool:
        """Never: Tune would end trials within their rounds."""
        return False
