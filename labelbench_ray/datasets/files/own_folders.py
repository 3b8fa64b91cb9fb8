"""Folders of a data set's folder in which embeddings and results of ours are kept: people work where their data lie."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from labelbench_ray.datasets.files.places import Place

OWN: Final = "embeddings and results that are kept here"
KEY: Final = re.compile(r"[0-9a-f]{16}")
"""How folders of a store and of a trial are called."""
MARKERS: Final = frozenset({"lock", "manifest.json", "source.parquet", "trial.json"})
"""One of these lies in each of them."""
LOG: Final = "events.jsonl"
LOG_BEGINS: Final = re.compile(rb'\{"time": "[^"]*", "event": "')
"""The folder of an experiment has a log, from before anything else is written."""


def own_folders(top: Place, paths: Iterable[str]) -> Mapping[str, str]:
    """The folders of ours among the folders of these files, each with the folder that it is stated as: `store/`.

    `paths` are files below `top`, relative to it. `top` itself is never one of them: the user named it.
    """
    found: dict[str, str] = {}
    for path in paths:
        folder, _, name = path.rpartition("/")
        parent, _, last = folder.rpartition("/")
        if folder and ((name in MARKERS and KEY.fullmatch(last)) or (name == LOG and _is_log(top / path))):
            found[folder] = f"{parent or folder}/"
    return found


def own_folder(path: str, own: Mapping[str, str]) -> str | None:
    """What a file below one of these folders is stated as; None for any other file."""
    steps = path.split("/")
    return next((own[folder] for end in range(1, len(steps)) if (folder := "/".join(steps[:end])) in own), None)


def _is_log(place: Place) -> bool:
    try:
        with place.filesystem.open_input_file(place.path) as opened:
            return LOG_BEGINS.match(opened.read(200)) is not None
    except OSError:
        return False  # it is refused where it is read
