"""Images as full models train on them: the same in any order and by any reader."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from labelbench_ray.augmentations import key
from labelbench_ray.augmentations.images import Images
from labelbench_ray.trainers.engine.device import ALONE
from labelbench_ray.trainers.engine.images import VALIDATION_BATCH, ImageInputs, validation

POOL = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
LABELED = np.array([30, 2, 17, 9])
UNLABELED = np.setdiff1d(np.arange(40), LABELED)
AUGMENTATION = Images()


def inputs(seed: int = 5, labeled: np.ndarray = LABELED) -> ImageInputs:
    return ImageInputs(POOL, labeled, np.setdiff1d(np.arange(40), labeled), AUGMENTATION, seed, "cpu")


@pytest.mark.parametrize("kind", ["labeled", "weak", "strong"])
def test_an_image_depends_on_seed_row_and_epoch_alone(kind: str):
    read = getattr(inputs(), kind)
    places = np.arange(4)
    together = read(places, 3)
    assert together.dtype == torch.uint8
    assert together.shape == (4, 8, 8, 3)
    read(places, 2)
    shuffled = np.array([2, 0, 3, 1])
    assert torch.equal(getattr(inputs(), kind)(shuffled, 3), together[torch.from_numpy(shuffled)])
    for place in places:
        assert torch.equal(read(places[place : place + 1], 3)[0], together[place])
    assert torch.equal(read(np.array([1, 1]), 3), together[[1, 1]])
    for other in (read(places, 4), getattr(inputs(seed=6), kind)(places, 3)):
        assert not torch.equal(other, together)


def test_places_are_those_of_the_labeled_and_of_the_unlabeled_rows():
    """By hand: the row's own image, augmented by the key of (seed, row, epoch)."""
    read = inputs()
    for kind, rows, augment in (
        ("labeled", LABELED, AUGMENTATION.weak),
        ("weak", UNLABELED, AUGMENTATION.weak),
        ("strong", UNLABELED, AUGMENTATION.strong),
    ):
        found = getattr(read, kind)(np.array([3, 1]), 2)
        for image, place in zip(found.numpy(), (3, 1), strict=True):
            np.testing.assert_array_equal(image, augment(POOL[rows[place]], key(f"5/{rows[place]}", 2)))


def test_a_row_that_is_bought_keeps_its_weak_view():
    after = inputs(labeled=np.array([30, 2, 17, 9, 5]))
    place = int(np.flatnonzero(UNLABELED == 5)[0])
    assert torch.equal(inputs().weak(np.array([place]), 1), after.labeled(np.array([4]), 1))


def test_reading_touches_no_generator_and_no_image():
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002  the global generator is what is watched
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), POOL.copy()  # noqa: NPY002
    inputs().strong(np.arange(20), 0)
    assert torch.equal(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
    np.testing.assert_array_equal(POOL, before[2])


@pytest.mark.parametrize("rows", [1, VALIDATION_BATCH, VALIDATION_BATCH + 1])
def test_validation_is_over_all_images_as_they_are(rows: int):
    images = np.random.default_rng(1).integers(0, 256, (rows, 4, 4, 3), dtype=np.uint8)
    labels = np.arange(rows) % 5
    linear = nn.Linear(48, 5)
    module = nn.Sequential(nn.Flatten(), linear)

    class Floats(nn.Module):
        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return module(pixels.float() / 255)

    logits, truth = module(torch.from_numpy(images).float() / 255), torch.from_numpy(labels)
    validate = validation(images, labels, ALONE)
    assert validate is not None
    found = validate(Floats())
    assert found.loss == pytest.approx(cross_entropy(logits, truth).item(), rel=1e-5)
    assert found.accuracy == (logits.argmax(dim=1) == truth).double().mean().item()
    assert linear.weight.grad is None


def test_without_images_there_is_no_validation():
    assert validation(POOL[:0], np.arange(0), ALONE) is None


@pytest.mark.parametrize("read", ["labeled", "weak", "strong"])
def test_threads_give_the_same_rows_in_the_same_order(read: str):
    places = np.array([3, 0, 2, 1, 1])
    by_four = replace(inputs(), threads=4)
    for epoch in range(3):
        assert torch.equal(getattr(by_four, read)(places, epoch), getattr(inputs(), read)(places, epoch))
