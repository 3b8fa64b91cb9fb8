"""Resemblyzer's voice encoder, whose pretrained weights ship in the package `resemblyzer`: for speech."""

from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveFloat

from labelbench_ray.datasets import Modality, Payload
from labelbench_ray.encoders import Decoded, Device, Encoder, Network
from labelbench_ray.encoders._batches import file_hash
from labelbench_ray.encoders._mel import mel_spectrum
from labelbench_ray.encoders._sounds import open_sound
from labelbench_ray.errors import NotProvidedError

RATE: Final = 16_000
BANDS: Final = 40
WINDOW: Final = 400
HOP: Final = 160
PART_FRAMES: Final = 160
"""Frames of a part, 1.6 s, which the network takes at a time."""
STEP_FRAMES: Final = round(RATE / 1.3 / HOP)
"""From one part to the next: 1.3 parts begin every second."""
LEAST_COVERAGE: Final = 0.75
"""A last part of which less is sound, not padding, is left out."""
QUIETEST: Final = 10 ** (-30 / 20)
"""A sound of a smaller root mean square is amplified to it."""


class Resemblyzer(Encoder):
    """D = 256, the mean over parts of 1.6 s. As the package computes it, except that pauses are not cut out."""

    packages: ClassVar[tuple[str, ...]] = ("soundfile",)
    payload: ClassVar[Modality] = Modality.AUDIO
    most_seconds: PositiveFloat = 60.0
    """Only the beginning of a longer sound is read."""

    def weights(self) -> str:
        return file_hash(weights_file())

    def dimensions(self) -> int:
        return 256

    def preprocessing(self) -> str:
        return (
            f"mean of the channels, resampled to {RATE} Hz, first {self.most_seconds:g} s, amplified to -30 dBFS if it "
            f"is quieter; mel spectrum of {BANDS} bands in parts of 1.6 s"
        )

    def prepare_decoding(self) -> None:
        import soundfile  # noqa: F401

    def decode(self, payload: Payload) -> Decoded:
        return parts(open_sound(payload, RATE, self.most_seconds))

    def load(self, device: Device) -> Network:
        # Imported here: planning does without torch.
        from labelbench_ray.encoders.networks.voice_network import VoiceNetwork

        return VoiceNetwork(weights_file(), device)


def weights_file() -> Path:
    """The weights in the package, which is not imported: it would import packages that are not needed.

    Raises:
        NotProvidedError: the package is not installed.
    """
    found = find_spec("resemblyzer")
    folders = found.submodule_search_locations if found else None
    path = Path(folders[0]) / "pretrained.pt" if folders else None
    if path is None or not path.is_file():
        raise NotProvidedError(
            "the encoder 'resemblyzer' needs the file pretrained.pt of the package 'resemblyzer': install it with `pip "
            "install --no-deps resemblyzer==0.1.4` (its metadata ask for packages that are not needed)"
        )
    return path


def parts(samples_T: NDArray[np.float32]) -> NDArray[np.float32]:
    """(P, 160, 40) mel power of each part; one at least."""
    loudness = float(np.sqrt(np.square(samples_T, dtype=np.float64).mean()))
    if loudness < QUIETEST:
        samples_T = samples_T * np.float32(QUIETEST / loudness)
    starts = _starts(len(samples_T))
    missing = (starts[-1] + PART_FRAMES) * HOP - len(samples_T)
    mels_FM = mel_spectrum(np.pad(samples_T, (0, max(0, missing))), RATE, WINDOW, HOP, BANDS)
    return np.stack([mels_FM[start : start + PART_FRAMES] for start in starts]).astype(np.float32)


def _starts(count: int) -> list[int]:
    """The first frame of each part of a sound of so many samples."""
    frames = -(-(count + 1) // HOP)
    starts = [*range(0, max(1, frames - PART_FRAMES + STEP_FRAMES + 1), STEP_FRAMES)]
    covered = (count - starts[-1] * HOP) / (PART_FRAMES * HOP)
    return starts[:-1] if covered < LEAST_COVERAGE and len(starts) > 1 else starts
