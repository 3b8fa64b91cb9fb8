"""Batch size, precision and compiling as settings of torch encoders; two batches in flight on a stand-in for a GPU."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from labelbench_ray import plugins
from labelbench_ray.encoders._batches_ahead import IN_FLIGHT, BatchesAhead
from labelbench_ray.encoders.networks.image_network import TorchNetwork
from labelbench_ray.encoders.networks.torch_settings import TorchSettings
from tests.small_models import build_encoder
from tests.tiny_encoder import SIZE, Tiny

NEUTRAL: dict[str, Any] = {"batch_size": None, "precision": None, "torch_compile": False}
SETTINGS: dict[str, dict[str, Any]] = {
    "efficientnet_lite0": {"size": 32},
    "open_clip": {"model": "ViT-B-32", "pretrained": "random"},
    "sentence": {},
}


class LateDevice:
    """Copies and computes as late as a GPU may: only once somebody waits, and in the order in which it was begun."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.most = 0
        self.buffers = 0
        self._waiting: list[int] = []

    def pinned(self, shape: tuple[int, ...]) -> Tensor:
        self.buffers += 1
        return torch.zeros(shape, dtype=torch.uint8)

    def begin(self, pixels_BHWC: Tensor, forward: Callable[[Tensor], Tensor]) -> Callable[[], Tensor]:
        number = len(self.begun)
        self.begun.append(len(pixels_BHWC))
        self._waiting.append(number)
        self.most = max(self.most, len(self._waiting))

        def wait() -> Tensor:
            assert self._waiting.pop(0) == number, "results are taken in order"
            return forward(pixels_BHWC.clone()).float()

        return wait


def images(rows: int, size: int = SIZE) -> np.ndarray[Any, Any]:
    return np.random.default_rng(rows).integers(0, 256, (rows, size, size, 3), dtype=np.uint8)


@pytest.mark.parametrize("rows", [1, 4, 5, 19])
def test_two_batches_in_flight_give_the_same_bits(rows: int) -> None:
    network, device, pixels = (
        TorchNetwork(Tiny().network(), "cpu", TorchSettings(batch_size=4)),
        LateDevice(),
        images(rows),
    )
    pixels.flags.writeable = False  # as Ray hands arrays over
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        expected_BD = network.embed(pixels)  # type: ignore[arg-type]
    network._ahead = BatchesAhead(4, network._network, device)
    np.testing.assert_array_equal(network.embed(pixels), expected_BD)  # type: ignore[arg-type]
    assert device.begun == [min(4, rows - first) for first in range(0, rows, 4)]
    assert device.most == device.buffers == min(IN_FLIGHT, len(device.begun))


def test_the_next_rows_begin_while_earlier_ones_are_on_the_device() -> None:
    device = LateDevice()
    ahead = BatchesAhead(4, lambda pixels_BHWC: pixels_BHWC.flatten(1)[:, :3], device)
    shards = [images(rows) for rows in (9, 5, 4)]
    waits = [ahead.begin(shard) for shard in shards]  # type: ignore[arg-type]
    assert len(device.begun) == 6, "all began before anybody waited"
    assert device.most == device.buffers == IN_FLIGHT
    for shard, wait in zip(shards, waits, strict=True):
        np.testing.assert_array_equal(wait(), shard.reshape(len(shard), -1)[:, :3])
    np.testing.assert_array_equal(waits[0](), waits[0]())


class OutOfMemory(LateDevice):
    """Has no memory for one of the batches."""

    def begin(self, pixels_BHWC: Tensor, forward: Callable[[Tensor], Tensor]) -> Callable[[], Tensor]:
        if len(pixels_BHWC) == 3:
            raise torch.OutOfMemoryError
        return super().begin(pixels_BHWC, forward)


