"""Batches on a GPU: while one is in the network, the next is laid out in pinned memory, copied, and begun."""

import threading
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


class BatchesAhead:
    """Embeds images on a device, two batches in flight: one thread begins them, and any thread waits for them."""

    def __init__(self, batch: int, forward: Callable[[Tensor], Tensor], queue: Queue) -> None:
        self._batch = batch
        self._forward = forward
        self._queue = queue
        self._buffers: deque[Tensor | None] = deque([None] * IN_FLIGHT)
        self._in_flight: deque[_Begun] = deque()

    def begin(self, decoded: Sequence[Decoded]) -> Callable[[], NDArray[np.float32]]:
        """Begin images `batch` at a time, counted from the first; returns a function that waits for their embeddings.

        It returns when the last batch has begun, so that the next call lays out images while the device computes.
        """
        begun = [self._begin(images_BHWC) for images_BHWC in image_batches(decoded, self._batch)]

        def wait() -> NDArray[np.float32]:
            with torch.inference_mode():
                embeddings_BD: NDArray[np.float32] = torch.cat([each() for each in begun]).numpy()
            return embeddings_BD

        return wait

    def _begin(self, images_BHWC: NDArray[np.uint8]) -> "_Begun":
        if len(self._in_flight) == IN_FLIGHT:  # the batch that has this one's buffer
            self._in_flight.popleft()()
        buffer = self._buffers[0] = self._fitting(self._buffers[0], images_BHWC)
        filled = buffer[: len(images_BHWC)]
        np.copyto(filled.numpy(), images_BHWC)
        begun = _Begun(self._queue.begin(filled, self._forward))
        # Only now: after a `begin` that raised, the next batch takes the same buffer, which no batch in flight reads.
        self._buffers.rotate(-1)
        self._in_flight.append(begun)
        return begun

    def _fitting(self, buffer: Tensor | None, images_BHWC: NDArray[np.uint8]) -> Tensor:
        """A buffer for images of this shape; it is made once, unless their shape changes."""
        one = images_BHWC.shape[1:]
        return buffer if buffer is not None and buffer.shape[1:] == one else self._queue.pinned((self._batch, *one))


class _Begun:
    """The features of a batch that was begun, for any number of calls by any thread."""

    def __init__(self, wait: Callable[[], Tensor]) -> None:
        self._wait = wait
        self._lock = threading.Lock()
        self._features_BD: Tensor | None = None

    def __call__(self) -> Tensor:
        with self._lock:
            if self._features_BD is None:
                self._features_BD = self._wait()
            return self._features_BD


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
        done = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]  # else the CPU spins while it waits
        done.record(network)

        def wait() -> Tensor:
            done.synchronize()
            return features_BD

        return wait
