"""Opening encoded image bytes safely: for the encoders of images."""

import io
import warnings

from PIL import Image

from labelbench_ray.datasets import Payload

MAX_PIXELS = 64_000_000


def open_image(payload: Payload) -> Image.Image:
    """The decoded image, whatever its mode.

    Raises:
        ValueError: not bytes, empty, no image, truncated, or more than `MAX_PIXELS` pixels (a decompression bomb).
    """
    if not isinstance(payload, bytes):
        raise ValueError(f"payload is {type(payload).__name__}, an image encoder needs encoded image bytes")
    if not payload:
        raise ValueError("zero bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit is below
            image = Image.open(io.BytesIO(payload))
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(f"{image.width} x {image.height} pixels, at most {MAX_PIXELS} are decoded")
        image.load()
    except ValueError:
        raise
    except Exception as error:
        # Pillow's codecs raise OSError, SyntaxError, struct.error and others for damaged files; all mean "reject".
        raise ValueError(f"{type(error).__name__}: {error}") from error
    return image
