"""Batches on a GPU: while one is in the network, the next is laid out in pinned memory, copied, and begun."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from labelbench_ray.encoders import Decoded
from labelbench_ray.encoders._batches import image_batches

IN_FLIGHT: Final = 2
"""Batches that were begun and not yet read; each has a pinned buffer of its own."""


class Queue(Protocol):
    """A device that copies and computes while the CPU goes on."""

    def pinned(self, shape: tuple[int, ...]) -> Tensor:
        """A uint8 buffer of the host that the device copies from."""
        ...

    def begin(self, pixels_BHWC: Tensor, forward: Callable[[Tensor], Tensor]) -> Callable[[], Tensor]:
        """Begin to copy pixels from a pinned buffer, embed them, and copy the result back.

        Returns a function that waits for all of it and returns float32 features (B, D) on the CPU. The buffer must stay
        as it is until then.
        """
        ...


def embed_ahead(
    decoded: Sequence[Decoded], batch: int, forward: Callable[[Tensor], Tensor], queue: Queue
) -> NDArray[np.float32]:
    """Embed images `batch` at a time, counted from the first, with two batches in flight."""
    buffers: list[Tensor | None] = [None] * IN_FLIGHT
    in_flight: deque[Callable[[], Tensor]] = deque()
    features: list[Tensor] = []
    for number, images_BHWC in enumerate(image_batches(decoded, batch)):
        if len(in_flight) == IN_FLIGHT:  # the batch that has this one's buffer
            features.append(in_flight.popleft()())
        place = number % IN_FLIGHT
        buffer = _fitting(buffers[place], images_BHWC, batch, queue)
        buffers[place] = buffer
        filled = buffer[: len(images_BHWC)]
        np.copyto(filled.numpy(), images_BHWC)
        in_flight.append(queue.begin(filled, forward))
    features += [wait() for wait in in_flight]
    embeddings_BD: NDArray[np.float32] = torch.cat(features).numpy()
    return embeddings_BD


def _fitting(buffer: Tensor | None, images_BHWC: NDArray[np.uint8], batch: int, queue: Queue) -> Tensor:
    """A buffer for images of this shape; it is made once, unless their shape changes."""
    one = images_BHWC.shape[1:]
    return buffer if buffer is not None and buffer.shape[1:] == one else queue.pinned((batch, *one))


class CudaQueue:
    """A GPU: copies to it run on a stream of their own, beside the network of the batch before."""

    def __init__(self) -> None:
        self._copies = torch.cuda.Stream()  # type: ignore[no-untyped-call]

    def pinned(self, shape: tuple[int, ...]) -> Tensor:
        return torch.empty(shape, dtype=torch.uint8, pin_memory=True)

    def begin(self, pixels_BHWC: Tensor, forward: Callable[[Tensor], Tensor]) -> Callable[[], Tensor]:
        network = torch.cuda.current_stream()
        with torch.cuda.stream(self._copies):
            copied_BHWC = pixels_BHWC.to("cuda", non_blocking=True)
        network.wait_stream(self._copies)
        copied_BHWC.record_stream(network)  # its memory is not reused before the network has read it
        embedded_BD = forward(copied_BHWC).float()
        features_BD = torch.empty(embedded_BD.shape, dtype=torch.float32, pin_memory=True)
        features_BD.copy_(embedded_BD, non_blocking=True)
        done = torch.cuda.Event()  # type: ignore[no-untyped-call]
        done.record(network)

        def wait() -> Tensor:
            done.synchronize()
            return features_BD

        return wait
