"""Generated calls of made-up animals: sounds for tests and studies where no recordings are at hand."""

import io
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat

from labelbench_ray.datasets import Dataset, Modality, Records, Rows, Source, Split, signature

RATE: Final = 8_000
FULL_SCALE: Final = 32_767


class SyntheticSounds(Dataset):
    """Each class is a call: syllables of its pitch, glide, overtones and pace, all of which differ a little a row.

    A row lies under noise, and under another class's call, of a loudness that differs by row; so some rows are easy and
    others are not. Made when they are read, from the row's number and `sound_seed` alone.
    """

    classes: Annotated[int, Field(ge=2, le=99)] = 12
    rows: Annotated[int, Field(ge=30)] = 2_400
    """70 % are the pool, 10 % validation, 20 % test."""
    noise: PositiveFloat = 1.0
    """How loud noise and other calls are at most, as a share of the row's own call."""
    seconds: Annotated[float, Field(ge=0.2, le=10)] = 0.8
    sound_seed: int = 0

    def modality(self) -> Modality:
        return Modality.AUDIO

    def load(self, root: Path) -> Source:
        table = CallTable(self.classes, self.rows, self.noise, self.seconds, self.sound_seed)
        ends = (0, round(0.7 * self.rows), round(0.8 * self.rows), self.rows)
        names = ("pool", "validation", "test")
        splits = {name: Split(table, range(*ends[part : part + 2])) for part, name in enumerate(names)}
        return Source(
            tuple(f"call_{number:02d}" for number in range(self.classes)), splits, signature(["calls", repr(table)])
        )


@dataclass(frozen=True, slots=True)
class CallTable:
    """All rows, as wav files of 16 bits."""

    classes: int
    rows: int
    noise: float
    seconds: float
    seed: int

    def __len__(self) -> int:
        return self.rows

    def read(self, rows: Rows) -> Records:
        payloads = [wav(self.samples(int(row))) for row in rows]
        return Records([f"calls/{int(row):06d}" for row in rows], payloads, self.labels(rows))

    def labels(self, rows: Rows) -> NDArray[np.int64]:
        """(B,) labels of these rows."""
        return np.array([self._rng(int(row), "label").integers(self.classes) for row in rows], np.int64)

    def samples(self, row: int) -> NDArray[np.float64]:
        """(T,) the sound of a row, at most 1."""
        label, rng = int(self.labels([row])[0]), self._rng(row, "sound")  # type: ignore[arg-type]
        own_T = self._call(label, rng)
        other_T = self._call(int(rng.integers(self.classes)), rng) * rng.uniform(0, self.noise)
        hiss_T = rng.standard_normal(len(own_T)) * rng.uniform(0.02, 0.5) * self.noise
        mixed_T = own_T + other_T + hiss_T
        scaled_T: NDArray[np.float64] = mixed_T / np.abs(mixed_T).max() * rng.uniform(0.3, 1.0)
        return scaled_T

    def _call(self, label: int, rng: np.random.Generator) -> NDArray[np.float64]:
        of_class = self._rng(label, "class")
        pitch = 250 * 2 ** of_class.uniform(0, 3) * 2 ** rng.normal(0, 0.08)
        glide = of_class.uniform(-0.6, 0.6) + rng.normal(0, 0.1)
        pace = of_class.uniform(2, 9) * 2 ** rng.normal(0, 0.1)
        overtone = of_class.uniform(0, 0.7)
        times_T = np.arange(round(self.seconds * RATE)) / RATE
        phase_T = (times_T * pace + rng.uniform()) % 1
        hertz_T = pitch * 2 ** (glide * phase_T)
        angle_T = 2 * np.pi * np.cumsum(hertz_T) / RATE
        syllable_T = np.sin(np.pi * np.minimum(phase_T / 0.6, 1.0)) ** 2
        return syllable_T * (np.sin(angle_T) + overtone * np.sin(2 * angle_T))

    def _rng(self, number: int, purpose: str) -> np.random.Generator:
        return np.random.default_rng([self.seed, number, *purpose.encode()])


def wav(samples_T: NDArray[np.float64]) -> bytes:
    """Samples between -1 and 1 as a wav file."""
    with wave.open(buffer := io.BytesIO(), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((samples_T * FULL_SCALE).round().astype("<i2").tobytes())
    return buffer.getvalue()
