"""Where a fit keeps its state between epochs."""

from dataclasses import dataclass
from typing import Any, Protocol


class Checkpoints(Protocol):
    """Where a fit keeps its state between epochs."""

    def load(self) -> dict[str, Any] | None:
        """The last state, if there is one: nested dicts of tensors, numbers and strings."""
        ...

    def save(self, state: dict[str, Any]) -> None:
        """Replace it."""
        ...


@dataclass(frozen=True, slots=True)
class NoCheckpoints:
    """For fits that are over sooner than a checkpoint is written."""

    def load(self) -> None:
        """Nothing."""

    def save(self, state: dict[str, Any]) -> None:
        """Nowhere."""
