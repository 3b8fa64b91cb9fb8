"""The network of the package `resemblyzer` (Apache-2.0), loaded from its weights. Imports torch at the top."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from labelbench_ray.encoders import Decoded, Device
from labelbench_ray.encoders.networks.image_network import NEUTRAL, describe_compute, one_thread

BATCH: Final = 32
"""Parts of a forward pass."""
LEAST: Final = 1e-12
"""Length of a vector that is scaled to length 1; a part that no unit responds to stays 0."""


class VoiceNetwork:
    """Three layers of LSTM over the frames of a part, one affine layer, ReLU; float32."""

    def __init__(self, weights: Path, device: Device) -> None:
        self._device = device
        self._lstm = nn.LSTM(input_size=40, hidden_size=256, num_layers=3, batch_first=True)
        self._linear = nn.Linear(256, 256)
        # A pickle that may hold tensors and plain values only.
        state = torch.load(weights, map_location="cpu", weights_only=True)["model_state"]
        for name, module in (("lstm", self._lstm), ("linear", self._linear)):
            own = {key.removeprefix(f"{name}."): value for key, value in state.items() if key.startswith(f"{name}.")}
            module.load_state_dict(own)
            module.eval().to(device)

    @property
    def compute(self) -> str:
        return describe_compute(torch.float32, self._device, NEUTRAL)

    def embed(self, decoded: Sequence[Decoded]) -> NDArray[np.float32]:
        """(B, 256): the mean of a sound's parts, each of length 1, scaled to length 1."""
        sounds = [np.asarray(parts, np.float32) for parts in decoded]
        parts_PFM = np.concatenate(sounds)
        with torch.inference_mode(), one_thread():
            made = [self._forward(parts_PFM[start : start + BATCH]) for start in range(0, len(parts_PFM), BATCH)]
        each = np.split(np.concatenate(made), np.cumsum([len(parts) for parts in sounds])[:-1])
        means_BD = np.stack([of_parts.mean(axis=0) for of_parts in each])
        embeddings_BD: NDArray[np.float32] = means_BD / np.maximum(
            np.linalg.norm(means_BD, axis=1, keepdims=True), LEAST
        )
        return embeddings_BD

    def _forward(self, parts_PFM: NDArray[np.float32]) -> NDArray[np.float32]:
        _, (hidden, _) = self._lstm(torch.from_numpy(parts_PFM).to(self._device))
        raw_PD = torch.relu(self._linear(hidden[-1]))
        scaled: NDArray[np.float32] = (raw_PD / raw_PD.norm(dim=1, keepdim=True).clamp_min(LEAST)).float().cpu().numpy()
        return scaled
