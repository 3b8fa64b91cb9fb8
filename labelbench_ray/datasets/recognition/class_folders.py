"""Folders of images or of sounds: split folders of class folders, or class folders alone."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from pyarrow import fs

from labelbench_ray.datasets._findings import is_hidden
from labelbench_ray.datasets.files.file_kinds import IMAGES, SOUNDS, FileKind
from labelbench_ray.datasets.files.folders import list_files
from labelbench_ray.datasets.files.layout import named_as_splits, split_of
from labelbench_ray.datasets.files.places import Place
from labelbench_ray.datasets.recognition.rules import Rule, Stated
from labelbench_ray.datasets.row_files.hub import PREFIX
from labelbench_ray.errors import DataError
from labelbench_ray.plugins import Part

USUAL: Final = {"train": "train", "validation": "validation", "test": "test"}
"""Folders that the data sets find without a setting."""


@dataclass(frozen=True, slots=True)
class Folders:
    """Class folders of one kind of files, and the data set that reads them."""

    kind: FileKind
    dataset: str
    fix: str
    """What to do where files have no labels; `{folder}` is theirs."""


IMAGE_FOLDERS: Final = Folders(
    IMAGES,
    "image_folder",
    "; put the images of each class into a folder that is named for it, such as {folder}/cat/1.jpg, or a CSV with the "
    "columns path,label beside them, or let people label them (docs/annotation.md: the data set 'unlabeled_images' and "
    'oracle="files")',
)
SOUND_FOLDERS: Final = Folders(
    SOUNDS,
    "sound_folder",
    "; put the sounds of each class into a folder that is named for it, such as {folder}/dog/1.wav, or a CSV with the "
    "columns path,label beside them",
)


def _find(folders: Folders, place: Place, path: str, stated: Stated) -> Part | None:
    if not place.is_folder():
        return None
    filled = filled_folders(folders.kind, place)
    if splits := _splits(folders, place, filled):
        return _part(folders, path, stated, **{part: name for part, name in splits.items() if name != USUAL.get(part)})
    if not filled:
        if loose := _files(folders.kind, place):
            what = folders.kind.plural if loose > 1 else folders.kind.one
            raise DataError(
                f"{place}: {loose:,} {what} and no class folders, so no labels to learn from"
                f"{folders.fix.format(folder=place.name)}"
            )
        return None
    if len(filled) == 1:
        _refuse_one_class(folders, place, filled[0])
    return _part(folders, path, stated, train=".")


def _part(folders: Folders, path: str, stated: Stated, **settings: str) -> Part:
    if path.startswith(PREFIX):
        raise DataError(
            f"{path}: class folders of {folders.kind.plural}, which are read from a folder; run `hf download "
            "--repo-type dataset OWNER/NAME --local-dir data` and give that folder"
        )
    classes = {"classes": list(stated.classes)} if stated.classes else {}
    return Part.of(folders.dataset, path=path, held_out="hash", **settings, **classes)


def _splits(folders: Folders, place: Place, filled: Sequence[str]) -> dict[str, str]:
    """The folder of each split, by the names of the filled folders; none where they are classes.

    Raises:
        DataError: folders are called as splits are, but it cannot be known which is which, or they hold no classes.
    """
    inner = {name: _class_level(folders.kind, place, name) for name in filled if split_of(name)}
    holding = [name for name, level in inner.items() if level is not None]
    called = [name for name in filled if name in holding or name in named_as_splits(filled)]
    if len(called) < 2 and not (holding and split_of(holding[0]) == "train"):
        return {}
    found: dict[str, str] = {}
    for name in called:
        part, level = str(split_of(name)), inner[name]
        if level is None:
            raise DataError(
                f"{place}: {name}/ is called as a split is, but holds no class folders, so its {folders.kind.plural} "
                f"have no labels; sort them into folders such as {name}/cat/, or move {name}/ out of {place.name}/"
            )
        if part in found:
            raise DataError(
                f"{place}: both {found[part]} and {level} could be the split {part!r}; move one of them out of it, or "
                f"name the one that is meant: --dataset '{folders.dataset}(path=..., {part}=\"{level}\")'"
            )
        found[part] = level
    if "train" not in found:
        these = " and ".join(f"{name}/" for name in called)
        raise DataError(f"{place}: {these} and no folder of training rows; call theirs train/")
    return found


def _class_level(kind: FileKind, place: Place, name: str) -> str | None:
    """The path below `place` of the class folders in a split's folder; None if it holds none.

    Some archives repeat the folder: `seg_train/seg_train/<class>`.
    """
    filled = filled_folders(kind, place / name)
    if len(filled) == 1 and split_of(filled[0]) == split_of(name):
        return _class_level(kind, place, f"{name}/{filled[0]}")
    return name if filled else None


def _refuse_one_class(folders: Folders, place: Place, name: str) -> None:
    """State what to do with a folder that holds one class, or one folder with the data set inside."""
    inner, what = place / name, folders.kind.plural
    below = filled_folders(folders.kind, inner)
    if len(below) > 1:
        raise DataError(
            f"{place}: its {what} lie in one folder, {name}/, which holds {len(below)} folders of {what}; give {inner}"
        )
    raise DataError(
        f"{place}: all {what} lie in one class folder, {name}/; at least 2 classes are needed"
        f"{folders.fix.format(folder=place.name)}"
    )


def _folders(place: Place) -> list[str]:
    return [
        info.base_name
        for info in place.listing()
        if info.type == fs.FileType.Directory and not is_hidden(info.base_name)
    ]


def filled_folders(kind: FileKind, place: Place) -> list[str]:
    """The folders in it that hold files of the kind, at any depth."""
    return [name for name in _folders(place) if _files(kind, place / name)]


def _files(kind: FileKind, folder: Place) -> int:
    return len(list_files(folder, folder, Counter(), kind).names_N)


def _rule(folders: Folders) -> Rule:
    one = f"<class>/<{folders.kind.one}>"
    return Rule(
        folders.kind.folder,
        f"{one} and train/{one}",
        frozenset({"classes"}),
        "which has no columns",
        partial(_find, folders),
    )


IMAGE_FOLDER: Final = _rule(IMAGE_FOLDERS)
SOUND_FOLDER: Final = _rule(SOUND_FOLDERS)
