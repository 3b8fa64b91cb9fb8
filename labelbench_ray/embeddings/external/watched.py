"""Files that a store names, watched while a trial runs: a round is recorded only if none of them has changed."""

import os
from dataclasses import dataclass
from functools import cache

from labelbench_ray.embeddings.external.files import ExternalFile, hashed_file
from labelbench_ray.embeddings.origin import read_source
from labelbench_ray.embeddings.store import EmbeddingStore, Origin
from labelbench_ray.errors import ChangedDataError

AGAIN = (
    "while the trial ran, so no round was recorded of it; put the earlier file back and run the same command again, or "
    "name another --store and another --runs to start afresh; never write in place: write a new file and rename it"
)


@dataclass(frozen=True, slots=True)
class WatchedFile:
    """A file's size in bytes and time of modification in ns when a trial began."""

    path: str
    size: int
    modified: int


@dataclass(frozen=True, slots=True)
class WatchedFiles:
    """The files that hold a trial's embeddings; none where the store holds them."""

    files: tuple[WatchedFile, ...] = ()

    def check(self) -> None:
        """Refuse a file that has changed since the trial began; reads nothing.

        Raises:
            ChangedDataError: names it, and what differs.
        """
        for before in self.files:
            now = _state(before.path)
            if now.size != before.size:
                raise ChangedDataError(f"{now.path}: {now.size:,} bytes instead of {before.size:,}, changed {AGAIN}")
            if now.modified != before.modified:
                raise ChangedDataError(f"{now.path}: written again {AGAIN}")


def watched_files(origin: Origin | None) -> WatchedFiles:
    """The files that a store names, as they are now; those that differ from what was recorded last are read.

    Raises:
        ChangedDataError: one holds other embeddings than the store was made from.
    """
    if origin is None or not _names_files(origin):
        return WatchedFiles()
    recorded = read_source(origin.directory)
    columns = recorded.files.select(["name", "size", "modified"]).to_pylist() if recorded else []
    known = {(os.path.basename(each["name"]), each["size"], each["modified"]) for each in columns}
    found = []
    for array in EmbeddingStore.open(origin.directory).manifest.external:
        for file in () if array.converted else array.files:
            now = _state(file.path)
            if (os.path.basename(now.path), now.size, now.modified) not in known:
                _check_content(file)
            found.append(now)
    return WatchedFiles(tuple(found))


@cache
def _names_files(origin: Origin) -> bool:
    return bool(EmbeddingStore.open(origin.directory).manifest.external)


def _check_content(file: ExternalFile) -> None:
    there = hashed_file(file.path)
    if there.sha256 != file.sha256:
        raise ChangedDataError(
            f"{file.path}: SHA-256 {there.sha256[:12]} instead of {file.sha256[:12]}, changed {AGAIN}"
        )


def _state(path: str) -> WatchedFile:
    try:
        state = os.stat(path)
    except OSError as error:
        raise ChangedDataError(f"{path}: {error.strerror}, changed {AGAIN}") from error
    return WatchedFile(path, state.st_size, state.st_mtime_ns)
