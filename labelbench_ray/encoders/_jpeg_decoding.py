"""How many pixels of a JPEG an encoder has decoded: a setting of the encoders of images."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import JsonValue

from labelbench_ray.plugins import Plugin


class JpegDecoding(Plugin):
    """Settings of encoders that read images: how many pixels of a JPEG are decoded."""

    neutral_settings: ClassVar[Mapping[str, JsonValue]] = {"jpeg_decoding": "complete"}
    jpeg_decoding: Literal["complete", "scaled"] = "complete"
    """`scaled` decodes a JPEG at 1/2, 1/4 or 1/8 of its sides, as far as no side gets shorter than what the network
    takes: large photos decode several times as fast, and their embeddings differ a little."""

    def least_side(self, longer: int) -> int | None:
        """How long the shorter side of a decoded JPEG stays; None: it is decoded completely.

        Args:
            longer: the longer side of what the network takes.
        """
        return longer if self.jpeg_decoding == "scaled" else None

    def describe_decoding(self) -> str:
        """What it does to pixels, for the manifest; "" where nothing."""
        return "JPEG decoded at 1/2, 1/4 or 1/8 (libjpeg), " if self.jpeg_decoding == "scaled" else ""
