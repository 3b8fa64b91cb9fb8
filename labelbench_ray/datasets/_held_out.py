"""Test and validation rows that are split off where the data have none: by a keyed hash of each row's id.

What is hashed has no name of the place: neither the folder of the class folders nor the only file of rows, so that
the same data under another name are split alike.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import TypeVar
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.datasets import FileTable, Split
from labelbench_ray.datasets._splits import all_rows, check_labeled, halved, unlabeled_rows
from labelbench_ray.types import Labels

KEY = b"labelbench: held-out rows"
T = TypeVar("T", bound=FileTable)
TEST, VALIDATION = 0.2, 0.1
MUCH_MORE = 1.5
"""A part that is larger than was wanted by this factor is stated."""


def split_off(
    tables: Mapping[str, FileTable], origins: Mapping[str, str], place_in_ids: str = ""
) -> tuple[dict[str, Split], dict[str, str]]:
    """`pool`, `validation` and `test`; what there is no table for is split off from `train`. And where each is from.

    A row's place depends on its id alone, without the name of the only folder or file, and on the ids of its class:
    rows that are added later leave most rows where they are, and the order in the files does not count. Of a train
    table with unlabeled rows all of it is the pool, and a single held-out table is halved.

    Args:
        tables: by part.
        origins: of each part, in words.
        place_in_ids: what every row id of `train` begins with that is the name of the place: `photos/`.
    """
    train = tables["train"]
    nothing = Split(train, range(0))
    found = {part: all_rows(tables[part]) for part in ("validation", "test") if part in tables}
    where = {part: origins[part] for part in found}
    if len(found) == 1 and len(unlabeled_rows(train)):
        (part,) = found
        return halved(train, tables[part]), {
            "pool": origins["train"],
            **dict.fromkeys(("validation", "test"), f"half of {origins[part]}"),
        }
    missing = {part: share for part, share in (("test", TEST), ("validation", VALIDATION)) if part not in found}
    if not missing or len(unlabeled_rows(train)):
        splits = {"pool": all_rows(train), **dict.fromkeys(missing, nothing), **found}
        return splits, {"pool": origins["train"], **where}
    parts_N = held_out_parts(_hashed_ids(train, place_in_ids), train.labels(range(len(train))), tuple(missing.values()))
    splits = {"pool": Split(train, np.flatnonzero(parts_N < 0)), **found}
    for number, (part, share) in enumerate(missing.items()):
        splits[part] = Split(train, np.flatnonzero(parts_N == number))
        real = len(splits[part]) / len(train)
        where[part] = f"{_percent(real)} of {origins['train']}, by a hash of each row id{_more(real, share)}"
    return splits, {"pool": f"{_percent(len(splits['pool']) / len(train))} of {origins['train']}", **where}


def _percent(share: float) -> str:
    return f"{share:.0%}".replace("%", " %") if share >= 0.005 else "under 1 %"


def _more(real: float, wanted: float) -> str:
    """Why a part is much larger than was wanted; nothing for others."""
    if real <= MUCH_MORE * wanted:
        return ""
    return f" ({_percent(wanted)} wanted, but classes are small and each has a row here)"


def _hashed_ids(table: FileTable, place: str) -> list[str]:
    """What is hashed of each row: its id in one form of Unicode, without the name of the place."""
    return [normalize("NFC", row_id.removeprefix(place)) for row_id in table.row_ids(range(len(table))).to_pylist()]


def labeled_parts(tables: Mapping[str, T]) -> tuple[dict[str, T], tuple[str, ...]]:
    """The tables without held-out ones that have no label at all, as the Hub's test splits often have; and notes.

    Raises:
        DataError: some held-out rows have no label.
    """
    used, notes = {"train": tables["train"]}, []
    for part in tables.keys() - {"train"}:
        table = tables[part]
        if len(unlabeled_rows(table)) == len(table):
            notes.append(f"{part}: {len(table):,} rows without labels, not used")
        else:
            check_labeled(table, f"rows of the split {part!r}")
            used[part] = table
    return used, tuple(sorted(notes))


def held_out_parts(row_ids: Sequence[str], labels_N: Labels, shares: Sequence[float]) -> NDArray[np.int64]:
    """(N,) the number of the part that each row is split off for, -1 for the others.

    The rows of a class in the order of their hashes: the first `shares[0]` of them, rounded, are part 0, the next ones
    part 1. A class of at least as many rows as there are parts and the rest has at least one row in each; of a smaller
    class the rest comes first. Rows with several labels each, or with numbers, are one class; so are all rows where no
    class is large enough for every part. Every row has a label.
    """
    hashes_N = np.array([_hash(row_id) for row_id in row_ids], np.uint64)
    together_N = np.zeros(len(row_ids), np.int64)
    by_class = labels_N.ndim == 1 and labels_N.dtype.kind in "iu"
    parts_N = _parts(hashes_N, labels_N if by_class else together_N, shares)
    lacking = len(np.unique(parts_N[parts_N >= 0])) < len(shares)
    return _parts(hashes_N, together_N, shares) if lacking else parts_N


def _parts(hashes_N: NDArray[np.uint64], strata_N: Labels, shares: Sequence[float]) -> NDArray[np.int64]:
    _, stratum_N, sizes_S = np.unique(strata_N, return_inverse=True, return_counts=True)
    order_N = np.lexsort((hashes_N, stratum_N))
    place_N = np.arange(len(order_N)) - np.repeat(np.cumsum(sizes_S) - sizes_S, sizes_S)
    parts_N = np.full(len(hashes_N), -1, np.int64)
    start_S = np.zeros_like(sizes_S)
    for number, share in enumerate(shares):
        count_S = np.minimum(np.maximum(1, np.rint(share * sizes_S).astype(np.int64)), sizes_S - start_S - 1)
        begin_N, end_N = (np.repeat(each_S, sizes_S) for each_S in (start_S, start_S + count_S))
        parts_N[order_N[(place_N >= begin_N) & (place_N < end_N)]] = number
        start_S += count_S
    return parts_N


def _hash(row_id: str) -> int:
    digest = blake2b(row_id.encode(errors="surrogatepass"), digest_size=8, key=KEY).digest()
    return int.from_bytes(digest, "big")
