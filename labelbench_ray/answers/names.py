"""Names as people and spreadsheets write them: other spaces, another form of Unicode, ids that became numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar
from unicodedata import normalize

Value = TypeVar("Value")


@dataclass(frozen=True)
class Names(Generic[Value]):
    """Values by name. A name with other spaces around it, or in another form of Unicode, finds the same value.

    Where several names differ in nothing else, each is found by its exact writing alone.
    """

    exact: Mapping[str, Value]
    """The values by their exact names."""

    def name(self, name: str) -> str | None:
        """The name that is meant; the exact one comes first."""
        return name if name in self.exact else self._folded.get(_folded(name))

    def find(self, name: str) -> Value | None:
        """Its value."""
        meant = self.name(name)
        return None if meant is None else self.exact[meant]

    def likely(self, name: str) -> str | None:
        """The name that a spreadsheet turned into this number: "00007" for "7" and "7.0"; None if there is none."""
        found = self._by_number.get(_number(name))
        return None if found is None or _folded(found) == _folded(name) else found

    @cached_property
    def _folded(self) -> Mapping[str, str]:
        found: dict[str, str] = {}
        several: set[str] = set()
        for name in self.exact:
            folded = _folded(name)
            if found.setdefault(folded, name) is not name:
                several.add(folded)
        return {folded: name for folded, name in found.items() if folded not in several}

    @cached_property
    def _by_number(self) -> Mapping[str, str]:
        """Built only for a name that is unknown: a pool may have millions."""
        found: dict[str, str] = {}
        for name in self.exact:
            found.setdefault(_number(name), name)
        return {number: name for number, name in found.items() if number}


def _folded(name: str) -> str:
    return normalize("NFC", name.strip())


def _number(name: str) -> str:
    """A name without what a spreadsheet drops or adds: "7" for "007", "7.0" and "7,0"; "" for zeros alone."""
    bare = name.strip().lstrip("0")
    whole, _, fraction = bare.replace(",", ".").partition(".")
    is_decimal = fraction.isdecimal() and (not whole or whole.isdecimal())
    return f"{whole}.{fraction}".rstrip("0").rstrip(".") if is_decimal else bare
