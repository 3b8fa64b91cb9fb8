"""What a folder or file is: the data set that reads it, for people who name a place and write no Python."""

import difflib
from collections import Counter
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from labelbench_ray.datasets._findings import kind_of, suffix_of
from labelbench_ray.datasets.files.file_kinds import IMAGES, SOUNDS
from labelbench_ray.datasets.files.places import Place
from labelbench_ray.datasets.recognition.class_folders import IMAGE_FOLDER, SOUND_FOLDER, filled_folders
from labelbench_ray.datasets.recognition.rules import Rule, Stated
from labelbench_ray.datasets.recognition.tables import TABLES, names_files
from labelbench_ray.datasets.recognition.tar_files import TAR_FILES
from labelbench_ray.datasets.recognition.vector_files import VECTOR_FILES
from labelbench_ray.datasets.row_files.hub import open_top
from labelbench_ray.errors import ConfigError, DataError, NotProvidedError
from labelbench_ray.plugins import Part

__all__ = ["Recognized", "Rule", "Stated", "recognized"]
RULES: Final[tuple[Rule, ...]] = (TABLES, TAR_FILES, VECTOR_FILES, IMAGE_FOLDER, SOUND_FOLDER)
"""Asked in this order; the first that recognizes a place decides."""
ARCHIVES: Final = (".zip", ".gz", ".tgz", ".7z", ".rar")
MOST_KINDS: Final = 6


@dataclass(frozen=True, slots=True)
class Recognized:
    """The data set at a place."""

    dataset: Part
    what: str
    """In words, such as "an image folder"."""


def recognized(root: Path, path: str, stated: Stated) -> Recognized:
    """The data set that reads `path`, as its `path` setting means it: below `root`, a URI, or `hf://owner/name`, whose
    revision is pinned.

    Raises:
        NotProvidedError: nothing is there.
        DataError: what is there is not recognized, or it has no labels; the message states what to do.
        ConfigError: something is stated that this kind of data set does not have.
    """
    top = open_top(root, path)
    place, named = top.place, top.address
    if not place.exists():
        raise NotProvidedError(f"{place} is not there{_nearest(place)}; give a folder or a file of data")
    for rule in _rules(place, stated):
        if (dataset := rule.find(place, named, stated)) is not None:
            _refuse_unread(rule, place, stated)
            return Recognized(dataset, rule.what)
    raise DataError(
        f"{place}: not recognized as a data set: {_found(place)}; what is read: "
        f"{' or '.join(rule.wanted for rule in RULES)}"
    )


def _rules(place: Place, stated: Stated) -> tuple[Rule, ...]:
    """The rules to ask. Where class folders are filled, files of rows count only if they name files in the folders."""
    asked_for_rows = stated.label or stated.text or stated.image or stated.row_id
    if asked_for_rows or not place.is_folder():
        return RULES
    for kind, rule in ((IMAGES, IMAGE_FOLDER), (SOUNDS, SOUND_FOLDER)):
        if len(filled_folders(kind, place)) > 1 and not names_files(place):
            return (rule,)
    return RULES


def _found(place: Place) -> str:
    """What is there instead, in words, and the fix where there is one."""
    if not place.is_folder():
        suffix = suffix_of(place.name)
        return f"{suffix or 'no suffix'}{', an archive: unpack it and give the folder' if suffix in ARCHIVES else ''}"
    kinds = Counter(kind_of(info.base_name) for info in place.listing(recursive=True) if info.is_file)
    every = ", ".join(f"{kind} ({files:,} file{'s' * (files > 1)})" for kind, files in kinds.most_common(MOST_KINDS))
    return f"found {every}" if every else "the folder is empty"


def _refuse_unread(rule: Rule, place: Place, stated: Stated) -> None:
    for name in (field.name for field in fields(Stated)):
        if getattr(stated, name) and name not in rule.reads:
            raise ConfigError(
                f"--{name.replace('_', '-')}: {place} is {rule.what}, {rule.why_unread}; leave the option out"
            )


def _nearest(place: Place) -> str:
    if not place.folder.is_folder():
        return ""
    names = [info.base_name for info in place.folder.listing()]
    nearest = difflib.get_close_matches(place.name, names, n=1, cutoff=0.5)
    return f"; did you mean {nearest[0]!r}?" if nearest else ""
