"""RandAugment's fourteen operations on images, with the ranges of torchvision's, in Pillow alone.

Cubuk et al. 2020 (arXiv 1909.13719), as `torchvision.transforms.v2.RandAugment` has it, which calls the same functions
of Pillow. torchvision is not called: its draws come from torch's global generator, which threads share, and the tasks
that decode run without torch.
"""

from collections.abc import Callable

from PIL import Image, ImageEnhance, ImageOps

Operation = Callable[[Image.Image, float], Image.Image]
"""Changes an image (RGB or gray) by a level in -1 .. 1; operations without a direction ignore the sign."""

FARTHEST = 150 / 331
"""Of a translation, as a share of the side."""


def _affine(image: Image.Image, *inverse: float) -> Image.Image:
    return image.transform(image.size, Image.Transform.AFFINE, inverse, Image.Resampling.NEAREST)


def _shear_x(image: Image.Image, level: float) -> Image.Image:
    return _affine(image, 1, 0.3 * level, 0, 0, 1, 0)


def _shear_y(image: Image.Image, level: float) -> Image.Image:
    return _affine(image, 1, 0, 0, 0.3 * level, 1, 0)


def _translate_x(image: Image.Image, level: float) -> Image.Image:
    return _affine(image, 1, 0, -int(FARTHEST * level * image.width), 0, 1, 0)


def _translate_y(image: Image.Image, level: float) -> Image.Image:
    return _affine(image, 1, 0, 0, 0, 1, -int(FARTHEST * level * image.height))


def _rotate(image: Image.Image, level: float) -> Image.Image:
    return image.rotate(30 * level, Image.Resampling.NEAREST)


def _factor(level: float) -> float:
    return 1 + 0.9 * level


def _posterize(image: Image.Image, level: float) -> Image.Image:
    return ImageOps.posterize(image, 8 - round(4 * abs(level)))


def _solarize(image: Image.Image, level: float) -> Image.Image:
    return ImageOps.solarize(image, round(255 * (1 - abs(level))))


OPERATIONS: dict[str, Operation] = {
    "Identity": lambda image, level: image,
    "ShearX": _shear_x,
    "ShearY": _shear_y,
    "TranslateX": _translate_x,
    "TranslateY": _translate_y,
    "Rotate": _rotate,
    "Brightness": lambda image, level: ImageEnhance.Brightness(image).enhance(_factor(level)),
    "Color": lambda image, level: ImageEnhance.Color(image).enhance(_factor(level)),
    "Contrast": lambda image, level: ImageEnhance.Contrast(image).enhance(_factor(level)),
    "Sharpness": lambda image, level: ImageEnhance.Sharpness(image).enhance(_factor(level)),
    "Posterize": _posterize,
    "Solarize": _solarize,
    "AutoContrast": lambda image, level: ImageOps.autocontrast(image),
    "Equalize": lambda image, level: ImageOps.equalize(image),
}
"""By torchvision's names."""
