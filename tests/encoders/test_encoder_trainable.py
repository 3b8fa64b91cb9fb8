"""The networks under the encoders: theirs to train, in pieces that together are `load`."""

import copy
import subprocess
import sys

import numpy as np
import pytest
import torch

from labelbench_ray.encoders import trainable
from labelbench_ray.encoders.networks.from_pixels import FromPixels
from labelbench_ray.errors import ConfigError
from tests.small_models import CLIP, build_encoder, make_clip


@pytest.fixture(scope="module")
def pixels():
    """Smooth shapes, like photographs more than noise is."""
    coarse = torch.rand(24, 3, 5, 5, generator=torch.Generator().manual_seed(1))
    smooth = torch.nn.functional.interpolate(coarse, (32, 32), mode="bicubic").clamp(0, 1)
    return (255 * smooth).byte().permute(0, 2, 3, 1).numpy()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return {
        "efficientnet_lite0": build_encoder("efficientnet_lite0", size=32),
        "efficientnet_lite0_random": build_encoder("efficientnet_lite0_random", size=32),
        "open_clip": make_clip(tmp_path_factory.mktemp("clip"), CLIP).encoder,
        "open_clip random": build_encoder("open_clip", model="RN50", pretrained="random"),
    }


@pytest.mark.parametrize("name", ["efficientnet_lite0", "efficientnet_lite0_random", "open_clip"])
def test_the_network_and_its_runtime_are_the_loaded_encoder(made, pixels, name):
    encoder = trainable(made[name])
    network = encoder.network()
    assert isinstance(network, FromPixels)
    assert all(each.requires_grad for each in network.parameters())
    with torch.inference_mode():
        features = network(torch.from_numpy(pixels)).numpy()
    loaded = encoder.load("cpu").embed(list(pixels))
    np.testing.assert_array_equal(encoder.runtime(copy.deepcopy(network), "cpu").embed(list(pixels)), loaded)
    np.testing.assert_allclose(loaded, features, rtol=1e-3, atol=1e-3)
    assert encoder.shape() == encoder.decode(png()).shape == (32, 32, 3)


def png():
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (40, 50), "red").save(buffer, "PNG")
    return buffer.getvalue()


def test_each_call_gives_a_network_of_its_own(made):
    encoder = trainable(made["efficientnet_lite0"])
    one, two = encoder.network(), encoder.network()
    with torch.no_grad():
        next(one.parameters()).zero_()
    assert next(two.parameters()).abs().sum() > 0


@pytest.mark.parametrize("name", ["efficientnet_lite0", "efficientnet_lite0_random", "open_clip"])
def test_making_a_network_leaves_the_process_s_stream_alone(made, name):
    torch.manual_seed(7)
    state = torch.get_rng_state()
    trainable(made[name]).network()
    assert torch.equal(torch.get_rng_state(), state)


def test_a_step_in_training_draws_nothing(made, pixels):
    """Twice the same batch, twice the same numbers: the package would drop blocks at random."""
    network = trainable(made["efficientnet_lite0"]).network().train()
    torch.manual_seed(1)
    first = network(torch.from_numpy(pixels))
    torch.manual_seed(2)
    assert torch.equal(network(torch.from_numpy(pixels)), first)


def test_random_weights_give_features_that_distinguish_images(made, pixels):
    """In float16, as the store keeps them; without fitted normalization all of them would be zero."""
    encoder = made["efficientnet_lite0_random"]
    features = encoder.load("cpu").embed(list(pixels)).astype(np.float16).astype(np.float64)
    again = encoder.load("cpu").embed(list(pixels)).astype(np.float16)
    np.testing.assert_array_equal(features, again)
    assert np.isfinite(features).all()
    spread = features.std(axis=0)
    assert np.median(spread) > 0.05
    centered = features - features.mean(axis=0)
    values = np.linalg.svd(centered, compute_uv=False) ** 2
    assert values.sum() ** 2 / (values**2).sum() > 3, "the images differ in more than one direction"


def test_random_weights_are_others_and_say_so(made):
    given, drawn = made["efficientnet_lite0"], made["efficientnet_lite0_random"]
    assert drawn.weights() == "random, seed 0" != given.weights()
    assert made["open_clip random"].weights() == "random, seed 0"
    assert drawn.preprocessing() == given.preprocessing()
    theirs, ours = (trainable(each).network().state_dict() for each in (given, drawn))
    assert {key: value.shape for key, value in theirs.items()} == {key: value.shape for key, value in ours.items()}
    assert not any(torch.equal(theirs[key], ours[key]) for key in theirs if key.endswith("conv.weight"))


def test_a_random_open_clip_model_needs_no_file(tmp_path):
    small = make_clip(tmp_path, CLIP)
    encoder = build_encoder("open_clip", model=small.encoder.model, pretrained="random")
    encoder.provide()
    assert encoder.shape() == (32, 32, 3)
    one, two = (trainable(encoder).network().state_dict() for _ in range(2))
    assert all(torch.equal(one[key], two[key]) for key in one)


@pytest.mark.parametrize("name", ["pixels", "sentence"])
def test_encoders_without_a_network_to_train_say_so(name):
    with pytest.raises(ConfigError, match=r"encoder .*: a full model trains.*none to train; use"):
        trainable(build_encoder(name))


def test_planning_with_a_full_model_does_without_peft():
    code = (
        "import sys; from labelbench_ray.proxies.lora import Lora; "
        "from labelbench_ray.encoders.efficientnet_lite0 import EfficientnetLite0 as E; "
        "Lora().check(E(), ('a', 'b'), None); sys.exit(bool({'peft', 'transformers'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
