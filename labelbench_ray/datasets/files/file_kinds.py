"""The kinds of files whose every file is a row: which suffixes they have, and the words for them."""

from collections.abc import Callable
from dataclasses import dataclass

from labelbench_ray.datasets.files import image_formats, sound_formats


@dataclass(frozen=True, slots=True)
class FileKind:
    """A kind of files that encoders decode."""

    one: str
    plural: str
    folder: str
    """A folder of class folders of them, with its article."""
    suffixes: Callable[[], frozenset[str]]
    """In lower case, with their dots."""

    @property
    def refusal(self) -> str:
        """Why a file is not a row."""
        return f"not the suffix of {'an' if self.one[0] in 'aeiou' else 'a'} {self.one} that can be decoded"

    @property
    def misplaced(self) -> str:
        """Why a file beside the class folders is not a row."""
        return f"{self.plural} belong in their class's folder"


IMAGES = FileKind("image", "images", "an image folder", image_formats.suffixes)
SOUNDS = FileKind("sound", "sounds", "a sound folder", sound_formats.suffixes)
