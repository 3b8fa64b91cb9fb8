"""The encoder `resemblyzer`: parts as the package cuts them, and its weights, where the package is installed."""

from importlib.util import find_spec

import numpy as np
import pytest

from labelbench_ray.encoders import resemblyzer
from labelbench_ray.encoders.resemblyzer import HOP, Resemblyzer, parts
from labelbench_ray.errors import NotProvidedError
from tests.sounds import encoded, tone

installed = pytest.mark.skipif(find_spec("resemblyzer") is None, reason="needs resemblyzer, as `make offline-extras`")


def as_the_package_cuts(count: int) -> list[int]:
    """`VoiceEncoder.compute_partial_slices` of resemblyzer 0.1.4, with its defaults: the first frame of each part."""
    frames = int(np.ceil((count + 1) / 160))
    step = int(np.round((16_000 / 1.3) / 160))
    starts = list(range(0, max(1, frames - 160 + step + 1), step))
    coverage = (count - starts[-1] * 160) / (160 * 160)
    return starts[:-1] if coverage < 0.75 and len(starts) > 1 else starts


@pytest.mark.parametrize("count", [1, 159, 160, 12_000, 25_600, 25_601, 31_999, 45_000, 80_000, 160_000])
def test_a_sound_is_cut_into_the_same_parts(count: int):
    samples = np.full(count, 0.5, np.float32)
    assert len(parts(samples)) == len(as_the_package_cuts(count))
    assert parts(samples).shape[1:] == (160, 40)


def test_a_quiet_sound_is_amplified_and_a_loud_one_is_not():
    quiet, loud = np.float32(0.001) * np.ones(8000, np.float32), 0.5 * np.ones(8000, np.float32)
    raised = 10 ** (-30 / 20) / 0.001
    np.testing.assert_allclose(parts(quiet), parts(quiet * np.float32(raised)), rtol=1e-4)
    assert parts(loud).max() == pytest.approx(parts(loud * np.float32(0.5)).max() * 4, rel=1e-4)


def test_parts_overlap_by_the_step():
    samples = tone(440, 4.0).astype(np.float32)
    cut = parts(samples)
    step = as_the_package_cuts(len(samples))[1]
    np.testing.assert_array_equal(cut[0][step:], cut[1][: 160 - step])
    assert HOP * step / 16_000 == pytest.approx(1 / 1.3, abs=0.01)


@installed
def test_the_weights_in_the_package_are_loaded_and_separate_sounds():
    encoder = Resemblyzer()
    sounds = [encoded(tone(hertz, 2.0, seed=seed)) for hertz in (150, 900) for seed in (1, 2)]
    made = encoder.load("cpu").embed([encoder.decode(each) for each in sounds])
    assert made.shape == (4, encoder.dimensions())
    assert made.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1, rtol=1e-5)
    alike = made @ made.T
    assert min(alike[0, 1], alike[2, 3]) > alike[:2, 2:].max()
    assert len(encoder.weights()) == 64


@installed
def test_the_lstm_is_the_one_of_the_weights():
    """One step by hand, from the tensors of the file."""
    import torch

    state = torch.load(resemblyzer.weights_file(), map_location="cpu", weights_only=True)["model_state"]
    tensors = {name: value.double().numpy() for name, value in state.items()}
    encoder = Resemblyzer()
    decoded = encoder.decode(encoded(tone(300, 1.0)))
    frames = decoded[0].astype(np.float64)
    for layer in range(3):
        hidden, cell, outputs = np.zeros(256), np.zeros(256), []
        for frame in frames:
            gates = (
                tensors[f"lstm.weight_ih_l{layer}"] @ frame
                + tensors[f"lstm.bias_ih_l{layer}"]
                + tensors[f"lstm.weight_hh_l{layer}"] @ hidden
                + tensors[f"lstm.bias_hh_l{layer}"]
            )
            opened, kept, new, shown = np.split(gates, 4)
            cell = _sigmoid(kept) * cell + _sigmoid(opened) * np.tanh(new)
            hidden = _sigmoid(shown) * np.tanh(cell)
            outputs.append(hidden)
        frames = outputs
    raw = np.maximum(tensors["linear.weight"] @ hidden + tensors["linear.bias"], 0)
    made = encoder.load("cpu").embed([decoded])[0]
    np.testing.assert_allclose(made, raw / np.linalg.norm(raw), atol=1e-4)


def _sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values))


@installed
def test_what_travels_between_processes_has_parts_of_any_number():
    from labelbench_ray.embeddings.decoding import packed

    encoder = Resemblyzer()
    decoded = [encoder.decode(encoded(tone(300, seconds))) for seconds in (1.0, 3.0, 5.0)]
    assert len({each.shape for each in decoded}) > 1
    assert packed(decoded) is decoded
    made = encoder.load("cpu").embed(decoded)
    alone = [encoder.load("cpu").embed([each])[0] for each in decoded]
    np.testing.assert_allclose(made, alone, atol=1e-5)


def test_without_the_package_it_is_not_provided(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(resemblyzer, "find_spec", lambda name: None)
    with pytest.raises(NotProvidedError, match=r"pip install --no-deps resemblyzer==0\.1\.4"):
        Resemblyzer().weights()
    assert Resemblyzer().dimensions() == 256
