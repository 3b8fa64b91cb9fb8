"""Statistics of the log-mel spectrum of a sound, without a network."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat, model_validator

from labelbench_ray.datasets import Modality, Payload
from labelbench_ray.encoders import Decoded, Device, Encoder
from labelbench_ray.encoders._mel import mel_spectrum
from labelbench_ray.encoders._sounds import open_sound

FLOOR: Final = 1e-10
"""Power below it counts as this much: -100 decibel."""
WINDOW_SECONDS: Final = 0.032
HOP_SECONDS: Final = 0.01
DELTA_FRAMES: Final = 2
"""A slope is fitted to so many frames before and after each frame."""


class Spectra(Encoder):
    """Mean and deviation over time of each band in decibel, and the deviation of its slope: D = 3 * bands."""

    packages: ClassVar[tuple[str, ...]] = ("soundfile",)
    payload: ClassVar[Modality] = Modality.AUDIO
    rate: Annotated[int, Field(ge=4_000, le=96_000)] = 16_000
    """Hertz that sounds are resampled to; half of it is the highest frequency that counts."""
    bands: Annotated[int, Field(ge=8, le=256)] = 64
    """Bands of the mel scale."""
    most_seconds: PositiveFloat = 60.0
    """Only the beginning of a longer sound is read."""

    @model_validator(mode="after")
    def _check_bands(self) -> Self:
        most = int(self.rate * WINDOW_SECONDS / 4)
        if self.bands > most:
            raise ValueError(f"bands={self.bands} is too fine for rate={self.rate}; use at most {most}")
        return self

    def weights(self) -> str:
        return "none"

    def dimensions(self) -> int:
        return 3 * self.bands

    def preprocessing(self) -> str:
        return (
            f"mean of the channels, resampled to {self.rate} Hz, first {self.most_seconds:g} s; log-mel spectrum of "
            f"{self.bands} bands, {1000 * WINDOW_SECONDS:g} ms every {1000 * HOP_SECONDS:g} ms; mean, deviation, "
            "deviation of the slope"
        )

    def prepare_decoding(self) -> None:
        import soundfile  # noqa: F401

    def decode(self, payload: Payload) -> Decoded:
        samples_T = open_sound(payload, self.rate, self.most_seconds)
        window, hop = round(self.rate * WINDOW_SECONDS), round(self.rate * HOP_SECONDS)
        power_FM = mel_spectrum(samples_T, self.rate, window, hop, self.bands)
        return statistics(10 * np.log10(np.maximum(power_FM, FLOOR))).astype(np.float32)

    def load(self, device: Device) -> "SpectraNetwork":
        return SpectraNetwork()


@dataclass(frozen=True, slots=True)
class SpectraNetwork:
    """Stacks what `decode` computed, in units of 100 decibel, so that float16 keeps three digits."""

    compute: str = "numpy float64 cpu"

    def embed(self, decoded: Sequence[Decoded]) -> NDArray[np.float32]:
        return np.stack([np.asarray(row, np.float32) for row in decoded]) / np.float32(100)


def statistics(decibel_FM: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3M,) of each band: the mean over frames, the deviation, and the deviation of the slope."""
    parts = (decibel_FM.mean(axis=0), decibel_FM.std(axis=0), slopes(decibel_FM).std(axis=0))
    return np.concatenate(parts)


def slopes(values_FM: NDArray[np.float64]) -> NDArray[np.float64]:
    """(F, M) the slope of a line through each frame and its neighbors, per frame; the first and last frame repeat."""
    reach = range(1, DELTA_FRAMES + 1)
    padded = np.pad(values_FM, ((DELTA_FRAMES, DELTA_FRAMES), (0, 0)), mode="edge")
    count = len(values_FM)

    def shifted(by: int) -> NDArray[np.float64]:
        return padded[DELTA_FRAMES + by : DELTA_FRAMES + by + count]

    differences = sum((step * (shifted(step) - shifted(-step)) for step in reach), np.zeros_like(values_FM))
    sloped: NDArray[np.float64] = differences / (2 * sum(step**2 for step in reach))
    return sloped
