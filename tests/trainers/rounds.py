"""Tiny fits with rounds before them."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch

from labelbench_ray.pool.standardization import Standardization
from labelbench_ray.proxies import Classifier
from labelbench_ray.trainers import EmbeddedInputs, FitData, PreviousRound
from labelbench_ray.trainers.engine.data import embedded_data
from labelbench_ray.trainers.engine.device import ALONE, Device
from labelbench_ray.trainers.engine.replay import Replay
from labelbench_ray.trainers.engine.step import Step
from labelbench_ray.types import Examples

CLASSES, DIMENSIONS = 3, 4
STILL = {"epochs": 1, "learning_rate": 1e-30}
"""Settings with which a trainer returns the weights that it began with."""


def examples(rows: int, seed: int = 0) -> Examples:
    rng = np.random.default_rng(seed)
    labels = np.arange(rows) % CLASSES
    centers = 2 * np.eye(CLASSES, DIMENSIONS)
    return Examples((centers[labels] + rng.normal(size=(rows, DIMENSIONS))).astype(np.float32), labels)


def identity() -> Standardization:
    return Standardization(np.zeros(DIMENSIONS, np.float32), np.ones(DIMENSIONS, np.float32))


def model(seed: int, *widths: int) -> Classifier:
    """Some weights, for layers between these widths."""
    rng = np.random.default_rng([77, seed])
    layers = tuple(
        (rng.normal(size=(width_in, width_out)).astype(np.float32), rng.normal(size=width_out).astype(np.float32))
        for width_in, width_out in pairwise(widths)
    )
    return Classifier(identity(), layers)


def previous(num_labeled: int, classifier: Classifier) -> PreviousRound:
    return PreviousRound(num_labeled, classifier.tensors)


def data(rows: int, *rounds: PreviousRound, bought: object = None) -> FitData[EmbeddedInputs]:
    """`bought`: the logits of the older rows; None: what the rounds' models give."""
    labeled = examples(rows)
    given = embedded_data(
        labeled.embeddings_BD,
        labeled.labels_B,
        examples(30, seed=1),
        CLASSES,
        identity(),
        100 + np.arange(rows),
        previous=rounds,
    )
    if bought is None:
        return given
    bought_OK = np.asarray(bought, np.float32)
    return replace(given, logits=lambda tensors, places_B: bought_OK[places_B])


def step(
    trainer: Replay,
    given: FitData[EmbeddedInputs],
    newest: object,
    classifier: Classifier,
    seed: int = 0,
    device: Device = ALONE,
) -> Step:
    """A step of a linear module with these weights, on these places."""
    module = torch.nn.Sequential(torch.nn.Linear(DIMENSIONS, CLASSES))
    classifier.fill(module)
    places = np.asarray(newest, np.int64)
    rng = np.random.default_rng(seed)
    return Step(module, given, device, trainer.begin(given), places, places[:0], 0, 0.0, rng)


def same(one: Classifier, other: Classifier) -> None:
    for mine, yours in zip(one.layers, other.layers, strict=True):
        np.testing.assert_array_equal(mine[0], yours[0])
        np.testing.assert_array_equal(mine[1], yours[1])
