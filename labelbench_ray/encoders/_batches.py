"""Cutting what an encoder is given into the batches that its network takes."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.encoders import Decoded


def embed_images(
    decoded: Sequence[Decoded], batch: int, forward: Callable[[NDArray[np.uint8]], NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Embed images `batch` at a time, counted from the first, so that the same rows always share a batch."""
    return np.concatenate([forward(images_BHWC) for images_BHWC in image_batches(decoded, batch)])


def image_batches(decoded: Sequence[Decoded], batch: int) -> Iterator[NDArray[np.uint8]]:
    """Images (B, H, W, 3) or (B, H, W), `batch` at a time; slices without a copy where they lie in one array."""
    for start in range(0, len(decoded), batch):
        part: Any = decoded[start : start + batch]
        if not isinstance(part, np.ndarray):
            wrong = "an image encoder was given text that its own `decode` did not make"
            assert not any(isinstance(image, str) for image in part), wrong
            part = np.stack(part)
        yield part


@cache
def file_hash(path: Path) -> str:
    """SHA-256 of a file, read in pieces; once a process, since weights do not change under a run."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
