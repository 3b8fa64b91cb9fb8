"""Which files of a folder are which split: by what their names state, by the Hub's README, or by `save_to_disk`."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from pyarrow import fs

from labelbench_ray.datasets._findings import HIDDEN, NO_FILE, Kinds, hidden_kind, kind_of, suffix_of
from labelbench_ray.datasets.files.layout import BESIDE, WORDS, split_of
from labelbench_ray.datasets.files.own_folders import OWN, own_folder, own_folders
from labelbench_ray.datasets.files.places import Place, missing
from labelbench_ray.datasets.row_files.readme import data_files
from labelbench_ray.datasets.row_files.table_files import READERS
from labelbench_ray.errors import DataError, unknown

SUFFIXES = (".parquet", *READERS)
PARTS = ("train", "validation", "test")
NEUTRAL_FOLDERS = frozenset({"data", ""})
NAMED_BY_NONE = "named by no row"
STATING = frozenset({"state.json", "dataset_dict.json", "dataset_info.json", "README.md"})
"""Files that state what others hold."""
SAVED, SAVED_SPLITS = "state.json", "dataset_dict.json"


@dataclass(frozen=True, slots=True)
class SplitFiles:
    """The files of each split by name, the splits in order, and everything else that lies there."""

    files: Mapping[str, Mapping[str, Place]]
    hidden: Kinds = field(default_factory=Counter)
    beside: tuple[str, ...] = ()
    """Other files, by their relative paths."""
    notes: tuple[str, ...] = ()

    def ignored_but(self, named: Set[str]) -> Kinds:
        """What lies there and is not read, counted; without files that rows name."""
        kinds = Counter(self.hidden)
        named_kinds = {kind_of(name) for name in named}
        for name in self.beside:
            if name not in named and not _states(name):
                kinds[NAMED_BY_NONE if kind_of(name) in named_kinds else BESIDE, kind_of(name)] += 1
        return kinds


def find_splits(top: Place, config: str | None, named: Mapping[str, str], suffixes: Iterable[str]) -> SplitFiles:
    """The files of every split below a folder, or of the one file there.

    Args:
        top: a folder, or a file, which is `train`.
        config: a configuration of the Hub, or a folder below `top`.
        named: files, folders or patterns that the user names for splits.
        suffixes: of files of rows.

    Raises:
        NotProvidedError: nothing is there.
        DataError: it cannot be known which file is which split.
    """
    wanted = f"files of rows ({' '.join(suffixes)})"
    if not top.exists():
        raise missing(top, wanted)
    if not top.is_folder():
        if suffix_of(top.name) not in suffixes:
            raise DataError(f"{top}: {kind_of(top.name)} is not a format of rows; {wanted} are read")
        beside = visible_files(top.folder)[0] if named else {}
        others = {part: _matching(top.folder, beside, (name,), part, suffixes) for part, name in named.items()}
        return SplitFiles({"train": {top.name: top}} | others)
    visible, kinds = visible_files(top)
    if saved := _saved(top, visible):
        found = saved
    elif stated := data_files(top, config):
        found = {part: _matching(top, visible, patterns, part, suffixes) for part, patterns in stated.items()}
    else:
        found = _by_words(top, visible, config, suffixes, named)
    found |= {part: _matching(top, visible, (name,), part, suffixes) for part, name in named.items()}
    if "train" not in found:
        stated_names = ", ".join(f"{part}: {min(found[part])}" for part in sorted(found)) or "none"
        raise DataError(f"{top}: no split 'train' (splits: {stated_names}); name its files, as in train=\"rows.csv\"")
    files = {part: found[part] for part in sorted(found, key=_order)}
    used = {name for each in files.values() for name in each}
    return SplitFiles(files, kinds, tuple(name for name in visible if name not in used))


def _order(part: str) -> tuple[int, str]:
    return (PARTS.index(part) if part in PARTS else len(PARTS), part)


def visible_files(top: Place) -> tuple[dict[str, Place], Kinds]:
    """All files below a folder by their relative paths; and how many are hidden."""
    kinds: Kinds = Counter()
    visible: dict[str, Place] = {}
    listed = {info.path[len(top.path) :].lstrip("/"): info for info in top.listing(recursive=True)}
    files = {below: info for below, info in listed.items() if info.type != fs.FileType.Directory}
    own = own_folders(top, files)
    for below, info in files.items():
        if kept := own_folder(below, own):
            kinds[OWN, kept] += 1
        elif hidden := hidden_kind(below):
            kinds[HIDDEN, hidden] += 1
        elif info.type != fs.FileType.File:
            kinds[NO_FILE, kind_of(info.base_name)] += 1
        else:
            visible[below] = Place(top.filesystem, info.path)
    return visible, kinds


def _matching(
    top: Place, visible: Mapping[str, Place], patterns: Iterable[str], part: str, suffixes: Iterable[str]
) -> dict[str, Place]:
    """The files that patterns mean: a path, a folder, or steps with `*`, `?` and `**`."""
    found: dict[str, Place] = {}
    for pattern in patterns:
        wanted = pattern.removeprefix("./").strip("/")
        these = {
            name: place
            for name, place in visible.items()
            if name == wanted
            or _steps_match(name.split("/"), wanted.split("/"))
            or (name.startswith(f"{wanted}/") and suffix_of(name) in suffixes)
        }
        if not these:
            raise missing(top / pattern, f"the files of the split {part!r}")
        found |= these
    return found


def _steps_match(steps: list[str], pattern: list[str]) -> bool:
    if not pattern:
        return not steps
    if pattern[0] == "**":
        return any(_steps_match(steps[skipped:], pattern[1:]) for skipped in range(len(steps) + 1))
    return bool(steps) and fnmatchcase(steps[0], pattern[0]) and _steps_match(steps[1:], pattern[1:])


def _saved(top: Place, visible: Mapping[str, Place]) -> dict[str, dict[str, Place]]:
    """The files of a data set that `save_to_disk` wrote, or of several; nothing for other folders."""
    if SAVED_SPLITS in visible:
        splits = _read_json(top / SAVED_SPLITS).get("splits")
        if not isinstance(splits, list) or not all(isinstance(each, str) for each in splits):
            raise DataError(f"{top / SAVED_SPLITS}: 'splits' is {splits!r}; a list of names is needed; save it again")
        names: list[str] = splits
        return {WORDS.get(part.lower(), part): _saved_files(top, f"{part}/", visible) for part in names}
    return {"train": _saved_files(top, "", visible)} if SAVED in visible else {}


def _saved_files(top: Place, folder: str, visible: Mapping[str, Place]) -> dict[str, Place]:
    state = f"{folder}{SAVED}"
    if state not in visible:
        raise DataError(f"{top / state} is not there, although {SAVED_SPLITS} names its split; save the data set again")
    stated = _read_json(top / state)
    if stated.get("_indices_data_files"):
        raise DataError(f"{top / state}: rows are chosen by a file of indices; save flatten_indices() of it")
    try:
        names = [f"{folder}{each['filename']}" for each in stated["_data_files"]]
    except (KeyError, TypeError) as error:
        raise DataError(f"{top / state}: no list '_data_files' of files; save the data set again") from error
    if not names:
        raise DataError(f"{top / state}: '_data_files' is empty; save the data set again")
    for name in names:
        if name not in visible:
            raise DataError(f"{top / name} is not there, although {state} names it; copy it from its source")
    return {name: visible[name] for name in names}


def _read_json(place: Place) -> dict[str, Any]:
    try:
        content = json.loads(place.read())
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place}: not JSON, or cut short ({error}); copy it again from its source") from error
    if not isinstance(content, dict):
        raise DataError(f"{place}: not a JSON object; copy it again from its source")
    return content


def _by_words(
    top: Place, visible: Mapping[str, Place], config: str | None, suffixes: Iterable[str], named: Mapping[str, str]
) -> dict[str, dict[str, Place]]:
    """The files of each split by a word in their names (`labels_train.csv`, `data/train-0.parquet`, `test/a.csv`)."""
    rows = {name: place for name, place in visible.items() if suffix_of(name) in suffixes and not _states(name)}
    if config is not None:
        rows = {name: place for name, place in rows.items() if name.startswith(f"{config}/")}
        if not rows:
            folders = {name.split("/")[0] for name in visible if "/" in name}
            raise DataError(f"{top}: {unknown('folder of files of rows', config, folders)}")
    found: dict[str, dict[str, Place]] = {}
    for name, place in rows.items():
        if (part := split_of(name)) is not None and part not in named:
            found.setdefault(part, {})[name] = place
    for part, files in found.items():
        _refuse_mixed(top, part, files)
    if not found and "train" not in named:
        if not rows:
            have = ", ".join(sorted({kind_of(name) for name in visible})) or "no files"
            raise missing(top / "train.csv", f"files of rows ({' '.join(suffixes)}; found {have})")
        rows = _without_settings(rows)
        _refuse_unknown(top, rows)
        return {"train": rows}
    return found


def _without_settings(rows: dict[str, Place]) -> dict[str, Place]:
    """Rows without `.json` beside another format of rows: that is a schema, or settings."""
    return {name: place for name, place in rows.items() if suffix_of(name) != ".json"} or rows


def holds_rows(name: str) -> bool:
    """Whether the file of this relative path holds rows, as far as its name states that."""
    return suffix_of(name) in SUFFIXES and not _states(name)


def _refuse_mixed(top: Place, part: str, files: Mapping[str, Place]) -> None:
    """Refuse files of one split in several formats or of several configurations: they would be mixed."""
    if len(kinds := {suffix_of(name): name for name in files}) > 1:
        these = " and ".join(sorted(kinds.values()))
        example = min(kinds.values())
        raise DataError(f'{top}: {these} could be the split {part!r}; name the one that is meant: {part}="{example}"')
    homes = {tuple(step for step in name.split("/")[:-1] if not _is_neutral(step)): name for name in files}
    if len(homes) > 1:
        these = " and ".join(sorted(homes.values())[:3])
        raise DataError(
            f"{top}: {these} are of {len(homes)} data sets, which would be mixed; name the folder of one, as in "
            f'config="{"/".join(max(homes))}"'
        )


def _is_neutral(folder: str) -> bool:
    return folder in NEUTRAL_FOLDERS or split_of(folder) is not None


def _refuse_unknown(top: Place, rows: Mapping[str, Place]) -> None:
    """Refuse files without a word of a split unless they are one file, or shards that differ by numbers alone."""
    if len({re.sub(r"[0-9]+", "0", name) for name in rows}) > 1:
        these = ", ".join(sorted(rows)[:5])
        raise DataError(
            f"{top}: {len(rows)} files of rows and no word such as 'train' in their names ({these}); name the one that "
            f'is meant: train="{min(rows)}"'
        )


def _states(name: str) -> bool:
    return name.rsplit("/", 1)[-1] in STATING
