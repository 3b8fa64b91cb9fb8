"""Full models: what is trained, what is kept, and that strategies see exactly what the network says."""

import copy

import numpy as np
import pytest
import torch
from safetensors.numpy import load, save
from torch.nn.functional import cross_entropy

from labelbench_ray.errors import ConfigError, DataError
from labelbench_ray.proxies.full import FullProxy
from labelbench_ray.proxies.full.adapters import blocks
from labelbench_ray.proxies.full.network import FullNetwork, load_tensors, tensors, tuned
from labelbench_ray.proxies.heads import HeadContext
from tests.small_models import CLASSES, CLIP, RESNET, build_encoder, build_proxy, context, make_clip

LABELS = torch.arange(6) % 3
ENCODERS = ("lite", "vit", "resnet")
every_encoder = pytest.mark.parametrize("name", ENCODERS)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Encoders of 32 x 32 images."""
    return {
        "lite": build_encoder("efficientnet_lite0", size=32),
        "vit": make_clip(tmp_path_factory.mktemp("vit"), CLIP).encoder,
        "resnet": make_clip(tmp_path_factory.mktemp("resnet"), RESNET).encoder,
    }


@pytest.fixture(scope="module")
def pixels():
    return torch.from_numpy(np.random.default_rng(1).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8))


def parts_of(name):
    return {"head": {"name": "zero_shot", "settings": {"templates": "simple"}}} if name == "vit" else {}


def begun(proxy: FullProxy, given: HeadContext) -> FullNetwork:
    """The network as its training begins."""
    return proxy.adapted(proxy.network(given), given.seed)


def trained(network: FullNetwork, pixels: torch.Tensor, steps: int = 2, rate: float = 1e-3) -> FullNetwork:
    optimizer = torch.optim.AdamW([each for each in network.parameters() if each.requires_grad], rate)
    network.train()
    for _ in range(steps):
        optimizer.zero_grad()
        cross_entropy(network(pixels), LABELS).backward()
        optimizer.step()
    return network


@every_encoder
def test_features_before_the_first_step_are_the_encoder_s_embeddings(made, pixels, name):
    network = build_proxy("full_model").network(context(made[name])).eval()
    with torch.inference_mode():
        found = network.features(pixels).numpy()
    np.testing.assert_allclose(found, made[name].load("cpu").embed(list(pixels.numpy())), rtol=1e-3, atol=1e-4)


@every_encoder
@pytest.mark.parametrize("kind", ["full_model", "lora"])
def test_runtime_and_classifier_say_what_the_trained_network_says(made, pixels, name, kind):
    proxy = build_proxy(kind, **parts_of(name))
    network = proxy.finished(trained(begun(proxy, context(made[name])), pixels)).eval()
    before = tensors(network)
    halves = tuned(network, made[name], "cpu")
    embeddings = halves.runtime.embed(list(pixels.numpy()))
    with torch.inference_mode():
        np.testing.assert_allclose(embeddings, network.features(pixels).numpy(), rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(halves.classifier.logits(embeddings), network(pixels).numpy(), atol=1e-3)
    np.testing.assert_array_equal(halves.classifier.features(embeddings), embeddings)
    assert np.allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5) == (name == "vit")
    for key, array in tensors(network).items():
        np.testing.assert_array_equal(array, before[key])


@every_encoder
def test_every_weight_of_a_full_model_is_trained(made, pixels, name):
    network = build_proxy("full_model").network(context(made[name]))
    cross_entropy(network.train()(pixels), LABELS).backward()
    assert all(each.requires_grad and each.grad is not None for each in network.parameters())


@pytest.mark.parametrize("frozen", [True, False])
def test_statistics_of_batch_normalization(made, pixels, frozen):
    network = build_proxy("full_model", frozen_statistics=frozen).network(context(made["lite"]))
    before = tensors(network)
    after = tensors(trained(network, pixels, steps=1))
    statistics = [key for key in before if key.endswith(("running_mean", "running_var"))]
    assert len(statistics) > 50
    assert all(np.array_equal(before[key], after[key]) == frozen for key in statistics)
    assert not np.array_equal(before["head.weight"], after["head.weight"])


def test_with_frozen_statistics_a_row_does_not_depend_on_its_batch(made, pixels):
    network = build_proxy("full_model").network(context(made["lite"])).train()
    torch.testing.assert_close(network(pixels)[:2], network(pixels[:2]), rtol=1e-4, atol=1e-4)


@every_encoder
def test_adapters_start_as_the_base_network_and_alone_are_trained(made, pixels, name):
    proxy = build_proxy("lora", rank=4, **parts_of(name))
    network = begun(proxy, context(made[name]))
    base = build_proxy("full_model", **parts_of(name)).network(context(made[name])).eval()
    with torch.inference_mode():
        torch.testing.assert_close(network.eval()(pixels), base(pixels), rtol=0, atol=0)
    asked = {key for key, each in network.named_parameters() if each.requires_grad}
    assert asked == {key for key, _ in network.named_parameters() if ".lora_" in key or key.startswith("head.")}
    cross_entropy(network.train()(pixels), LABELS).backward()
    assert {key for key, each in network.named_parameters() if each.grad is not None} == asked
    repeated = blocks(base.backbone)
    names = [key for key, module in base.backbone.named_modules() if module in repeated]
    adapted = [any(f".{block}." in key for key in asked) for block in names]
    assert adapted == [False] * (len(names) - 2) + [True] * 2


@every_encoder
def test_merged_adapters_say_what_they_said_apart(made, pixels, name):
    proxy = build_proxy("lora", **parts_of(name))
    network = trained(begun(proxy, context(made[name])), pixels, steps=3, rate=1e-2).eval()
    start = begun(proxy, context(made[name])).eval()
    finished = proxy.finished(network).eval()
    with torch.inference_mode():
        torch.testing.assert_close(finished(pixels), network(pixels), rtol=1e-4, atol=1e-4)
        assert (network.features(pixels) - start.features(pixels)).abs().max() > 1e-3, "the adapters have learned"
    assert tensors(finished).keys() == tensors(build_proxy("full_model").network(context(made[name]))).keys()


def test_adapters_come_from_the_seed_alone(made):
    proxy = build_proxy("lora")
    torch.manual_seed(99)
    state = torch.get_rng_state()
    one, same, other = (tensors(begun(proxy, context(made["vit"], seed=seed))) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    first = next(key for key in one if "lora_A" in key)
    np.testing.assert_array_equal(one[first], same[first])
    assert not np.array_equal(one[first], other[first])


@every_encoder
def test_tensors_survive_a_file_and_fit_only_their_own_network(made, pixels, name):
    proxy = build_proxy("full_model")
    network = trained(begun(proxy, context(made[name])), pixels).eval()
    fresh = begun(proxy, context(made[name])).eval()
    load_tensors(fresh, load(save(tensors(network))))
    with torch.inference_mode():
        torch.testing.assert_close(fresh(pixels), network(pixels), rtol=0, atol=0)
    with pytest.raises(DataError, match="not the tensors of this model"):
        load_tensors(fresh, tensors(network) | {"head.weight": np.zeros((4, 5), np.float32)})


def test_a_copy_of_a_network_in_training_can_be_made(made, pixels):
    """Early stopping keeps the best state; peft's attention holds its weights in a way that copying could refuse."""
    network = trained(begun(build_proxy("lora"), context(made["vit"])), pixels)
    copied = copy.deepcopy(network).eval()
    with torch.inference_mode():
        torch.testing.assert_close(copied(pixels), network.eval()(pixels))


