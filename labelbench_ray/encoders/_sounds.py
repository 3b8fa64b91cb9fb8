"""Opening encoded sounds safely, as one channel at one rate: for the encoders of sounds."""

import io
import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.datasets import Payload
from labelbench_ray.datasets.files.sound_formats import FORMATS

MOST_CHANNELS: Final = 64
HIGHEST_RATE: Final = 768_000
"""Hertz. With a limit on seconds, it bounds what opening one sound takes."""


def open_sound(payload: Payload, rate: int, most_seconds: float) -> NDArray[np.float32]:
    """The samples (T,) of a sound at `rate`: its first `most_seconds`, the mean of its channels, resampled.

    Raises:
        ValueError: not bytes, empty, not a sound, truncated, without a sample, or silent. The text is the same each
            time, for a shard's hash covers it.
    """
    samples_TC, own_rate = _read(payload, most_seconds)
    samples_T = samples_TC.mean(axis=1, dtype=np.float64)
    if not np.isfinite(samples_T).all():
        raise ValueError("a sample is NaN or infinite")
    if not samples_T.any():
        raise ValueError("silent: every sample is 0" if not samples_TC.any() else "silent: its channels cancel out")
    return resampled(samples_T, own_rate, rate).astype(np.float32)


def resampled(samples_T: NDArray[np.float64], own_rate: int, rate: int) -> NDArray[np.float64]:
    """The samples at another rate, low-pass filtered so that nothing aliases (a polyphase filter)."""
    if own_rate == rate:
        return samples_T
    # Imported here: planning does without scipy.
    from scipy.signal import resample_poly

    divisor = math.gcd(own_rate, rate)
    at_rate: NDArray[np.float64] = resample_poly(samples_T, rate // divisor, own_rate // divisor)
    return at_rate


def _read(payload: Payload, most_seconds: float) -> tuple[NDArray[np.float32], int]:
    """The samples (T, C) and their rate."""
    if not isinstance(payload, bytes):
        raise ValueError(f"payload is {type(payload).__name__}, a sound encoder needs encoded bytes")
    if not payload:
        raise ValueError("zero bytes")
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(payload)) as sound:
            if sound.format not in FORMATS:
                raise ValueError(f"{sound.format}, not one of the formats that are decoded ({', '.join(FORMATS)})")
            if sound.channels > MOST_CHANNELS or not 1 <= sound.samplerate <= HIGHEST_RATE:
                raise ValueError(
                    f"{sound.channels} channels at {sound.samplerate} Hz; at most {MOST_CHANNELS} at {HIGHEST_RATE}"
                )
            wanted = min(sound.frames, math.ceil(most_seconds * sound.samplerate))
            samples_TC = sound.read(wanted, dtype="float32", always_2d=True)
            if not len(samples_TC):
                raise ValueError("no samples")
            if len(samples_TC) < wanted:
                raise ValueError(f"truncated: {len(samples_TC)} of {wanted} samples are there")
            return samples_TC, sound.samplerate
    except soundfile.LibsndfileError as error:
        raise ValueError(f"not a sound that can be decoded: {error.error_string}") from error
    except (RuntimeError, TypeError, OverflowError) as error:  # of soundfile's own, for files with impossible headers
        raise ValueError(f"not a sound that can be decoded: {error}") from error
