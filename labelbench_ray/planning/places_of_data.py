"""Where the data of an experiment without a file lie, and how that maps on a data root and a `path` below it.

What people write is relative to the folder that they are in. A trial names its data relative to a data root, so that
its results are found again from any folder and on any machine.
"""

import difflib
import os
from dataclasses import dataclass
from pathlib import Path

from labelbench_ray import datasets, plugins
from labelbench_ray.datasets.files.places import locate
from labelbench_ray.datasets.recognition import Stated, recognized
from labelbench_ray.errors import ConfigError, NotProvidedError
from labelbench_ray.plugins import Part, notation
from labelbench_ray.storage.remote import is_remote

OPTION = "--dataset"


@dataclass(frozen=True, slots=True)
class FoundData:
    """A data set with the data root that its `path` is below."""

    dataset: Part
    root: Path
    what: str
    """In words, such as "an image folder"."""
    name: str
    """Its path below the root, or the data set's name."""


def find_data(text: str, root: Path, stated: Stated) -> FoundData:
    """The data set that a text names: a place of data, or a data set's name, which may have settings.

    A place is relative to the working directory, or lies below `root`. The data root is then `root` if the place lies
    below it, else the working directory if it lies below that, else the folder that it lies in.

    Raises:
        ConfigError: two places are meant.
        NotProvidedError: nothing is there.
        DataError: what is there is not a data set.
    """
    placed = place_below_root(text, root)
    if placed is not None:
        found = recognized(*placed, stated)
        return FoundData(found.dataset, placed[0], found.what, _without_suffix(placed[1]))
    known = plugins.names(datasets.PACKAGE)
    if text not in known and "(" not in text:
        raise NotProvidedError(
            f"{OPTION} {text!r}: nothing is there, neither in the working directory nor below the data root {root}"
            f"{_nearest(text, known)} give a folder or a file of data, or a data set by name "
            "(`labelbench list datasets`)"
        )
    if stated != Stated():
        raise ConfigError(
            f"{OPTION} {text}: a data set by name has columns and classes among its settings; write "
            f"{text.split('(')[0]}(label=..., ...) instead of options"
        )
    part = notation.part(text, OPTION)
    return FoundData(part, root, "a data set", part.name.rpartition(".")[2])


def _nearest(text: str, known: list[str]) -> str:
    """The name that may be meant: of what lies in that folder, or of a data set."""
    beside = [each.name for each in Path(os.path.abspath(text)).parent.glob("*") if not each.name.startswith(".")]
    nearest = difflib.get_close_matches(Path(text).name, [*beside, *known], n=1)
    return f"; did you mean {nearest[0]!r}? Else" if nearest else ";"


def place_below_root(text: str, root: Path) -> tuple[Path, str] | None:
    """The data root and the path below it that a text means; None if nothing is there.

    Raises:
        ConfigError: it means two places.
    """
    if "://" in text:
        return root, text.rstrip("/")
    here = Path(os.path.abspath(os.path.expanduser(text)))
    plain = not os.path.isabs(text) and text.split("/")[0] not in (".", "..", "~")
    below_root = plain and locate(root, text).exists()
    if is_remote(root):
        if below_root and not here.exists():
            return root, text.strip("/")
        return _below_folder(here) if here.exists() else None
    top = Path(os.path.abspath(root))
    there = Path(os.path.abspath(top / text))
    if below_root and here.exists() and here != there:
        raise ConfigError(
            f"{OPTION} {text}: both {here} and {there} are there; write ./{text} for the first, or "
            f"{os.path.relpath(there)} for the other"
        )
    place = here if here.exists() else there if below_root else None
    if place is None:
        return None
    below = _below(place, top)
    return (top, below) if below else _below_folder(place)


def _below_folder(place: Path) -> tuple[Path, str]:
    below = _below(place, Path.cwd())
    return (Path.cwd(), below) if below else (place.parent, place.name)


def _below(place: Path, folder: Path) -> str | None:
    """The path of a place below a folder, which it may reach through links; None if it lies elsewhere."""
    for each in (place, place.parent.resolve() / place.name):
        if folder in each.parents:
            return str(each.relative_to(folder))
    return None


def _without_suffix(path: str) -> str:
    """The path without the suffix of a file: `reviews` for `reviews.parquet`."""
    stem, suffix = os.path.splitext(path)
    return stem if suffix[1:].isalpha() else path
