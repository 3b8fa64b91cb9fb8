"""What a rule of recognition is, and what people state about their data beside the place."""

from collections.abc import Callable
from dataclasses import dataclass

from labelbench_ray.datasets.files.places import Place
from labelbench_ray.plugins import Part


@dataclass(frozen=True, slots=True)
class Stated:
    """Only what the files do not show; an option of the command line each."""

    label: str | None = None
    """The column of labels."""
    text: str | None = None
    """The column of texts."""
    image: str | None = None
    """The column of images."""
    row_id: str | None = None
    """The column of unique ids."""
    classes: tuple[str, ...] = ()
    """Class names in order."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of data set."""

    what: str
    """In words, such as "an image folder"."""
    wanted: str
    """What it looks for."""
    reads: frozenset[str]
    """The fields of `Stated` that it reads."""
    why_unread: str
    """Why it does not read the others."""
    find: Callable[[Place, str, Stated], Part | None]
    """The data set at a place that a `path` setting means; None if it is of another kind."""