@pytest.mark.parametrize("kind", ["full_model", "lora"])
@pytest.mark.parametrize("encoder", ["pixels", "sentence"])
def test_an_encoder_without_a_network_to_train_is_refused(kind, encoder):
    with pytest.raises(ConfigError, match=r"has none to\s+train.*'linear' or 'shallow'"):
        build_proxy(kind).check(build_encoder(encoder), CLASSES, None)


def test_the_head_is_checked_with_its_model(made):
    with pytest.raises(ConfigError, match="no text tower"):
        build_proxy("full_model", head="zero_shot").check(made["lite"], CLASSES, None)
    with pytest.raises(ConfigError, match="did you mean 'random'"):
        build_proxy("full_model", head="randm")
    build_proxy("lora").check(made["lite"], CLASSES, None)


def test_more_blocks_than_there_are_are_refused(made):
    with pytest.raises(ConfigError, match=r"blocks=4, this encoder's network has 3; lower `blocks`"):
        begun(build_proxy("lora", blocks=4), context(made["vit"]))


@pytest.mark.parametrize(
    ("name", "count", "kind"), [("lite", 16, "MBConvBlock"), ("vit", 3, None), ("resnet", 5, None)]
)
def test_blocks_are_found_in_order(made, name, count, kind):
    found = blocks(made[name].network())
    assert len(found) == count
    assert kind in (None, type(found[0]).__name__)
