"""The laws of light proxies; those that train an encoder have none here, as they need one."""

from typing import TYPE_CHECKING, Final

import numpy as np

from labelbench_ray.contracts.law import Law, NotApplicable, require
from labelbench_ray.pool.standardization import Standardization
from labelbench_ray.proxies import Classifier, LightProxy, Proxy

if TYPE_CHECKING:
    import torch

SHAPES: Final = ((64, 10), (1, 2), (384, 77))
"""Dimensions and classes."""


def goes_from_dimensions_to_classes(proxy: Proxy) -> None:
    """D first, K last."""
    for dimensions, classes in SHAPES:
        widths = _light(proxy).widths(dimensions, classes)
        right = (
            isinstance(widths, tuple)
            and len(widths) > 1
            and all(isinstance(width, int) and width > 0 for width in widths)
            and (widths[0], widths[-1]) == (dimensions, classes)
        )
        found = f"for {dimensions} dimensions and {classes} classes its widths are {widths!r}"
        require(right, found, "return a tuple of integers from D to K, as in (dimensions, 64, classes)")


def begins_by_the_seed(proxy: Proxy) -> None:
    """Fresh weights are a function of the seed, and no global generator is used."""
    import torch

    before = torch.random.get_rng_state()
    first, again, other = (_weights(proxy, seed) for seed in (0, 0, 1))
    fix = "draw the weights within `torch.random.fork_rng` after `torch.manual_seed(seed)`"
    require(all(map(torch.equal, first, again)), "two modules of one seed begin with different weights", fix)
    require(not all(map(torch.equal, first, other)), "modules of two seeds begin with the same weights", fix)
    require(torch.equal(before, torch.random.get_rng_state()), "it draws from torch's global generator", fix)


def scores_as_arrays(proxy: Proxy) -> None:
    """Strategies score with the layers as arrays: affine ones with ReLU between."""
    import torch

    module = _light(proxy).module(16, 4, seed=0)
    rows = np.random.default_rng(0).normal(size=(32, 16)).astype(np.float32)
    identity = Standardization(np.zeros(16, np.float32), np.ones(16, np.float32))
    with torch.no_grad():
        expected = module(torch.from_numpy(rows)).numpy()
    logits = Classifier.of_module(module, identity).logits(rows)
    require(
        logits.shape == (32, 4) and bool(np.allclose(logits, expected, atol=1e-4)),
        "the layers of its module, read as affine layers with ReLU between, give other logits",
        "build the module of Linear layers and ReLU alone, or leave `module` as it is",
    )


def _light(proxy: Proxy) -> LightProxy:
    if not isinstance(proxy, LightProxy):
        raise NotApplicable("it has no layers on embeddings")
    return proxy


def _weights(proxy: Proxy, seed: int) -> list["torch.Tensor"]:
    return [weights.detach() for weights in _light(proxy).module(16, 4, seed).parameters()]


LAWS: Final[tuple[Law[Proxy], ...]] = (
    Law("its layers lead from the embedding's dimensions to the classes", goes_from_dimensions_to_classes),
    Law("begins with weights of the seed, and uses no global generator", begins_by_the_seed),
    Law("scores as arrays what its module computes", scores_as_arrays),
)
