"""open_clip through its real code path, with a small model and weights made here."""

import io
import json
import pickle

import numpy as np
import pytest
from PIL import Image

from labelbench_ray import encoders, plugins
from labelbench_ray.config import Part
from labelbench_ray.encoders._resize import resized
from labelbench_ray.encoders.networks import open_clip_models as models
from labelbench_ray.errors import ConfigError, DataError, NotProvidedError

CLIP = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 8, "vocab_size": 64, "width": 16, "heads": 2, "layers": 1},
}
COCA = CLIP | {
    "vision_cfg": CLIP["vision_cfg"] | {"attentional_pool": True, "attn_pooler_heads": 2, "output_tokens": True},
    "text_cfg": CLIP["text_cfg"] | {"embed_cls": True, "output_tokens": True},
    "multimodal_cfg": CLIP["text_cfg"] | {"attn_pooler_heads": 2},
    "custom_text": True,
}


def build(**settings):
    return plugins.build(encoders.Encoder, encoders.PACKAGE, Part.of("open_clip", **settings))


def photograph(width=48, height=40, seed=0):
    pixels_HWC = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels_HWC).save(buffer, format="PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module", params=["clip", "coca"])
def small(request, tmp_path_factory):
    """A model's configuration added to open_clip, its weights in a file, and the model itself."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp(request.param)
    name = f"labelbench-tiny-{request.param}"
    config = folder / f"{name}.json"
    config.write_text(json.dumps(CLIP if request.param == "clip" else COCA))
    open_clip.add_model_config(config)
    torch.manual_seed(0)
    model = open_clip.create_model(name).eval()
    torch.save(model.state_dict(), folder / "weights.pt")
    save_file(model.state_dict(), folder / "weights.safetensors")
    return name, folder, model


@pytest.mark.parametrize("weights", ["weights.pt", "weights.safetensors"])
@pytest.mark.parametrize("normalize", [False, True])
def test_equals_the_library_on_its_own_transform(small, weights, normalize):
    import torch
    from open_clip.transform import image_transform

    name, folder, model = small
    encoder = build(model=name, pretrained=str(folder / weights), normalize=normalize)
    photographs = [photograph(48, 40), photograph(33, 90, seed=1), photograph(20, 20, seed=2)]
    network = encoder.load("cpu")
    embeddings_BD = network.embed([encoder.decode(each) for each in photographs])
    transform = image_transform(32, is_train=False, mean=models.MEAN, std=models.DEVIATION)
    images = torch.stack([transform(Image.open(io.BytesIO(each))) for each in photographs])
    with torch.inference_mode():
        expected_BD = model.encode_image(images, normalize=normalize).numpy()
    np.testing.assert_allclose(embeddings_BD, expected_BD, rtol=1e-4, atol=1e-5)
    assert embeddings_BD.dtype == np.float32
    assert embeddings_BD.shape == (3, encoder.dimensions())
    assert network.compute == "torch float32 cpu"


def test_a_configuration_file_is_a_model_too(small):
    name, folder, _ = small
    by_path = build(model=str(folder / f"{name}.json"), pretrained=str(folder / "weights.pt"))
    by_name = build(model=name, pretrained=str(folder / "weights.pt"))
    decoded = [by_path.decode(photograph())]
    assert np.array_equal(by_path.load("cpu").embed(decoded), by_name.load("cpu").embed(decoded))


def test_weights_are_hashed_by_content(small):
    name, folder, _ = small
    hashes = {
        file: build(model=name, pretrained=str(folder / file)).weights()
        for file in ("weights.pt", "weights.safetensors")
    }
    assert len(set(hashes.values())) == 2
    assert all(len(value) == 64 for value in hashes.values())


def test_pickled_code_in_a_weights_file_is_not_run(small, tmp_path):
    name, _, _ = small
    trap, sprung = tmp_path / "trap.pt", tmp_path / "sprung"
    trap.write_bytes(pickle.dumps(Trap(sprung)))
    with pytest.raises(DataError, match=r"trap\.pt: not the weights"):
        build(model=name, pretrained=str(trap)).load("cpu")
    assert not sprung.exists()


class Trap:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_weights_of_another_model_are_refused(small, tmp_path):
    import torch

    torch.save({"nothing": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(DataError, match=r"other\.pt: not the weights of the open_clip model"):
        build(model=small[0], pretrained=str(tmp_path / "other.pt")).load("cpu")


def test_unknown_model_names_the_nearest():
    with pytest.raises(ConfigError, match=r"no open_clip model called 'ViT-B-23'; did you mean 'ViT-B-32'\?"):
        build(model="ViT-B-23", pretrained="openai")


def test_unknown_tag_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'openai'"):
        build(model="ViT-B-32", pretrained="opnai").weights()


def test_what_is_not_here_is_to_be_provided(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(NotProvidedError, match=r"weights\.pt"):
        build(model="ViT-B-32", pretrained=str(tmp_path / "weights.pt")).weights()
    with pytest.raises(NotProvidedError, match=r"'laion2b_e16' of ViT-B-32 are not on this machine.*create_model"):
        build(model="ViT-B-32", pretrained="laion2b_e16").weights()


def test_a_tag_in_the_cache_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    url = models.tag_config("ViT-B-32", "laion2b_e16")["url"]
    cached = tmp_path / ".cache" / "clip" / url.rsplit("/", 1)[-1]
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"weights")
    assert models.weights_file("ViT-B-32", "laion2b_e16") == cached


def test_a_tag_brings_its_own_preprocessing():
    to = models.preprocessing("ViT-B-16-SigLIP", "webli")
    assert (to.resize_mode, to.mean) == ("squash", (0.5, 0.5, 0.5))


@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("size", [(224, 224), (32, 48)])
@pytest.mark.parametrize("image", [(300, 200), (37, 91), (500, 17), (32, 48)])
def test_resizing_equals_the_library(mode, size, image):
    from open_clip.transform import image_transform

    transform = image_transform(
        size, is_train=False, mean=(0, 0, 0), std=(1, 1, 1), resize_mode=mode, interpolation="bicubic"
    )
    original = Image.open(io.BytesIO(photograph(*image)))
    expected_HWC = (transform(original).numpy().transpose(1, 2, 0) * 255).round().astype(np.uint8)
    np.testing.assert_array_equal(resized(original, models.Preprocessing(*size, resize_mode=mode)), expected_HWC)
