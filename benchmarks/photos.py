"""A folder of generated photos, one folder a class: what people have who want an answer without writing Python."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

CLASSES = ("ladybird", "Käfer", "red apple")
"""A small red disk with dots, one with a line, and one with a stalk."""
PIXELS = 320
DARK = (20, 20, 20)


def make_photos(folder: Path, images: int, seed: int = 0) -> None:
    """`<folder>/<class>/photo NNNN.jpg`: a small shape among leaves and lines, at a random place, on noise."""
    rng = np.random.default_rng(seed)
    for number in range(images):
        name = CLASSES[number % len(CLASSES)]
        file = folder / name / f"photo {number:04d}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        _photo(name, rng).save(file, quality=90)


def _photo(name: str, rng: np.random.Generator) -> Image.Image:
    background = rng.integers(40, 216, (PIXELS // 16, PIXELS // 16, 3), dtype=np.uint8)
    image = Image.fromarray(background).resize((PIXELS, PIXELS), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for x, y, dx, dy in rng.uniform(0, 1, (12, 4)) * (PIXELS, PIXELS, 60, 60):
        color = tuple(rng.integers([0, 60, 0], [120, 200, 90]).tolist())
        draw.ellipse([x, y, x + dx, y + dy], fill=color)
        draw.line([x, y, x + dx, y + dy], fill=DARK, width=4)
    radius = float(rng.uniform(18, 40))
    x, y = rng.uniform(radius, PIXELS - radius, 2)
    color = tuple(rng.integers([140, 0, 0], [256, 90, 90]).tolist())
    draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=color)
    if name == CLASSES[0]:
        for dot_x, dot_y in rng.uniform(-radius / 2, radius / 2, (5, 2)):
            draw.ellipse([x + dot_x - 4, y + dot_y - 4, x + dot_x + 4, y + dot_y + 4], fill=DARK)
    elif name == CLASSES[1]:
        draw.line([x, y - radius, x, y + radius], fill=DARK, width=4)
    else:
        draw.line([x, y - radius, x + 5, y - radius * 1.6], fill=DARK, width=4)
    noisy = np.asarray(image, np.float64) + rng.normal(0, 20, (PIXELS, PIXELS, 3))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
