"""The samples of a tar file as WebDataset writes them: members whose names are equal up to the first dot."""

import json
import tarfile
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import IO, Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from labelbench_ray.datasets._findings import HIDDEN, Kinds, hidden_kind
from labelbench_ray.datasets.files.places import FileState, Place
from labelbench_ray.errors import DataError

CLASS, JSON = "cls", "json"
LARGEST_LABEL: Final = 2**20
"""Bytes of a `.cls` or `.json` member."""
NO_FILE: Final = "a link or a device, not a file"
Label = int | str | list[Any] | None


@dataclass(frozen=True, slots=True)
class Member:
    """Where the bytes of a member lie in its tar file."""

    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Sample:
    """The members of a sample by what stands behind the first dot of their names, in lower case."""

    key: str
    members: Mapping[str, Member]
    cls: str | None
    """The text of `.cls`."""
    json_bytes: bytes | None

    @property
    def json(self) -> Mapping[str, Any] | None:
        """The object in `.json`, which was checked when the tar file was read."""
        if self.json_bytes is None:
            return None
        content: Mapping[str, Any] = json.loads(self.json_bytes)
        return content


@dataclass(frozen=True, slots=True, eq=False)
class Shard:
    """A tar file's S samples in order, of M members: packed, since objects would take ten times as much memory."""

    keys_S: Any
    """A pyarrow array of the bytes of keys, which need not be UTF-8."""
    ends_S: NDArray[np.int64]
    """The number of members up to the end of each sample."""
    extensions: tuple[str, ...]
    extension_M: NDArray[np.int64]
    """Places in `extensions`."""
    offset_M: NDArray[np.int64]
    size_M: NDArray[np.int64]
    cls_S: Any
    json_S: Any
    """Pyarrow arrays; null where a sample has no such member."""
    ignored: Kinds

    def __len__(self) -> int:
        return len(self.ends_S)

    def first(self, most: int) -> Iterator[Sample]:
        """At most this many samples."""
        return map(self.sample, range(min(most, len(self))))

    def key(self, number: int) -> str:
        """The key of the sample of this number."""
        key: bytes = self.keys_S[number].as_py()
        return key.decode(errors="surrogatepass")

    def sample(self, number: int) -> Sample:
        """The sample of this number."""
        begin, end = int(self.ends_S[number - 1]) if number else 0, int(self.ends_S[number])
        members = {
            self.extensions[self.extension_M[at]]: Member(int(self.offset_M[at]), int(self.size_M[at]))
            for at in range(begin, end)
        }
        return Sample(self.key(number), members, self.cls_S[number].as_py(), self.json_S[number].as_py())


@dataclass(slots=True)
class _Packing:
    """The samples of a tar file, while it is read."""

    keys: dict[str, None] = field(default_factory=dict)
    ends: "array[int]" = field(default_factory=lambda: array("q"))
    extensions: dict[str, int] = field(default_factory=dict)
    numbers: "array[int]" = field(default_factory=lambda: array("q"))
    offsets: "array[int]" = field(default_factory=lambda: array("q"))
    sizes: "array[int]" = field(default_factory=lambda: array("q"))
    texts: dict[str, list[bytes | None]] = field(default_factory=lambda: {CLASS: [], JSON: []})
    last: str | None = None

    def add(self, where: str, named: tuple[str, str], member: Member) -> None:
        """One more member; `DataError` for one that has been there, or whose key has."""
        key, extension = named
        if key != self.last and key in self.keys:
            raise DataError(
                f"{where}: the key {key!r} occurs twice, apart from its other members; keys "
                "are the ids of rows and must be distinct; write the tar again"
            )
        if key != self.last:
            self.keys[key], self.last = None, key
            self.ends.append(len(self.numbers))
            for texts in self.texts.values():
                texts.append(None)
        begin = self.ends[-2] if len(self.ends) > 1 else 0
        number = self.extensions.setdefault(extension, len(self.extensions))
        if number in self.numbers[begin:]:
            raise DataError(f"{where}: it occurs twice; write the tar again")
        self.numbers.append(number)
        self.offsets.append(member.offset)
        self.sizes.append(member.size)
        self.ends[-1] = len(self.numbers)

    def packed(self, place: Place, kinds: Kinds) -> Shard:
        """All of it, labels checked."""
        cls = [
            None if data is None else _text(f"{place}, member {f'{key}.{CLASS}'!r}", data)
            for key, data in zip(self.keys, self.texts[CLASS], strict=True)
        ]
        for key, data in zip(self.keys, self.texts[JSON], strict=True):
            if data is not None:
                _check_object(f"{place}, member {f'{key}.{JSON}'!r}", data)
        return Shard(
            pa.array([key.encode(errors="surrogatepass") for key in self.keys], pa.large_binary()),
            np.array(self.ends),
            tuple(self.extensions),
            np.array(self.numbers),
            np.array(self.offsets),
            np.array(self.sizes),
            pa.array(cls, pa.large_string()),
            pa.array(self.texts[JSON], pa.large_binary()),
            kinds,
        )


