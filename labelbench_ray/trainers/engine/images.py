"""Images for training a full model, augmented when they are read, by streams keyed by (seed, row, epoch)."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from labelbench_ray.augmentations import Augmentation, key
from labelbench_ray.encoders import Decoded
from labelbench_ray.trainers.engine.data import Validated
from labelbench_ray.trainers.engine.device import Device
from labelbench_ray.types import Ids

VALIDATION_BATCH = 64


@dataclass(frozen=True, slots=True, eq=False)
class ImageInputs:
    """Decoded images of the pool (N, H, W, 3) uint8, memory-mapped; what is read is on `device`."""

    images_NHWC: NDArray[np.uint8]
    labeled_ids_L: Ids
    unlabeled_ids_U: Ids
    augmentation: Augmentation
    seed: int
    device: str
    threads: int = 1
    """Threads that augment. A row's augmentation depends on its key only, so no number depends on them."""

    def labeled(self, places_B: Ids, epoch: int) -> Tensor:
        return self._augmented(self.labeled_ids_L[places_B], epoch, self.augmentation.weak)

    def weak(self, places_B: Ids, epoch: int) -> Tensor:
        return self._augmented(self.unlabeled_ids_U[places_B], epoch, self.augmentation.weak)

    def strong(self, places_B: Ids, epoch: int) -> Tensor:
        return self._augmented(self.unlabeled_ids_U[places_B], epoch, self.augmentation.strong)

    def _augmented(self, ids_B: Ids, epoch: int, augment: Callable[[Decoded, int], Decoded]) -> Tensor:
        def image(row: int) -> Decoded:
            return augment(self.images_NHWC[row], key(f"{self.seed}/{row}", epoch))

        if self.threads == 1:
            images = [image(row) for row in ids_B.tolist()]
        else:
            with ThreadPoolExecutor(self.threads) as pool:  # Pillow computes without the interpreter's lock
                images = list(pool.map(image, ids_B.tolist()))
        return torch.from_numpy(np.stack(images)).to(self.device)


def validation(
    images_NHWC: NDArray[np.uint8], labels_N: Ids, device: Device
) -> Callable[[nn.Module], Validated] | None:
    """A module's accuracy and mean cross-entropy on images as they are; None without images."""

    def validate(module: nn.Module) -> Validated:
        right, total = 0, 0.0
        for start in range(0, len(labels_N), VALIDATION_BATCH):
            stop = start + VALIDATION_BATCH
            images, labels_B = (torch.from_numpy(np.array(part[start:stop])) for part in (images_NHWC, labels_N))
            with torch.inference_mode(), device.autocast():
                logits_BK = module(images.to(device.kind)).float()
            labels_B = labels_B.to(device.kind)
            right += int((logits_BK.argmax(dim=1) == labels_B).sum())
            total += float(cross_entropy(logits_BK, labels_B, reduction="sum"))
        return Validated(right / len(labels_N), total / len(labels_N))

    return validate if len(labels_N) else None
