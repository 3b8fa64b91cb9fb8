"""Image networks in torch: pixels are normalized inside the network, so that every path gets the same uint8 images.

This module imports torch at its top; encoders import it in `load`, where torch is needed anyway. Planning and the CPU
tasks that decode do without, which saves them seconds and 300 MB each.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from labelbench_ray.encoders import Decoded, Device
from labelbench_ray.encoders._batches import embed_images
from labelbench_ray.encoders._batches_ahead import BatchesAhead, CudaQueue
from labelbench_ray.encoders.networks.from_pixels import FromPixels
from labelbench_ray.encoders.networks.torch_settings import TorchSettings

DTYPES: Final = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
NEUTRAL: Final = TorchSettings()


def dtype_on(device: Device, settings: TorchSettings) -> torch.dtype:
    """Of weights and activations: as set, or float16 on a GPU and float32 on a CPU."""
    return DTYPES[settings.precision or ("float16" if device == "cuda" else "float32")]


def describe_compute(dtype: torch.dtype, device: Device, settings: TorchSettings) -> str:
    """The compute path, as recorded: on a GPU with its model, which `encoders.networks.device_models` reads."""
    compiled = " compiled" if settings.torch_compile else ""
    model = f" ({torch.cuda.get_device_name()})" if device == "cuda" and torch.cuda.is_available() else ""
    return f"torch {str(dtype).removeprefix('torch.')}{compiled} {device}{model}"


class TorchNetwork:
    """A network on one device: channels last and two batches in flight on a GPU, one thread of a CPU."""

    def __init__(self, network: FromPixels, device: Device, settings: TorchSettings = NEUTRAL) -> None:
        self._device = device
        self._settings = settings
        self._dtype = dtype_on(device, settings)
        self._batch = settings.forward_rows(device)
        layout = torch.channels_last if device == "cuda" else torch.contiguous_format
        # Two calls, since torch's types know no single one with a layout.
        placed = network.eval().to(device, self._dtype).to(memory_format=layout)
        self._network: Callable[[Tensor], Tensor] = torch.compile(placed) if settings.torch_compile else placed
        self._ahead = BatchesAhead(self._batch, self._network, CudaQueue()) if device == "cuda" else None

    @property
    def compute(self) -> str:
        return describe_compute(self._dtype, self._device, self._settings)

    def embed(self, decoded: Sequence[Decoded]) -> NDArray[np.float32]:
        return self.embed_ahead(decoded)()

    def embed_ahead(self, decoded: Sequence[Decoded]) -> Callable[[], NDArray[np.float32]]:
        with one_thread(), torch.inference_mode():
            if self._ahead is not None:
                return self._ahead.begin(decoded)
            embeddings_BD = embed_images(decoded, self._batch, self._forward)
            return lambda: embeddings_BD

    def _forward(self, pixels_BHWC: NDArray[np.uint8]) -> NDArray[np.float32]:
        # Ray hands arrays over read-only, and torch warns of them.
        pixels_BHWC = pixels_BHWC if pixels_BHWC.flags.writeable else pixels_BHWC.copy()
        features_BD = self._network(torch.from_numpy(pixels_BHWC))
        features: NDArray[np.float32] = features_BD.float().numpy()
        return features


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one thread within the context; the previous number is restored afterwards."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