@pytest.mark.parametrize("earlier", [0, 1, 2, 3])
def test_a_batch_that_does_not_begin_leaves_those_in_flight_as_they_are(earlier: int) -> None:
    device = OutOfMemory()
    ahead = BatchesAhead(4, lambda pixels_BHWC: pixels_BHWC.flatten(1)[:, :3], device)
    shards = [images(4) + np.uint8(number) for number in range(earlier + 3)]
    waits = [ahead.begin(shard) for shard in shards[:earlier]]  # type: ignore[arg-type]
    for _ in range(2):
        with pytest.raises(torch.OutOfMemoryError):
            ahead.begin(images(3))  # type: ignore[arg-type]
    waits += [ahead.begin(shard) for shard in shards[earlier:]]  # type: ignore[arg-type]
    for shard, wait in zip(shards, waits, strict=True):
        np.testing.assert_array_equal(wait(), shard.reshape(len(shard), -1)[:, :3])
    assert device.buffers == IN_FLIGHT


def test_a_buffer_of_another_shape_is_made_anew() -> None:
    device = LateDevice()
    listed = [*images(4, 8), *images(2, 6)]
    found_BD = BatchesAhead(2, lambda pixels_BHWC: pixels_BHWC.flatten(1)[:, :3], device).begin(listed)()
    np.testing.assert_array_equal(found_BD, [image.reshape(-1)[:3] for image in listed])
    assert device.buffers == 3


@pytest.mark.parametrize("name", SETTINGS)
def test_neutral_values_leave_fingerprints(name: str) -> None:
    def recipe(**settings: Any) -> dict[str, Any]:
        return plugins.recipe(name, build_encoder(name, **SETTINGS[name], **settings))

    assert recipe() == recipe(**NEUTRAL)
    assert not NEUTRAL.keys() & recipe()["settings"].keys()
    for setting in ({"batch_size": 7}, {"precision": "bfloat16"}, {"torch_compile": True}):
        assert recipe(**setting)["settings"].items() >= setting.items()


def test_batch_size_and_precision_are_what_the_network_runs_with() -> None:
    seen: list[int] = []
    network = TorchNetwork(Tiny().network(), "cpu", TorchSettings(batch_size=3, precision="bfloat16"))
    inner = network._network

    def forward(pixels_BHWC: Tensor) -> Tensor:
        seen.append(len(pixels_BHWC))
        return inner(pixels_BHWC)

    network._network = forward
    pixels: Any = images(7)
    rounded_BD, exact_BD = network.embed(pixels), TorchNetwork(Tiny().network(), "cpu").embed(pixels)
    assert seen == [3, 3, 1]
    assert network.compute == "torch bfloat16 cpu"
    assert rounded_BD.dtype == np.float32
    assert 0 < np.abs(rounded_BD - exact_BD).max() < 0.05 * np.abs(exact_BD).max()


def test_the_network_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[Any] = []

    def compile_network(network: Any) -> Any:
        compiled.append(network)
        return network

    monkeypatch.setattr(torch, "compile", compile_network)
    network = TorchNetwork(Tiny().network(), "cpu", TorchSettings(torch_compile=True))
    assert len(compiled) == 1
    assert network.compute == "torch float32 compiled cpu"
    TorchNetwork(Tiny().network(), "cpu")
    assert len(compiled) == 1


def test_onnx_runs_where_no_setting_needs_torch() -> None:
    pixels: Any = images(9, 32)
    plain, batched, torch_alone = (
        build_encoder("efficientnet_lite0", size=32, **settings).load("cpu")
        for settings in ({}, {"batch_size": 2}, {"precision": "float32"})
    )
    assert [each.compute for each in (plain, batched, torch_alone)] == [
        *["onnxruntime float32 cpu"] * 2,
        "torch float32 cpu",
    ]
    for each in (batched, torch_alone):
        np.testing.assert_allclose(each.embed(pixels), plain.embed(pixels), atol=1e-3)


def test_sentences_take_the_settings_too() -> None:
    texts = ["my card has not arrived", "where is my new card?", "the exchange rate is wrong"]
    plain, other = (
        build_encoder("sentence", **each).load("cpu") for each in ({}, {"batch_size": 2, "precision": "bfloat16"})
    )
    assert other.compute == "torch bfloat16 cpu"
    exact_BD, rounded_BD = plain.embed(texts), other.embed(texts)
    assert rounded_BD.dtype == np.float32
    assert 0.99 < float((exact_BD * rounded_BD).sum(axis=1).min()) < 1.01
