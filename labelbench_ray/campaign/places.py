"""Where campaigns lie, and which data set a place of unlabeled data is."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from labelbench_ray import datasets, plugins
from labelbench_ray.campaign.record import CAMPAIGN, SUFFIX
from labelbench_ray.datasets import Dataset, Modality, Source
from labelbench_ray.datasets.files.file_kinds import FileKind
from labelbench_ray.datasets.files.places import Place, locate
from labelbench_ray.datasets.recognition import Stated, recognized
from labelbench_ray.datasets.row_files.split_files import holds_rows, visible_files
from labelbench_ray.datasets.unlabeled_folder import KINDS
from labelbench_ray.errors import ConfigError, DataError, NotProvidedError
from labelbench_ray.planning.places_of_data import FoundData, find_data, place_below_root
from labelbench_ray.planning.quick import experiment_name
from labelbench_ray.plugins import Part
from labelbench_ray.storage.remote import is_remote

UNNAMED: Final = ("?", "??")
"""Stand in the embedding store for classes that the answers will name: embeddings do not depend on them."""
OTHER_FILES: Final = (".tar", ".npy", ".npz")


@dataclass(frozen=True, slots=True)
class FoundPool:
    """The data set of a pool, and what is known of its classes."""

    data: FoundData
    classes: tuple[str, ...] | None
    """In order; None: the answers name them."""

    @property
    def name(self) -> str:
        """Of the campaign's folder."""
        return f"{experiment_name(self.data)}{SUFFIX}"


def find_pool(text: str, root: Path, stated: Stated) -> FoundPool:
    """The pool that a text names: a folder of images or sounds, files of rows, or a data set by name.

    A folder of images or sounds is read as unlabeled at any depth. Labels in files of rows are not read as answers;
    where such files state no classes, the answers name them. The data root of a place is the folder that it lies in, so
    that the pool is the same one from every working directory.

    Raises:
        UserError: as from `find_data`.
    """
    placed = place_below_root(text, root)
    if placed is None:
        if "(" not in text and text not in plugins.names(datasets.PACKAGE):
            raise NotProvidedError(
                f"POOL {text}: nothing is there, neither in the working directory nor below {root}; give a folder or a "
                "file of data, or a data set by name (`labelbench list datasets`)"
            )
        found = find_data(text, root, stated)
        return FoundPool(found, _opened(found).classes)
    top, path = placed
    if "://" not in path and not is_remote(top):
        place = top / path
        top, path = place.parent, place.name
    declared = stated.classes or None
    kind = _loose_files(locate(top, path)) if stated == Stated(classes=stated.classes) else None
    if kind is not None:
        modality, files = kind
        part = Part.of("unlabeled_folder", path=path, payload=modality.value, classes=declared or UNNAMED)
        return FoundPool(FoundData(part, top, f"a folder of {files.plural}", path), declared)
    if declared:
        return FoundPool(_found(top, path, stated), declared)
    try:
        found = _found(top, path, stated)
        return FoundPool(found, _opened(found).classes)
    except DataError as error:
        try:
            _opened(found := _found(top, path, replace(stated, classes=UNNAMED)))
        except DataError:
            raise error from None
        return FoundPool(found, None)


def _found(top: Path, path: str, stated: Stated) -> FoundData:
    """What is recognized at a place."""
    found = recognized(top, path, stated)
    return FoundData(found.dataset, top, found.what, path)


def _opened(found: FoundData) -> Source:
    return plugins.build(Dataset, datasets.PACKAGE, found.dataset).open(found.root)


def _loose_files(place: Place) -> tuple[Modality, FileKind] | None:
    """The kind of files that a folder holds, where no file in it lists rows; None for other data."""
    if not place.exists() or not place.is_folder():
        return None
    names = visible_files(place)[0]
    if any(holds_rows(name) or name.lower().endswith(OTHER_FILES) for name in names):
        return None
    for modality, kind in KINDS.items():
        if any(name.lower().endswith(tuple(kind.suffixes())) for name in names):
            return modality, kind
    return None


def campaigns_below(runs: Path) -> list[Path]:
    """The folders of campaigns in `runs`, by name."""
    if not runs.is_dir():
        return []
    return sorted(folder for folder in runs.iterdir() if (folder / CAMPAIGN).is_file())


def the_campaign(given: Path | None, runs: Path) -> Path:
    """The folder that is given, or the one campaign in `runs`.

    Raises:
        ConfigError: there is none, or there are several; lists them.
    """
    if given is not None:
        return given
    found = campaigns_below(runs)
    if len(found) == 1:
        return found[0]
    if not found:
        raise ConfigError(
            f"--runs {runs}: no campaign in it; `labelbench annotate propose POOL --budget N --out DIR` begins one, "
            "and --campaign DIR names one that lies elsewhere"
        )
    raise ConfigError(f"{len(found)} campaigns; name one with --campaign:{_listed(found)}")


def _listed(folders: Sequence[Path]) -> str:
    return "".join(f"\n  --campaign {folder}" for folder in folders)


def shown_path(path: Path) -> str:
    """A path, relative to the working directory where it lies in it."""
    absolute = Path(os.path.abspath(path))
    return str(absolute.relative_to(Path.cwd())) if Path.cwd() in absolute.parents else str(absolute)
