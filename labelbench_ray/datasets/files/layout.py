"""Which files and folders are which split: `train`, `validation` (also `valid` or `val`) and `test`."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase

from pyarrow import fs

from labelbench_ray.datasets._findings import HIDDEN, Kinds, hidden_kind, is_hidden, kind_of
from labelbench_ray.datasets.files.places import Place
from labelbench_ray.errors import DataError

VALIDATION = ("validation", "valid", "val")
"""Names of a held-out split that steers training."""
TEST = ("test",)
WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""What splits are called in the names of files and folders."""
BESIDE = "beside the splits, name it in a setting to read it"
SPLIT_WORD = re.compile(r"(train|validation|valid|val|test)(?![a-z])", re.IGNORECASE)


def one_of(words: Sequence[str], found: Callable[[str], str | None], top: Place) -> str | None:
    """What `found` gives for the one of these words that it gives something for; None when it never does.

    Raises:
        DataError: it gives something for several words, and only the user knows which is meant.
    """
    names = [name for word in words if (name := found(word)) is not None]
    if len(names) > 1:
        raise DataError(
            f"{top}: both {names[0]} and {names[1]} could be the split {words[0]!r}; name the one that is meant, as in "
            f'{words[0]}="{names[0]}"'
        )
    return names[0] if names else None


def split_of(name: str) -> str | None:
    """The split that a relative path states, by a word in the file's name or in its folders, the nearest first."""
    *folders, file = name.split("/")
    for step in (file, *reversed(folders)):
        words = [WORDS[word] for word in re.split(r"[^a-z]+", step.lower()) if word in WORDS]
        if words:
            return words[0]
    return None


def named_as_splits(names: Iterable[str]) -> list[str]:
    """The folders that are called as splits are: `Train`, `dev`; or all of them, if each states one (`seg_train`)."""
    every = list(names)
    if every and all(split_of(name) for name in every):
        return every
    return [name for name in every if name.lower() in WORDS]


def validation_name(folder: Place, suffix: str) -> str | None:
    """The name of the validation split; None if there is none. Errors as from `one_of`."""

    def found(word: str) -> str | None:
        return f"{word}{suffix}" if (folder / f"{word}{suffix}").exists() else None

    return one_of(VALIDATION, found, folder)


def split_words(paths: Iterable[str]) -> dict[str, str]:
    """The splits that relative paths are named for (`train-0.parquet`, `test/a.png`), each with its first path."""
    words: dict[str, str] = {}
    for path in paths:
        for part in path.split("/"):
            if match := SPLIT_WORD.match(part):
                word = match[1].lower()
                words.setdefault("validation" if word in VALIDATION else word, path)
                break
    return words


def parquet_files(top: Place, word: str) -> str | None:
    """How a split's parquet files are named below a folder; None: there are none.

    A file or folder `train.parquet`, shards `train-*.parquet`, a folder `train`; or shards in `data/`, as the Hugging
    Face hub lays them out.
    """
    if (top / f"{word}.parquet").exists():
        return f"{word}.parquet"
    for shards in (f"{word}-*.parquet", f"data/{word}-*.parquet"):
        if top.matching(shards):
            return shards
    folder = top / word
    for info in folder.listing(recursive=True) if folder.is_folder() else ():
        below = info.path[len(folder.path) :].lstrip("/")
        if info.type == fs.FileType.File and below.endswith(".parquet") and hidden_kind(below) is None:
            return word
    return None


def beside(top: Place, used: Iterable[str]) -> Kinds:
    """Files and folders beside the splits: in the data set's folder, and in folders of its splits' files.

    `used` are paths below it, which may hold patterns.
    """
    kinds: Kinds = Counter()
    last_steps: dict[str, set[str]] = {"": set()}
    for path in used:
        folder, _, last = path.strip("/").rpartition("/")
        last_steps.setdefault(folder, set()).add(last)
        last_steps[""].add(path.strip("/").split("/")[0])
    for folder, names in last_steps.items():
        _count_beside(top / folder if folder else top, names, kinds)
    return kinds


def _count_beside(folder: Place, names: Iterable[str], kinds: Kinds) -> None:
    for info in folder.listing() if folder.is_folder() else ():
        name = info.base_name
        if name in names or any(fnmatchcase(name, pattern) for pattern in names):
            continue
        if info.type == fs.FileType.Directory:
            kinds[HIDDEN if is_hidden(name) else BESIDE, f"{name}/"] = 0
        elif hidden := hidden_kind(name):
            kinds[HIDDEN, hidden] += 1
        else:
            kinds[BESIDE, kind_of(name)] += 1
