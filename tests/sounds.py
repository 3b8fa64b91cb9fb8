"""Generated sounds, and folders of them in the layouts that data sets read."""

import io
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray


def tone(hertz: float, seconds: float = 0.5, rate: int = 16_000, noise: float = 0.05, seed: int = 0) -> NDArray:
    """(T,) a sine under noise."""
    times = np.arange(round(seconds * rate)) / rate
    return 0.4 * np.sin(2 * np.pi * hertz * times) + noise * np.random.default_rng(seed).standard_normal(len(times))


def encoded(samples: NDArray, rate: int = 16_000, kind: str = "WAV", subtype: str | None = None) -> bytes:
    """A sound file."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=kind, subtype=subtype)
    return buffer.getvalue()


def write_sounds(folder: Path, rows: int = 30, kind: str = "wav") -> None:
    """`<folder>/train/<class>/<file>`: tones of three pitches."""
    for row in range(rows):
        name, hertz = (("low", 200), ("middle", 800), ("high", 3000))[row % 3]
        path = folder / "train" / name / f"{row:03d}.{kind}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(tone(hertz * (1 + 0.01 * (row // 3)), seed=row), kind=kind.upper()))


def write_esc50(folder: Path, classes: int = 4, of_fold: int = 4) -> None:
    """A small generated copy of ESC-50's layout."""
    (folder / "audio").mkdir(parents=True)
    (folder / "meta").mkdir()
    lines = ["filename,fold,target,category,esc10,src_file,take"]
    for fold in range(1, 6):
        for number in range(classes):
            for take in range(of_fold):
                name = f"{fold}-{1000 + number}-{'ABCD'[take]}-{number}.wav"
                samples = tone(200 * 2**number, 0.2, 8_000, seed=100 * fold + take)
                (folder / "audio" / name).write_bytes(encoded(samples, 8_000))
                lines.append(f"{name},{fold},{number},kind_{number},{number % 2 == 0},{1000 + number},{'ABCD'[take]}")
    (folder / "meta/esc50.csv").write_text("\n".join(lines) + "\n")
