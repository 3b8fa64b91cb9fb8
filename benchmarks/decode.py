"""Images a second of one core that reads JPEGs for a network of 224 x 224: decoded completely, and at a fraction.

.venv/bin/python benchmarks/decode.py [--images 12] [--repeats 5]

Measured: CPU seconds of `efficientnet_lite0`'s `decode` (open, upright RGB, resize) on made-up photos of several sizes
(smooth shapes under noise, quality 90), with `jpeg_decoding` `complete` and `scaled` (libjpeg-turbo's DCT scaling) in
turn; the medians. The difference is the mean over all pixels of the two results, in steps of 8-bit values. The target
holds for photos of 1600 x 1200. A photo whose shorter side is less than twice the network's gains nothing.
"""

import io
import statistics
import time
from typing import Any

import numpy as np
from machine import parser, show
from PIL import Image

from labelbench_ray.encoders import Encoder
from labelbench_ray.encoders.efficientnet_lite0 import EfficientnetLite0

SIZES = ((500, 375), (1024, 768), (1600, 1200), (4000, 3000))
TARGET_SIZE, TARGET_RATIO = (1600, 1200), 2.0
COMPLETE, SCALED = EfficientnetLite0(), EfficientnetLite0(jpeg_decoding="scaled")


def main() -> None:
    """Decode the same photos both ways, and show."""
    options = parser(__doc__)
    options.add_argument("--images", type=int, default=12)
    options.add_argument("--repeats", type=int, default=5)
    arguments = options.parse_args()
    measured = {f"{width} x {height}": both(width, height, arguments) for width, height in SIZES}
    ratio = measured["{} x {}".format(*TARGET_SIZE)]["ratio"]
    show("decode", measured, {"ratio_at_least": TARGET_RATIO, "of": TARGET_SIZE}, met=ratio >= TARGET_RATIO)


def both(width: int, height: int, arguments: Any) -> dict[str, float]:  # noqa: ANN401  of argparse
    """Images a CPU second, and how far the results are apart."""
    photos = [photo(width, height, seed) for seed in range(max(1, arguments.images * 500 // width))]
    pairs = [(seconds(COMPLETE, photos), seconds(SCALED, photos)) for _ in range(arguments.repeats)]
    complete, scaled = (len(photos) / statistics.median(side) for side in zip(*pairs, strict=True))
    apart = [
        np.abs(np.asarray(COMPLETE.decode(each), np.float32) - np.asarray(SCALED.decode(each), np.float32)).mean()
        for each in photos
    ]
    return {
        "complete_images_per_second": complete,
        "scaled_images_per_second": scaled,
        "ratio": scaled / complete,
        "mean_difference": float(np.mean(apart)),
    }


def photo(width: int, height: int, seed: int) -> bytes:
    """A JPEG of smooth shapes under noise."""
    generator = np.random.default_rng(seed)
    shapes = Image.fromarray(generator.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize((width, height))
    noise = generator.integers(-12, 13, (height, width, 3), dtype=np.int16)
    pixels = np.clip(np.asarray(shapes, np.int16) + noise, 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    return file.getvalue()


def seconds(encoder: Encoder, photos: list[bytes]) -> float:
    """CPU seconds of decoding all of them."""
    start = time.process_time()
    for each in photos:
        encoder.decode(each)
    return time.process_time() - start


if __name__ == "__main__":
    main()
