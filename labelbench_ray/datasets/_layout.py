"""Which files and folders are which split: `train`, `validation` (also `valid` or `val`) and `test`."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from pyarrow import fs

from labelbench_ray.datasets._findings import HIDDEN, Kinds, is_hidden, kind_of
from labelbench_ray.datasets._places import Place
from labelbench_ray.errors import DataError

VALIDATION = ("validation", "valid", "val")
"""Names of a held-out split that steers training."""
TEST = ("test",)
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


def beside(top: Place, used: Iterable[str]) -> Kinds:
    """What lies in the data set's folder and is none of its splits; `used`: the first steps of their paths."""
    kinds: Kinds = Counter()
    for info in top.listing() if top.is_folder() else ():
        if info.base_name in used:
            continue
        if info.type == fs.FileType.Directory:
            kinds[HIDDEN if is_hidden(info.base_name) else BESIDE, f"{info.base_name}/"] = 0
        elif info.base_name.startswith("."):
            kinds[HIDDEN, info.base_name] += 1
        else:
            kinds[BESIDE, kind_of(info.base_name)] += 1
    return kinds
