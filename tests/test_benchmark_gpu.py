"""The benchmark of a GPU runs all of its steps on a CPU, at a tiny size; without a GPU it states what it needs."""

import importlib
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("gpu")


def test_all_steps(benchmark: ModuleType, capsys: pytest.CaptureFixture) -> None:
    benchmark.main(["--tiny"])
    answer = json.loads(capsys.readouterr().out)
    assert not {"target", "met"} & answer.keys(), "no figure of a GPU is known to aim at"
    found = answer["measured"]
    computes = [each["compute"] for each in found["embedding"].values()]
    assert computes == ["torch float32 cpu", "torch bfloat16 cpu", "torch float32 cpu"]
    assert all(each["images_per_second"] > 0 for each in found["embedding"].values())
    assert list(found["fits"]) == ["Supervised", "Flexmatch"]
    assert all(each["labeled_images_per_second"] > 0 for each in found["fits"].values())


def test_without_a_gpu_it_states_what_it_needs(
    benchmark: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    benchmark.main([])
    assert "needs a GPU" in json.loads(capsys.readouterr().out)["skipped"]


def test_one_at_a_time_gives_what_a_queue_gives(benchmark: ModuleType) -> None:
    from labelbench_ray.encoders._batches_ahead import BatchesAhead
    from tests.encoders.test_encoder_torch_settings import LateDevice, images

    def forward(pixels_BHWC: torch.Tensor) -> torch.Tensor:
        return pixels_BHWC.flatten(1)[:, :4].float()

    device, pixels = LateDevice(), images(7)
    found_BD = BatchesAhead(3, forward, benchmark.OneAtATime(device)).begin(pixels)()  # type: ignore[arg-type]
    np.testing.assert_array_equal(found_BD, pixels.reshape(7, -1)[:, :4])
    assert device.most == 1
