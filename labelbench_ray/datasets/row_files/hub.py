"""Data sets of the Hugging Face Hub: `hf://owner/name` is one revision of it, downloaded once into the Hub's cache."""

from dataclasses import dataclass
from pathlib import Path

from labelbench_ray.datasets.files.places import Place, locate

PREFIX = "hf://"


@dataclass(frozen=True, slots=True)
class Top:
    """Where the files of a data set lie."""

    place: Place
    facts: tuple[str, ...] = ()
    """What identifies its content besides the files."""
    notes: tuple[str, ...] = ()
    address: str = ""
    """The same with the revision pinned."""


def open_top(root: Path, path: str) -> Top:
    """The file or folder that a `path` setting means."""
    return Top(locate(root, path), address=path)
