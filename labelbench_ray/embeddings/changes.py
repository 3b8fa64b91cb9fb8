"""Changes of a data set since it was embedded, as values and in words."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

SHOWN: Final = 3
"""Number of rows and files that are named; the others are counted."""


@dataclass(frozen=True, slots=True)
class RowChange:
    """Rows with one kind of change: how many, and the first of them."""

    count: int
    first: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SplitChanges:
    """What changed in the rows of one split."""

    split: str
    gone: RowChange
    new: RowChange
    repeated: RowChange
    """Ids that several rows have now."""
    relabeled: RowChange
    altered: RowChange
    """Rows of the same id with another payload."""

    def __bool__(self) -> bool:
        return any(each.count for each in (self.gone, self.new, self.repeated, self.relabeled, self.altered))

    def __str__(self) -> str:
        kinds = (
            (self.gone, "gone"),
            (self.new, "new"),
            (self.repeated, "repeated"),
            (self.relabeled, "with another label"),
            (self.altered, "with other content"),
        )
        found = [f"{_rows(each)} {words} ({_names(each.first, each.count)})" for each, words in kinds if each.count]
        return f"{self.split}: {', '.join(found)}"


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file that is not as it was recorded; `modified` in nanoseconds since 1970, None for one that is gone."""

    name: str
    modified: int | None

    def __str__(self) -> str:
        if self.modified is None:
            return f"{self.name} (gone)"
        if not self.modified:
            return self.name
        when = datetime.fromtimestamp(self.modified / 1e9, UTC).astimezone()
        return f"{self.name} (modified {when:%Y-%m-%d %H:%M:%S})"


@dataclass(frozen=True, slots=True)
class Changes:
    """All that changed in a data set."""

    splits: tuple[SplitChanges, ...]
    classes: str | None
    """How the class names changed, in words; None if they did not."""
    files: tuple[FileChange, ...]
    evaluation: str = ""
    """How the splits, their groups or facts changed; "" if they did not."""
    contents: tuple[str, ...] = ()
    """External files with other content, each in words."""

    def __str__(self) -> str:
        parts = [*map(str, self.splits), *filter(None, (self.classes, self.evaluation)), *self.contents]
        if self.files:
            shown = [str(file) for file in self.files[:SHOWN]]
            parts.append(f"files that changed: {_listed(shown, len(self.files))}")
        return "; ".join(parts) or "file names or sizes"


def class_change(before: tuple[str, ...], now: tuple[str, ...]) -> str | None:
    """How class names changed, in words; None if they did not."""
    if before == now:
        return None
    gone, new = ([name for name in one if name not in other] for one, other in ((before, now), (now, before)))
    found = [
        f"{kind} {_names(tuple(names[:SHOWN]), len(names))}" for kind, names in (("gone", gone), ("new", new)) if names
    ]
    return f"classes: {', '.join(found) or 'in another order'}"


def _rows(change: RowChange) -> str:
    return f"{change.count:,} row{'s' if change.count > 1 else ''}"


def _names(first: tuple[str, ...], count: int) -> str:
    return _listed([repr(name) for name in first], count)


def _listed(shown: list[str], count: int) -> str:
    return ", ".join(shown) + (f" and {count - len(shown):,} more" if count > len(shown) else "")
