"""Folders of images or of sounds: split folders of class folders, or class folders alone."""

from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import Final

from pyarrow import fs

from labelbench_ray.datasets._findings import Kinds, is_hidden
from labelbench_ray.datasets.files.file_kinds import IMAGES, SOUNDS, FileKind
from labelbench_ray.datasets.files.folders import list_files
from labelbench_ray.datasets.files.places import Place
from labelbench_ray.datasets.recognition.rules import Rule, Stated
from labelbench_ray.datasets.row_files.hub import PREFIX
from labelbench_ray.errors import DataError
from labelbench_ray.plugins import Part


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
    counts = {name: _files(folders, place, name) for name in _folders(place)}
    filled = [name for name, count in counts.items() if count]
    if "train" in filled:
        return _part(folders, path, stated)
    if not filled:
        if loose := _files(folders, place, ""):
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


def _refuse_one_class(folders: Folders, place: Place, name: str) -> None:
    """State what to do with a folder that holds one class, or one folder with the data set inside."""
    inner, what = place / name, folders.kind.plural
    below = [each for each in _folders(inner) if _files(folders, inner, each)]
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


def _files(folders: Folders, place: Place, name: str) -> int:
    """Files of the kind below a folder in it, at any depth; of the place itself for ""."""
    kinds: Kinds = Counter()
    return len(list_files(place, place / name if name else place, kinds, folders.kind).names_N)


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
