"""Shrink and perturb: the weights that a round begins with, computed by hand."""

import numpy as np
import pytest
import torch

from labelbench_ray.config import Part
from labelbench_ray.proxies import Classifier
from labelbench_ray.proxies.full.network import tensors
from labelbench_ray.proxies.linear import Linear
from labelbench_ray.proxies.shallow import Shallow
from labelbench_ray.trainers.shrink_and_perturb import ShrinkAndPerturb
from labelbench_ray.trainers.supervised import Supervised
from labelbench_ray.trainers.warm_start import WarmStart
from tests.small_models import build_encoder, build_proxy, context
from tests.trainers.rounds import CLASSES, DIMENSIONS, STILL, data, model, previous, same

QUICK = Part.of("supervised", epochs=3, learning_rate=0.05)
LAST = model(2, DIMENSIONS, 5, CLASSES)
GIVEN = data(9, previous(3, model(1, DIMENSIONS, 5, CLASSES)), previous(6, LAST))


def fresh(seed: int) -> list[torch.nn.Linear]:
    """What torch begins a shallow network with after this seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return [torch.nn.Linear(DIMENSIONS, 5), torch.nn.Linear(5, CLASSES)]


def began(seed: int, **settings: float) -> Classifier:
    trainer = ShrinkAndPerturb(trainer=Part.of("supervised", **STILL), **settings)
    return trainer.fit(Shallow(hidden=5), GIVEN, seed)


@pytest.mark.parametrize("seed", [0, 5])
@pytest.mark.parametrize(
    ("settings", "shrink", "perturb"), [({}, 0.5, 0.01), ({"shrink": 0.25, "perturb": 2.0}, 0.25, 2.0)]
)
def test_begins_with_the_shrunk_weights_plus_scaled_fresh_ones(
    seed: int, settings: dict[str, float], shrink: float, perturb: float
):
    for found, old, new in zip(began(seed, **settings).layers, LAST.layers, fresh(seed), strict=True):
        weight, bias = new.weight.detach().numpy().T, new.bias.detach().numpy()
        np.testing.assert_allclose(found[0], shrink * old[0] + perturb * weight, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(found[1], shrink * old[1] + perturb * bias, rtol=1e-5, atol=1e-7)


def test_the_noise_is_that_of_the_fit_s_seed():
    same(began(3), began(3))
    assert (began(3).layers[0][0] != began(4).layers[0][0]).any()


def test_unshrunk_and_unperturbed_is_a_warm_start():
    one = ShrinkAndPerturb(trainer=QUICK, shrink=1, perturb=0).fit(Shallow(hidden=5), GIVEN, seed=5)
    same(one, WarmStart(trainer=QUICK).fit(Shallow(hidden=5), GIVEN, seed=5))


def test_shrunk_to_nothing_and_perturbed_wholly_begins_from_scratch():
    one = ShrinkAndPerturb(trainer=QUICK, shrink=0, perturb=1).fit(Shallow(hidden=5), GIVEN, seed=5)
    same(one, Supervised(epochs=3, learning_rate=0.05).fit(Shallow(hidden=5), data(9), seed=5))


def test_a_linear_proxy_shrunk_says_the_same_classes_less_surely():
    last = model(2, DIMENSIONS, CLASSES)
    trainer = ShrinkAndPerturb(trainer=Part.of("supervised", **STILL), perturb=0)
    found = trainer.fit(Linear(), data(9, previous(6, last)), seed=0)
    rows = np.random.default_rng(0).normal(size=(50, DIMENSIONS)).astype(np.float32)
    np.testing.assert_array_equal(found.logits(rows).argmax(axis=1), last.logits(rows).argmax(axis=1))
    np.testing.assert_allclose(found.logits(rows), last.logits(rows) / 2, rtol=1e-4, atol=1e-5)


def test_statistics_of_the_data_stay_what_they_were():
    last = {
        "mean": np.full(2, 3.0, np.float32),
        "scale": np.full(2, 7.0, np.float32),
        "backbone.bn.weight": np.full(2, 4.0, np.float32),
        "backbone.bn.running_mean": np.full(2, 5.0, np.float32),
        "backbone.bn.running_var": np.full(2, 6.0, np.float32),
        "backbone.bn.num_batches_tracked": np.array(9, np.int64),
        "logit_scale": np.full(2, 2.0, np.float32),
        "backbone.mean": np.full(2, 127.0, np.float32),
        "backbone.deviation": np.full(2, 128.0, np.float32),
        "backbone.position_index": np.full(2, 3, np.int64),
    }
    begun = ShrinkAndPerturb().going_on(last, {name: np.ones_like(tensor) for name, tensor in last.items()})
    assert begun.keys() == last.keys()
    weights = {"backbone.bn.weight": 2.01, "logit_scale": 1.01}
    for name, tensor in begun.items():
        assert tensor.dtype == last[name].dtype
        np.testing.assert_allclose(tensor, weights.get(name, last[name]), rtol=1e-6)


@pytest.mark.parametrize("settings", [{"shrink": -0.1}, {"shrink": 1.1}, {"perturb": -1}, {"shrink": float("nan")}])
def test_factors_out_of_range_are_refused(settings: dict[str, float]):
    with pytest.raises(ValueError, match=next(iter(settings))):
        ShrinkAndPerturb(**settings)


def test_a_full_model_s_pixels_are_normalized_as_before():
    encoder = build_encoder("efficientnet_lite0", size=32)
    named = tensors(build_proxy("full_model").network(context(encoder)))
    begun = ShrinkAndPerturb().going_on(named, named)
    moved = {name for name in named if not np.array_equal(begun[name], named[name])}
    weights = dict(build_proxy("full_model").network(context(encoder)).named_parameters())
    assert moved
    assert moved <= weights.keys()
