"""Tar files of samples, as WebDataset writes them."""

from typing import Final

from labelbench_ray.datasets import Modality
from labelbench_ray.datasets._findings import suffix_of
from labelbench_ray.datasets.files.places import FileState, Place
from labelbench_ray.datasets.recognition.rules import Rule, Stated
from labelbench_ray.datasets.row_files.hub import config_of
from labelbench_ray.datasets.row_files.split_files import find_splits, visible_files
from labelbench_ray.datasets.row_files.tar_members import Shard, read_shard
from labelbench_ray.datasets.webdataset import SUFFIXES, fits
from labelbench_ray.errors import DataError
from labelbench_ray.plugins import Part


def _find(place: Place, path: str, stated: Stated) -> Part | None:
    names = visible_files(place)[0] if place.is_folder() else [place.name]
    if not any(suffix_of(name) in SUFFIXES for name in names):
        return None
    first = next(iter(find_splits(place, config_of(path), {}, SUFFIXES).files["train"].values()))
    info = first.info()
    shard = read_shard(first, FileState(int(info.size), info.mtime_ns or 0))
    settings = {"label": stated.label} if stated.label else {}
    settings |= {"label_list": _list_key(shard)} if not stated.label and _list_key(shard) else {}
    classes = {"classes": list(stated.classes)} if stated.classes else {}
    return Part.of("webdataset", path=path, payload=_modality(first, shard), **settings, **classes)


def _modality(place: Place, shard: Shard) -> str:
    """The kind of payload of a tar file's first samples."""
    found = [name for sample in shard.first(20) for name in sample.members]
    for modality in Modality:
        if any(fits(name, modality) for name in found):
            return modality
    have = ", ".join(sorted({f".{name}" for name in found})) or "nothing"
    raise DataError(f"{place}: no member is a payload (found {have}); .jpg, .png, .txt and such are read")


def _list_key(shard: Shard) -> str:
    """The key of `.json` that holds lists of labels, if no member and no key holds one label."""
    for sample in shard.first(20):
        if sample.cls is None and sample.json is not None:
            lists = [key for key in ("label", "labels") if isinstance(sample.json.get(key), list)]
            if lists:
                return lists[0]
    return ""


TAR_FILES: Final = Rule(
    "tar files of samples",
    "tar files (.tar)",
    frozenset({"label", "classes"}),
    "whose rows are named by their members",
    _find,
)
