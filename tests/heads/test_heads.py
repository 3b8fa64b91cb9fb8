"""Where the last layer starts: textbook weights, the proxy's logits, and every request that cannot be meant."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from labelbench_ray.errors import ConfigError
from labelbench_ray.pool.standardization import standardize
from labelbench_ray.proxies import Classifier
from labelbench_ray.proxies.heads import _templates
from tests.small_models import CLASSES, build_encoder, build_head, build_proxy, context, make_clip


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return make_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def lite():
    return build_encoder("efficientnet_lite0", size=32)


def test_random_is_torch_s_own_start_and_leaves_the_process_s_stream_alone(lite):
    torch.manual_seed(3)
    expected = torch.nn.Linear(1280, 3)
    state = torch.get_rng_state()
    layer = build_head("random").layer(context(lite))
    np.testing.assert_array_equal(layer.weight_DK, expected.weight.detach().numpy().T)
    np.testing.assert_array_equal(layer.bias_K, expected.bias.detach().numpy())
    assert torch.equal(torch.get_rng_state(), state)
    assert not layer.normalize
    assert not np.array_equal(layer.weight_DK, build_head("random").layer(context(lite, seed=4)).weight_DK)


def test_from_proxy_gives_the_proxy_s_logits_on_raw_features(lite):
    raw = np.random.default_rng(0).normal(2, 3, (50, 1280)).astype(np.float32)
    module = build_proxy("linear").module(1280, 3, seed=1)
    classifier = Classifier.of_module(module, standardize(raw))
    layer = build_head("from_proxy").layer(context(lite, proxy=classifier))
    standardized = (raw - raw.mean(0, dtype=np.float64)) / raw.std(0, dtype=np.float64)
    expected = module.double()(torch.from_numpy(standardized)).detach().numpy()
    np.testing.assert_allclose(raw.astype(np.float64) @ layer.weight_DK + layer.bias_K, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("proxy", "reason"),
    [(None, "no light proxy is trained before"), (build_proxy("shallow"), "'shallow' is not one affine layer.*linear")],
)
def test_from_proxy_needs_a_linear_proxy(lite, proxy, reason):
    with pytest.raises(ConfigError, match=reason):
        build_head("from_proxy").check(lite, CLASSES, proxy)
    build_head("from_proxy").check(lite, CLASSES, build_proxy("linear"))


def by_hand(model, names, templates):
    """The handbook's formula, one text at a time: mean of unit embeddings, made a unit, times exp(logit_scale)."""
    import open_clip

    tokenizer = open_clip.get_tokenizer("ViT-B-32", context_length=24)
    columns = []
    with torch.inference_mode():
        for name in names:
            units = []
            for template in templates:
                embedding = model.encode_text(tokenizer([template(name)]))[0].double()
                units.append(embedding / embedding.norm())
            mean = torch.stack(units).mean(0)
            columns.append(float(model.logit_scale.exp()) * mean / mean.norm())
    return torch.stack(columns, dim=1).numpy()


def test_zero_shot_is_the_textbook_s_classifier(small):
    templates = ("a photo of a {}.", "{} in the wild.", "graffiti of {an}.")
    layer = build_head("zero_shot", templates=templates).layer(context(small.encoder))
    expected = by_hand(
        small.model,
        ["sea gull", "owl", "fire truck"],
        [
            lambda name: f"a photo of a {name}.",
            lambda name: f"{name} in the wild.",
            lambda name: f"graffiti of {'an' if name == 'owl' else 'a'} {name}.",
        ],
    )
    np.testing.assert_allclose(layer.weight_DK, expected, atol=1e-4)
    assert layer.weight_DK.dtype == layer.bias_K.dtype == np.float32
    assert layer.normalize
    assert not layer.bias_K.any()


def test_zero_shot_logits_are_those_of_the_library(small):
    """The full model before its first step says what open_clip says of the same images."""
    from open_clip import OPENAI_IMAGENET_TEMPLATES, build_zero_shot_classifier, get_tokenizer

    proxy = build_proxy("full_model", head={"name": "zero_shot", "settings": {"class_names": ["gull", "owl", "truck"]}})
    network = proxy.network(context(small.encoder)).eval()
    pixels = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    mean, deviation = (
        torch.tensor(each).view(3, 1, 1)
        for each in ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
    )
    images = (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255 - mean) / deviation
    tokenizer = get_tokenizer("ViT-B-32", context_length=24)
    classifier = build_zero_shot_classifier(small.model, tokenizer, ["gull", "owl", "truck"], OPENAI_IMAGENET_TEMPLATES)
    with torch.inference_mode():
        features = small.model.encode_image(images, normalize=True)
        expected = small.model.logit_scale.exp() * features @ classifier
        np.testing.assert_allclose(network(torch.from_numpy(pixels)), expected, atol=1e-4)


@pytest.mark.parametrize(("name", "count"), [("openai_imagenet", 80), ("simple", 1), ("fmow", 16), ("iwildcam", 2)])
def test_published_templates(name, count):
    texts = {_templates.filled(template, "owl") for template in build_head("zero_shot", templates=name).prompts()}
    assert len(texts) == count
    assert all("owl" in text and "{" not in text for text in texts)


def test_a_file_of_templates_is_read_when_the_head_is_made(tmp_path):
    """What the file says is in the recipe, so an edit makes another trial."""
    path = tmp_path / "mine.txt"
    path.write_text("a sketch of a {}.\n\n  {} at night\n")
    head = build_head("zero_shot", templates=str(path))
    assert head.prompts() == ("a sketch of a {}.", "{} at night")
    assert head.model_dump(mode="json")["templates"] == ["a sketch of a {}.", "{} at night"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a photo of a {}.\na photo of a dog.\n", r"template 'a photo of a dog\.' has no \{\}.*write \{\}"),
        ("\n \n", "has no template; write one a line"),
        (b"\xff\xfe", "nor a text file that can be read"),
    ],
)
def test_a_file_without_usable_templates_is_refused(tmp_path, text, reason):
    path = tmp_path / "mine.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError, match=reason):
        build_head("zero_shot", templates=str(path))


@pytest.mark.parametrize("templates", ["imagnet", 3, [], ["no placeholder"]])
def test_templates_that_are_none_are_refused(templates):
    with pytest.raises(ConfigError, match=r"zero_shot.*templates"):
        build_head("zero_shot", templates=templates)


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["gull", "owl"], "class_names has 2 names, the data set 3 classes"),
        ([], "class_names has 0 names, the data set 3 classes"),
        (["gull", " ", "truck"], r"name of class 1 \('owl'\) is empty"),
    ],
)
def test_class_names_that_do_not_match_are_refused(small, names, reason):
    head = build_head("zero_shot", class_names=names)
    with pytest.raises(ConfigError, match=reason):
        head.check(small.encoder, CLASSES, None)
    head.check(small.encoder, None, None)


def test_zero_shot_needs_a_text_tower_that_knows_the_images(lite):
    untrained = build_encoder("open_clip", model="ViT-B-32", pretrained="random")
    for encoder in (lite, untrained):
        with pytest.raises(ConfigError, match=r"no text tower.*open_clip"):
            build_head("zero_shot").check(encoder, CLASSES, None)


def test_a_plan_of_a_zero_shot_head_imports_no_open_clip_and_reads_no_weights():
    code = (
        "import sys; from labelbench_ray.proxies.heads.zero_shot import ZeroShot; "
        "from labelbench_ray.encoders.open_clip import OpenClip; "
        "ZeroShot().check(OpenClip(model='ViT-B-32', pretrained='nowhere'), ('a', 'b'), None); "
        "sys.exit('open_clip' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
