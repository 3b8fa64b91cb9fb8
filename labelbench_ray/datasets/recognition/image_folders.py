"""Image folders: split folders of class folders, or class folders alone."""

from collections import Counter
from typing import Final

from pyarrow import fs

from labelbench_ray.datasets._findings import Kinds, is_hidden
from labelbench_ray.datasets.files.folders import list_files
from labelbench_ray.datasets.files.places import Place
from labelbench_ray.datasets.recognition.rules import Rule, Stated
from labelbench_ray.datasets.row_files.hub import PREFIX
from labelbench_ray.errors import DataError
from labelbench_ray.plugins import Part

LABELED_NOTHING: Final = (
    "; put the images of each class into a folder that is named for it, such as {folder}/cat/1.jpg, or let people "
    "label them (docs/annotation.md: the data set 'unlabeled_images' and oracle=\"files\")"
)


def _find(place: Place, path: str, stated: Stated) -> Part | None:
    if not place.is_folder():
        return None
    counts = {name: _images(place, name) for name in _folders(place)}
    filled = [name for name, count in counts.items() if count]
    if "train" in filled:
        return _part(path, stated)
    if not filled:
        if loose := _images(place, ""):
            raise DataError(
                f"{place}: {loose:,} image{'s' * (loose > 1)} and no class folders, so no labels to learn from"
                f"{LABELED_NOTHING.format(folder=place.name)}"
            )
        return None
    if len(filled) == 1:
        _refuse_one_class(place, filled[0])
    return _part(path, stated, train=".")


def _part(path: str, stated: Stated, **settings: str) -> Part:
    if path.startswith(PREFIX):
        raise DataError(
            f"{path}: class folders of images, which are read from a folder; run `hf download --repo-type dataset "
            "OWNER/NAME --local-dir photos` and give that folder"
        )
    classes = {"classes": list(stated.classes)} if stated.classes else {}
    return Part.of("image_folder", path=path, held_out="hash", **settings, **classes)


def _refuse_one_class(place: Place, name: str) -> None:
    """State what to do with a folder that holds one class, or one folder with the data set inside."""
    inner = place / name
    below = [each for each in _folders(inner) if _images(inner, each)]
    if len(below) > 1:
        raise DataError(
            f"{place}: its images lie in one folder, {name}/, which holds {len(below)} folders of images; give {inner}"
        )
    raise DataError(
        f"{place}: all images lie in one class folder, {name}/; at least 2 classes are needed"
        f"{LABELED_NOTHING.format(folder=place.name)}"
    )


def _folders(place: Place) -> list[str]:
    return [
        info.base_name
        for info in place.listing()
        if info.type == fs.FileType.Directory and not is_hidden(info.base_name)
    ]


def _images(place: Place, name: str) -> int:
    """Images below a folder in it, at any depth; of the place itself for ""."""
    kinds: Kinds = Counter()
    return len(list_files(place, place / name if name else place, kinds).names_N)


IMAGE_FOLDER: Final = Rule(
    "an image folder",
    "<class>/<image> and train/<class>/<image>",
    frozenset({"classes"}),
    "which has no columns",
    _find,
)
