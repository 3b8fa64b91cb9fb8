"""Encoded images, decoded as people see them: the same for the encoders and for data sets that change images."""

from typing import Final

OUT_OF_MEMORY: Final = "decoding this row takes more memory than there is"
"""A reason to reject a row. The text is always the same, since a shard's hash covers it."""
