"""Images as a full model trains on them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from labelbench_ray.augmentations import key
from labelbench_ray.augmentations.images import Images
from labelbench_ray.trainers._images import ImageInputs

POOL = np.random.default_rng(0).integers(0, 256, (40, 24, 24, 3), dtype=np.uint8)
LABELED, UNLABELED = np.arange(0, 40, 2)[::-1], np.arange(1, 40, 2)
INPUTS = ImageInputs(POOL, LABELED, UNLABELED, Images(), 5, "cpu")
PLACES = np.array([3, 0, 19, 7, 7, 1])


def test_a_row_is_augmented_by_its_own_key():
    found = INPUTS.strong(PLACES, epoch=2)
    wanted = [Images().strong(POOL[row], key(f"5/{row}", 2)) for row in UNLABELED[PLACES]]
    np.testing.assert_array_equal(found.numpy(), wanted)
    assert not torch.equal(found, INPUTS.strong(PLACES, epoch=3))
    np.testing.assert_array_equal(INPUTS.labeled(PLACES, 0)[1], Images().weak(POOL[38], key("5/38", 0)))


@pytest.mark.parametrize("read", ["labeled", "weak", "strong"])
def test_threads_give_the_same_rows_in_the_same_order(read):
    by_four = replace(INPUTS, threads=4)
    for epoch in range(3):
        assert torch.equal(getattr(by_four, read)(PLACES, epoch), getattr(INPUTS, read)(PLACES, epoch))
