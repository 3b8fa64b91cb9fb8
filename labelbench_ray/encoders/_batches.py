"""Cutting what an encoder is given into the batches that its network takes."""

import hashlib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.encoders import Decoded


def embed_images(
    decoded: Sequence[Decoded], batch: int, forward: Callable[[NDArray[np.uint8]], NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Embed images `batch` at a time, counted from the first, so that the same rows always share a batch."""
    images = [image for image in decoded if not isinstance(image, str)]
    assert len(images) == len(decoded), "an image encoder was given text that its own `decode` did not make"
    starts = range(0, len(images), batch)
    return np.concatenate([forward(np.stack(images[start : start + batch])) for start in starts])


@cache
def file_hash(path: Path) -> str:
    """SHA-256 of a file, read in pieces; once a process, since weights do not change under a run."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
