"""Mel spectra: how much power a sound has around each of some frequencies, over time.

Slaney's scale (linear below 1 kHz, logarithmic above) and his triangles of equal area, as librosa's default and the
networks that were trained with it have them; centered frames, padded with zeros.
"""

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

LINEAR_UP_TO: Final = 1000.0
"""Hertz."""
HERTZ_A_MEL: Final = 200 / 3
MELS_A_NEPER: Final = 27 / np.log(6.4)


def mel_spectrum(samples_T: NDArray[np.floating], rate: int, window: int, hop: int, bands: int) -> NDArray[np.float64]:
    """(F, bands) power of frames of `window` samples under a Hann window, one every `hop` samples."""
    padded = np.pad(samples_T.astype(np.float64), window // 2)
    frames_FW = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]
    hann_W = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)  # periodic, as for a spectrum
    power = np.square(np.abs(np.fft.rfft(frames_FW * hann_W, axis=1)))
    spectrum: NDArray[np.float64] = power @ mel_filters(rate, window, bands).T
    return spectrum


@cache
def mel_filters(rate: int, window: int, bands: int) -> NDArray[np.float64]:
    """(bands, window // 2 + 1) triangles over the frequencies of a spectrum, each of the same area."""
    hertz = np.arange(window // 2 + 1) * rate / window
    edges = _hertz(np.linspace(0.0, _mels(rate / 2), bands + 2))
    left, peak, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    triangles = np.maximum(0.0, np.minimum((hertz - left) / (peak - left), (right - hertz) / (right - peak)))
    filters: NDArray[np.float64] = triangles * 2 / (right - left)
    filters.setflags(write=False)
    return filters


def _mels(hertz: float) -> float:
    if hertz < LINEAR_UP_TO:
        return hertz / HERTZ_A_MEL
    return float(LINEAR_UP_TO / HERTZ_A_MEL + np.log(hertz / LINEAR_UP_TO) * MELS_A_NEPER)


def _hertz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    bend = LINEAR_UP_TO / HERTZ_A_MEL
    above = LINEAR_UP_TO * np.exp((np.maximum(mels, bend) - bend) / MELS_A_NEPER)
    return np.where(mels < bend, mels * HERTZ_A_MEL, above)