def read_shard(place: Place, state: FileState) -> Shard:
    """The samples of a tar file: reads the heads of its members, and those that hold labels.

    Raises:
        DataError: not a tar file (a compressed one is none), cut short, a key or a member twice, a label that cannot
            be read; names the member.
    """
    return _read(_Found(place, state))


@dataclass(frozen=True, slots=True)
class _Found:
    place: Place
    state: FileState

    def __hash__(self) -> int:
        return hash((self.place.path, self.state))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Found) and (self.place.path, self.state) == (other.place.path, other.state)


@lru_cache(maxsize=64)
def _read(found: _Found) -> Shard:
    place, kinds, packing = found.place, Counter[tuple[str, str]](), _Packing()
    with _opened(place) as (file, tar):
        while (info := tar.next()) is not None:
            tar.members.clear()  # type: ignore[attr-defined]  # the heads that it has read, which it would keep
            if (named := _name(info, kinds)) is None:
                continue
            where = f"{place}, member {info.name!r}"
            packing.add(where, named, Member(info.offset_data, info.size))
            if info.offset_data + info.size > found.state.size or info.sparse is not None:
                raise DataError(f"{where}: cut short, or sparse; copy the tar from its source")
            if named[1] in packing.texts:
                packing.texts[named[1]][-1] = _label_bytes(place, info, file)
    return packing.packed(place, kinds)


def _name(info: tarfile.TarInfo, kinds: Kinds) -> tuple[str, str] | None:
    """A member's key and what stands behind the first dot of its name; None for what is not a member of a sample."""
    if info.isdir():
        return None
    folder, _, name = info.name.removeprefix("./").rpartition("/")
    path = f"{folder}/{name}" if folder else name
    if hidden := hidden_kind(path):
        kinds[HIDDEN, hidden] += 1
        return None
    stem, dot, extension = name.partition(".")
    if not info.isfile() or not dot:
        kinds[NO_FILE if not info.isfile() else "no dot in its name, so no sample", name if not dot else extension] += 1
        return None
    return (f"{folder}/{stem}" if folder else stem), extension.lower()


def _label_bytes(place: Place, info: tarfile.TarInfo, file: IO[bytes]) -> bytes:
    if info.size > LARGEST_LABEL:
        raise DataError(f"{place}, member {info.name!r}: {info.size:,} bytes; a label has at most {LARGEST_LABEL:,}")
    file.seek(info.offset_data)  # the next head is sought where the tar's reader left
    return file.read(info.size)


def _text(where: str, data: bytes) -> str:
    try:
        return data.decode().strip()
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: {data[:20]!r} is not UTF-8; write the label as text") from error


def _check_object(where: str, data: bytes) -> None:
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not JSON ({error}); write an object such as {{'label': 'cat'}}") from error
    if not isinstance(content, dict):
        raise DataError(f"{where}: {str(content)[:40]!r} is not an object; write one such as {{'label': 'cat'}}")


@contextmanager
def _opened(place: Place) -> Iterator[tuple[IO[bytes], tarfile.TarFile]]:
    """A tar file without compression, for reading anywhere in it."""
    try:
        with (
            place.filesystem.open_input_file(place.path) as file,
            tarfile.open(fileobj=file, mode="r:", errorlevel=2) as tar,
        ):
            yield file, tar
    except (tarfile.TarError, OSError, EOFError, ValueError, OverflowError) as error:
        if isinstance(error, DataError):
            raise
        text = " ".join(str(error).split())[:120]
        raise DataError(
            f"{place}: not a tar file, compressed, or cut short ({text}); copy it from its source, and decompress it, "
            "so that single rows can be read"
        ) from error
