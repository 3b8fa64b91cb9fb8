"""Findings of a data set besides its rows: the origin of each split, and which files are ignored and why."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

HIDDEN: Final = "hidden, or a tool's own"
NO_FILE: Final = "links to nothing, or no files"
TOOL_FOLDERS: Final = frozenset(
    {
        "@eaDir",
        "@Recycle",
        "#recycle",
        "#snapshot",
        "$RECYCLE.BIN",
        "__MACOSX",
        "__pycache__",
        "_delta_log",
        "_temporary",
        "lost+found",
        "mlartifacts",
        "mlruns",
        "System Volume Information",
    }
)
"""Folders that operating systems, network disks and other programs add, whose names do not begin with a dot."""

Kinds = Counter[tuple[str, str]]
"""Ignored files, counted by (why, what); 0 files: a folder that is named and not counted."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """Files of one kind, or a folder, that are not rows."""

    what: str
    """A suffix (`.txt`), a name (`.DS_Store`) or a folder (`@eaDir/`)."""
    files: int
    """0: not counted."""
    why: str


@dataclass(frozen=True, slots=True)
class Findings:
    """What a plan states about a data set besides its rows and classes."""

    origins: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """By split, the files that its rows come from, in words."""
    ignored: tuple[Ignored, ...] = ()
    notes: tuple[str, ...] = ()
    """Other facts worth a line: which column is the key, what was sampled."""


NOTHING_FOUND: Final = Findings()


def ignored(*kinds: Kinds) -> tuple[Ignored, ...]:
    """Counts of several places added up, the most frequent first."""
    together: Kinds = Counter()
    for each in kinds:
        together.update(each)  # `+` would drop what is not counted
    return tuple(
        Ignored(what, files, why) for (why, what), files in sorted(together.items(), key=lambda kind: (-kind[1], kind))
    )


def stated(notes: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Notes about the tables of a data set, by part; a note that holds for all parts appears once."""
    every = {note: [part for part in notes if note in notes[part]] for each in notes.values() for note in each if note}
    return tuple(
        note if len(parts) == len(notes) else f"{' and '.join(parts)}: {note}" for note, parts in every.items()
    )


def hidden_kind(below: str) -> str | None:
    """The hidden or tool's folder that a path lies in, or the kind of hidden file that it is; None for all others.

    `below` is relative to a folder that the user named: what lies above that folder does not count.
    """
    *folders, name = below.split("/")
    for folder in folders:
        if is_hidden(folder):
            return f"{folder}/"
    if not name.startswith("."):
        return None
    if name.startswith("._"):
        return "._*"
    suffix = suffix_of(name)
    return f".*{suffix}" if suffix else name


def is_hidden(folder: str) -> bool:
    """A folder of this name holds no rows."""
    return folder.startswith(".") or folder in TOOL_FOLDERS


def suffix_of(name: str) -> str:
    """The last suffix in lower case, with its dot; "" if there is none."""
    stem, _, suffix = name.rpartition(".")
    return f".{suffix.lower()}" if suffix and stem.strip(".") else ""


def kind_of(name: str) -> str:
    """A file's kind as a statement names it."""
    return suffix_of(name) or "no suffix"
