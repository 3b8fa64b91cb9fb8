"""How a torch network runs, as settings of encoders. Does not import torch: plans and readers import it."""

from collections.abc import Mapping
from typing import ClassVar, Final, Literal

from pydantic import JsonValue, PositiveInt

from labelbench_ray.encoders import Device
from labelbench_ray.plugins import Plugin

BATCHES: Final[Mapping[Device, int]] = {"cpu": 16, "cuda": 256}
"""Measured on one core: batches of 16 images of 96 px run twice as fast as batches of 64: they stay in the cache."""


class TorchSettings(Plugin):
    """Settings of encoders whose network runs in torch. Each changes embeddings by rounding: it makes another store."""

    neutral_settings: ClassVar[Mapping[str, JsonValue]] = {
        "batch_size": None,
        "precision": None,
        "torch_compile": False,
    }
    batch_size: PositiveInt | None = None
    """Rows of a forward pass. None: what was measured to be quick on the device."""
    precision: Literal["float32", "float16", "bfloat16"] | None = None
    """Of weights and activations. None: float16 on a GPU, float32 on a CPU."""
    torch_compile: bool = False
    """Compile the network by `torch.compile`: it takes minutes in each actor, and a C++ compiler on a CPU."""

    def forward_rows(self, device: Device) -> int:
        """Images of a forward pass, counted from the first. An image network is given a shard in slices of multiples of
        them; one that is cut otherwise must have a divisor of them."""
        return self.batch_size or BATCHES[device]

    @property
    def only_torch(self) -> bool:
        """Whether a setting needs torch also where another engine would run the network."""
        return self.precision is not None or self.torch_compile
