"""Where a fit keeps its state between epochs."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from labelbench_ray.storage.atomic import publish


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
    """For fits that take less time than writing a checkpoint."""

    def load(self) -> None:
        """Nothing."""

    def save(self, state: dict[str, Any]) -> None:
        """Nowhere."""


@dataclass(frozen=True, slots=True)
class FileCheckpoints:
    """One file, replaced atomically. A checkpoint of another fit or a corrupt one counts as absent."""

    path: Path
    identity: str
    """Everything that the numbers of the fit depend on."""

    def load(self) -> dict[str, Any] | None:
        """The state, if the file holds one of this fit."""
        import torch

        try:
            data = self.path.read_bytes()  # raises if the disk or object store does not answer: the file is sound
        except FileNotFoundError:
            return None
        try:
            found = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        except Exception:  # a corrupt file raises errors of zipfile, torch or pickle: the fit starts again
            return None
        return found.get("state") if isinstance(found, dict) and found.get("identity") == self.identity else None

    def save(self, state: dict[str, Any]) -> None:
        """Publish it by rename."""
        import torch

        buffer = io.BytesIO()
        torch.save({"identity": self.identity, "state": state}, buffer)
        publish(self.path, buffer.getvalue())
