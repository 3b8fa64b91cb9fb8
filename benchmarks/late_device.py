"""A stand-in for a GPU: it takes a stated time for a row, and the CPU goes on in the meantime."""

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from labelbench_ray.encoders import Decoded
from labelbench_ray.encoders._batches_ahead import BatchesAhead

BATCH = 256


class Late:
    """A device that begins a batch when the one before is done, and takes no CPU; a `Queue`."""

    def __init__(self, row_seconds: float, dimensions: int) -> None:
        self._row_seconds = row_seconds
        self._dimensions = dimensions
        self._free = 0.0
        self.seconds = 0.0

    def pinned(self, shape: tuple[int, ...]) -> torch.Tensor:
        """Ordinary memory."""
        return torch.empty(shape, dtype=torch.uint8)

    def begin(self, pixels_BHWC: torch.Tensor, forward: object) -> Callable[[], torch.Tensor]:
        """Begin a batch."""
        seconds = self._row_seconds * len(pixels_BHWC)
        self.seconds += seconds
        self._free = done = max(self._free, time.perf_counter()) + seconds

        def wait() -> torch.Tensor:
            time.sleep(max(0.0, done - time.perf_counter()))
            return torch.ones((len(pixels_BHWC), self._dimensions))

        return wait


class OnLateDevice:
    """A network on such a device."""

    compute = "asleep"

    def __init__(self, row_seconds: float, dimensions: int) -> None:
        self._device = Late(row_seconds, dimensions)
        self.embed_ahead = BatchesAhead(BATCH, lambda pixels: pixels, self._device).begin

    @property
    def seconds(self) -> float:
        """In which the device was busy."""
        return self._device.seconds

    def embed(self, decoded: Sequence[Decoded]) -> NDArray[np.float32]:
        """Random embeddings."""
        return self.embed_ahead(decoded)()
