"""The encoder `spectra` and what every encoder of sounds shares: opening, resampling, mixing down, and rejects."""

import math

import numpy as np
import pytest

from labelbench_ray.encoders._mel import mel_filters, mel_spectrum
from labelbench_ray.encoders._sounds import open_sound
from labelbench_ray.encoders.spectra import Spectra, slopes
from labelbench_ray.errors import ConfigError
from labelbench_ray.plugins import Part, build
from tests.sounds import encoded, tone

ENCODER = Spectra()


def by_hand(samples: np.ndarray, rate: int, bands: int) -> np.ndarray:
    """The documented formula, written with loops and a plain Fourier sum."""
    window, hop = round(0.032 * rate), round(0.01 * rate)
    padded = np.concatenate([np.zeros(window // 2), samples, np.zeros(window // 2)])
    mel = [0.0, _mel(rate / 2)]
    corners = [_hertz(mel[1] * step / (bands + 1)) for step in range(bands + 2)]
    angles = -2j * np.pi * np.outer(np.arange(window), np.arange(window // 2 + 1)) / window
    fourier = np.exp(angles)
    decibel = []
    for start in range(0, len(padded) - window + 1, hop):
        weighted = [
            padded[start + step] * math.sin(math.pi * step / window) ** 2 for step in range(window)
        ]  # Hann's window is a squared sine
        power = np.abs(np.array(weighted) @ fourier) ** 2
        row = []
        for band in range(bands):
            low, top, high = corners[band : band + 3]
            total = 0.0
            for place, each in enumerate(power):
                hertz = place * rate / window
                if low < hertz < high:
                    height = (hertz - low) / (top - low) if hertz <= top else (high - hertz) / (high - top)
                    total += each * height * 2 / (high - low)
            row.append(10 * math.log10(max(total, 1e-10)))
        decibel.append(row)
    frames = np.array(decibel)
    last = len(frames) - 1
    slope = [
        sum(step * (frames[min(row + step, last)] - frames[max(row - step, 0)]) for step in (1, 2)) / 10
        for row in range(len(frames))
    ]
    return np.concatenate([frames.mean(axis=0), frames.std(axis=0), np.std(slope, axis=0)]) / 100


def _mel(hertz: float) -> float:
    return hertz * 3 / 200 if hertz < 1000 else 15 + 27 * math.log(hertz / 1000) / math.log(6.4)


def _hertz(mel: float) -> float:
    return mel * 200 / 3 if mel < 15 else 1000 * 6.4 ** ((mel - 15) / 27)


def embedded(payload: bytes, encoder: Spectra = ENCODER) -> np.ndarray:
    return encoder.load("cpu").embed([encoder.decode(payload)])[0]


def test_the_formula_against_plain_loops():
    samples = np.round(tone(700, 0.12, 8_000) * 32767) / 32768
    encoder = Spectra(rate=8_000, bands=16)
    stored = encoded(samples, 8_000, subtype="FLOAT")
    np.testing.assert_allclose(embedded(stored, encoder), by_hand(samples, 8_000, 16), atol=2e-5)


def test_the_loudest_band_is_the_one_around_the_pitch():
    for hertz in (150, 440, 1000, 3000, 6000):
        means = embedded(encoded(tone(hertz, noise=0)))[:64]
        peaks = mel_filters(16_000, 512, 64).argmax(axis=1) * 16_000 / 512
        assert abs(peaks[means.argmax()] - hertz) <= max(40, 0.05 * hertz)


def test_a_louder_sound_has_other_means_and_the_same_deviations():
    quiet, loud = (embedded(encoded(level * tone(440), subtype="FLOAT")) for level in (0.1, 1.0))
    np.testing.assert_allclose(loud[:64] - quiet[:64], 0.2, atol=1e-3)  # 20 decibel
    np.testing.assert_allclose(loud[64:], quiet[64:], atol=1e-3)


def test_slopes_of_a_line_are_its_slope():
    line = np.outer(np.arange(20.0), [1.0, -3.0])
    np.testing.assert_allclose(slopes(line)[2:-2], np.tile([1.0, -3.0], (16, 1)))


def test_wav_and_flac_of_the_same_samples_have_the_same_embedding():
    samples = (32767 * tone(440)).astype(np.int16)
    np.testing.assert_array_equal(
        embedded(encoded(samples, subtype="PCM_16")), embedded(encoded(samples, kind="FLAC", subtype="PCM_16"))
    )


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_a_sound_at_another_rate_is_resampled(rate: int):
    samples = open_sound(encoded(tone(440, 1.0, rate, noise=0), rate, subtype="FLOAT"), 16_000, 60)
    assert len(samples) == 16_000
    expected = tone(440, 1.0, 16_000, noise=0)
    np.testing.assert_allclose(samples[200:-200], expected[200:-200], atol=2e-3)


def test_what_is_above_half_the_rate_does_not_come_back_as_another_pitch():
    high = open_sound(encoded(tone(11_000, 1.0, 44_100, noise=0), 44_100), 16_000, 60)
    assert np.abs(high[200:-200]).max() < 2e-3


def test_channels_are_averaged():
    left, right = tone(440, seed=1), tone(880, seed=2)
    both = open_sound(encoded(np.stack([left, right], axis=1), subtype="FLOAT"), 16_000, 60)
    np.testing.assert_allclose(both, (left + right) / 2, atol=1e-6)


def test_only_the_beginning_of_a_long_sound_is_read():
    samples = tone(440, 3.0)
    assert len(open_sound(encoded(samples), 16_000, 1.0)) == 16_000
    np.testing.assert_array_equal(
        embedded(encoded(samples), Spectra(most_seconds=1)), embedded(encoded(samples[:16_000]), ENCODER)
    )


def test_one_sample_is_enough():
    assert np.isfinite(embedded(encoded(np.array([0.5])))).all()


SOUND = encoded(tone(440))


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "zero bytes"),
        ("a text", "payload is str, a sound encoder needs encoded bytes"),
        (b"not a sound", "not a sound that can be decoded"),
        (SOUND[:30], "not a sound that can be decoded|no samples|truncated"),
        (encoded(np.zeros(8000)), "silent: every sample is 0"),
        (encoded(np.stack([tone(440), -tone(440)], axis=1), subtype="FLOAT"), "silent: its channels cancel out"),
        (encoded(np.zeros(0)), "no samples"),
        (encoded(np.array([0.1, np.nan, 0.2]), subtype="FLOAT"), "a sample is NaN or infinite"),
        (encoded(tone(440), kind="OGG"), r"OGG, not one of the formats that are decoded \(WAV"),
        (encoded(tone(440), kind="FLAC")[:2000], "truncated|not a sound that can be decoded"),
    ],
    ids=["empty", "text", "no sound", "header", "silence", "cancels", "no samples", "nan", "ogg", "cut flac"],
)
def test_what_is_no_sound_is_a_reject_with_a_reason(payload, reason: str):
    with pytest.raises(ValueError, match=reason) as first:
        ENCODER.decode(payload)
    with pytest.raises(ValueError, match=reason) as again:
        ENCODER.decode(payload)
    assert str(first.value) == str(again.value)
    assert "\n" not in str(first.value)


def test_settings_state_dimensions_and_preprocessing():
    assert Spectra(bands=32, rate=8_000).dimensions() == 96
    assert "resampled to 8000 Hz" in Spectra(bands=32, rate=8_000).preprocessing()
    with pytest.raises(ConfigError, match="bands=64 is too fine for rate=4000; use at most 32"):
        build_spectra(rate=4_000)


def build_spectra(**settings: object) -> object:
    from labelbench_ray.encoders import PACKAGE, Encoder

    return build(Encoder, PACKAGE, Part.of("spectra", **settings))


def test_the_spectrum_of_silence_is_zero():
    assert mel_spectrum(np.zeros(1000), 16_000, 512, 160, 64).max() == 0
