"""A trained proxy as plain arrays says what its torch module says."""

import numpy as np
import pytest
import torch
from safetensors.numpy import load, save
from scipy import special

from labelbench_ray import plugins, proxies
from labelbench_ray.plugins import Part
from labelbench_ray.pool.standardization import standardize
from labelbench_ray.proxies import Classifier, Proxy

PROXIES = {"linear": Part.of("linear"), "shallow": Part.of("shallow"), "narrow": Part.of("shallow", hidden=3)}
every_proxy = pytest.mark.parametrize("part", PROXIES.values(), ids=list(PROXIES))


def build(part: Part) -> Proxy:
    return plugins.build(Proxy, proxies.PACKAGE, part)


def raw_rows(offset: float = 2.0, spread: float = 3.0) -> np.ndarray:
    return np.random.default_rng(0).normal(offset, spread, (200, 8)).astype(np.float16)


def classifier_of(part: Part, raw: np.ndarray) -> tuple[torch.nn.Sequential, Classifier]:
    module = build(part).module(8, 5, seed=1)
    return module, Classifier.of_module(module, standardize(raw))


def exact(module: torch.nn.Sequential, raw: np.ndarray) -> np.ndarray:
    """The module on standardized rows, all in float64."""
    rows = raw.astype(np.float64)
    deviation = rows.std(axis=0)
    with torch.inference_mode():
        return module.double()(torch.from_numpy((rows - rows.mean(axis=0)) / deviation)).numpy()


@every_proxy
@pytest.mark.parametrize(("offset", "spread"), [(0, 1), (2, 3), (50, 0.5), (0, 1e-3)])
def test_logits_equal_the_module_s_on_standardized_inputs(part: Part, offset: float, spread: float):
    """Standardizing folds into the first layer; an offset of 100 deviations costs 100 units in the last place."""
    raw = raw_rows(offset, spread)
    module, classifier = classifier_of(part, raw)
    np.testing.assert_allclose(classifier.logits(raw), exact(module, raw), atol=2e-4)


@every_proxy
def test_probabilities_are_the_softmax_of_the_logits(part: Part):
    raw = raw_rows()
    _, classifier = classifier_of(part, raw)
    found = classifier.probabilities(raw)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, special.softmax(classifier.logits(raw), axis=1), rtol=1e-5)
    assert classifier.num_classes == found.shape[1] == 5


def test_features_of_a_linear_proxy_are_the_standardized_embeddings():
    raw = raw_rows()
    _, classifier = classifier_of(PROXIES["linear"], raw)
    np.testing.assert_array_equal(classifier.features(raw), standardize(raw).apply(raw))


@pytest.mark.parametrize("name", ["shallow", "narrow"])
def test_features_of_a_shallow_proxy_are_its_hidden_layer_after_the_relu(name: str):
    raw = raw_rows()
    module, classifier = classifier_of(PROXIES[name], raw)
    np.testing.assert_allclose(classifier.features(raw), exact(module[:2], raw), atol=1e-5)


@every_proxy
def test_tensors_make_the_same_classifier_again(part: Part):
    raw = raw_rows()
    _, classifier = classifier_of(part, raw)
    again = Classifier.of_tensors(load(save(classifier.tensors())))
    np.testing.assert_array_equal(again.logits(raw), classifier.logits(raw))
    np.testing.assert_array_equal(again.features(raw), classifier.features(raw))


@every_proxy
def test_a_classifier_does_not_change_when_its_module_trains_on(part: Part):
    raw = raw_rows()
    module, classifier = classifier_of(part, raw)
    before = classifier.logits(raw)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(1)
    np.testing.assert_array_equal(Classifier(classifier.standardization, classifier.layers).logits(raw), before)


@every_proxy
def test_fresh_layers_depend_on_the_seed_alone(part: Part):
    proxy = build(part)
    torch.manual_seed(5)
    state = torch.get_rng_state()
    one, same, other = (proxy.module(8, 5, seed)[0].weight for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(("name", "widths"), [("linear", (8, 5)), ("shallow", (8, 8, 5)), ("narrow", (8, 3, 5))])
def test_widths(name: str, widths: tuple[int, ...]):
    assert build(PROXIES[name]).widths(8, 5) == widths
