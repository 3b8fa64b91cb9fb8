"""The samples of a tar file as WebDataset writes them: members whose names are equal up to the first dot."""

import json
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import IO, Any, Final

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
    json: Mapping[str, Any] | None
    """The object in `.json`."""


@dataclass(frozen=True, slots=True)
class Shard:
    """A tar file's samples in order."""

    samples: tuple[Sample, ...]
    ignored: Kinds


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
    place, kinds = found.place, Counter[tuple[str, str]]()
    members: dict[str, dict[str, Member]] = {}
    texts: dict[tuple[str, str], bytes] = {}
    last = None
    with _opened(place) as (file, tar):
        for info in tar:
            if (named := _name(info, kinds)) is None:
                continue
            key, extension = named
            if key != last and key in members:
                raise DataError(
                    f"{place}, member {info.name!r}: the key {key!r} occurs twice, apart from its other members; keys "
                    "are the ids of rows and must be distinct; write the tar again"
                )
            if extension in members.setdefault(key, {}):
                raise DataError(f"{place}, member {info.name!r}: it occurs twice; write the tar again")
            if info.offset_data + info.size > found.state.size or info.sparse is not None:
                raise DataError(f"{place}, member {info.name!r}: cut short, or sparse; copy the tar from its source")
            members[key][extension] = Member(info.offset_data, info.size)
            last = key
            if extension in (CLASS, JSON):
                texts[key, extension] = _label_bytes(place, info, file)
    samples = tuple(_sample(place, key, each, texts) for key, each in members.items())
    return Shard(samples, kinds)


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


def _sample(place: Place, key: str, members: Mapping[str, Member], texts: Mapping[tuple[str, str], bytes]) -> Sample:
    cls, json_bytes = texts.get((key, CLASS)), texts.get((key, JSON))
    return Sample(
        key,
        members,
        None if cls is None else _text(f"{place}, member {f'{key}.{CLASS}'!r}", cls),
        None if json_bytes is None else _object(f"{place}, member {f'{key}.{JSON}'!r}", json_bytes),
    )


def _text(where: str, data: bytes) -> str:
    try:
        return data.decode().strip()
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: {data[:20]!r} is not UTF-8; write the label as text") from error


def _object(where: str, data: bytes) -> Mapping[str, Any]:
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not JSON ({error}); write an object such as {{'label': 'cat'}}") from error
    if not isinstance(content, dict):
        raise DataError(f"{where}: {str(content)[:40]!r} is not an object; write one such as {{'label': 'cat'}}")
    return content


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
