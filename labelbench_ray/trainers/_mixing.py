"""MixUp and CutMix of images, by torchvision; their randomness is torch's own, which a fit seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def mixed_images(images_BHWC: Tensor, targets_BK: Tensor, mixup: float, cutmix: float) -> tuple[Tensor, Tensor]:
    """Images as float32 (B, H, W, 3) and targets, mixed by one of the methods whose parameter is above 0."""
    import torch
    from torchvision.transforms import v2

    methods = [method(alpha=alpha) for method, alpha in ((v2.MixUp, mixup), (v2.CutMix, cutmix)) if alpha]
    if not methods:
        return images_BHWC, targets_BK
    chosen = methods[int(torch.randint(len(methods), ()))]
    mixed_BCHW, targets_BK = chosen(images_BHWC.permute(0, 3, 1, 2).float(), targets_BK)
    return mixed_BCHW.permute(0, 2, 3, 1), targets_BK
