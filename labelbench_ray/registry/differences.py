"""The first place at which a table differs from what it should be."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

NAMES = {"fingerprint": "trial"}


def first_difference(given: Any, expected: Any, key: Sequence[str]) -> str:  # noqa: ANN401  pyarrow has no types
    """What is wrong, and in which row; "" where the tables have the same rows, in any order.

    Args:
        given: a table.
        expected: another with the same columns, whose keys are unique.
        key: the columns that name a row.
    """
    if given.equals(expected):
        return ""
    theirs, ours = _keys(given, key), _keys(expected, key)
    counts, wanted = Counter(theirs), Counter(ours)
    for row in ours:
        if row not in counts:
            return f"{_words(key, row)}: has no row here, and its ledger states one"
    for row in theirs:
        if row not in wanted:
            return f"{_words(key, row)}: no ledger states this row"
        if counts[row] > 1:
            return f"{_words(key, row)}: is there {counts[row]} times"
    places = {row: place for place, row in enumerate(theirs)}
    sorted_given = given.take([places[row] for row in ours])
    for name in expected.column_names:
        if not sorted_given[name].equals(expected[name]):
            pairs = zip(ours, sorted_given[name].to_pylist(), expected[name].to_pylist(), strict=True)
            for row, value, stated in pairs:
                if value != stated:
                    return f"{_words(key, row)}: {name} is {_short(value)}, its ledger states {_short(stated)}"
    return ""


def _keys(table: Any, key: Sequence[str]) -> list[tuple[Any, ...]]:  # noqa: ANN401
    return [*zip(*(table[name].to_pylist() for name in key), strict=True)]


def _words(key: Sequence[str], row: tuple[Any, ...]) -> str:
    return ", ".join(
        str(value) if name == "metric" else f"{NAMES.get(name, name)} {value}"
        for name, value in zip(key, row, strict=True)
    )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
