"""Where a task's page gets an image or a sound from: the server's disk, the task itself, or another server."""

import base64
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import quote, urlsplit

from labelbench_ray.answers.to_show import FileAt, ToShow
from labelbench_ray.errors import ConfigError

MOST_EMBEDDED: Final = 1_000_000
"""Bytes of a file that a task itself may hold: the page of every annotator loads them with each listing of tasks."""
SIGNATURES: Final = (
    (b"\x89PNG\r\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"fLaC", "audio/flac"),
)
RIFF: Final = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}

Address = Callable[[ToShow], str]
"""The address that a task's page loads a row from."""


@dataclass(frozen=True, slots=True)
class LocalFiles:
    """`--images files`: the server reads the files from its own disk."""

    root: Path
    """The server's LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT, as this machine sees it."""
    server_root: str | None = None
    """The same folder as the server sees it, in a container for example; None where it is the same path."""

    def __call__(self, row: ToShow) -> str:
        """`/data/local-files/?d=photos/1.jpg`."""
        return f"/data/local-files/?d={quote(self._inside(_path(row, '--images files')))}"

    def folder(self, pool: Path) -> str:
        """The pool's folder on the server, which the project has to be allowed to show."""
        inside = self._inside(pool)
        if inside == ".":
            raise ConfigError(
                f"--files-root {self.root}: is the pool's folder itself, and Label Studio shows folders below its "
                f"document root only; start it with LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT={pool.parent}"
            )
        return str(PurePosixPath(self.server_root or str(self.root.absolute()), inside))

    def _inside(self, path: Path) -> str:
        root = self.root.absolute()
        if not (absolute := path.absolute()).is_relative_to(root):
            raise ConfigError(
                f"{path}: not below {root}, the document root of Label Studio; give the folder that it was started "
                "with as --files-root, or use --images data-uri"
            )
        return absolute.relative_to(root).as_posix()


def data_uri(row: ToShow) -> str:
    """`--images data-uri`: the task itself holds the file."""
    rule = f"--images data-uri takes up to {MOST_EMBEDDED:,}, so use --images files or url-prefix"
    return limited(row, file_of(row, "--images data-uri"), rule)


def file_of(row: ToShow, way: str) -> bytes:
    """What the file of a row holds, or as many zeros where it is too large for a task.

    Args:
        row: of an image or a sound.
        way: the option that needs it, for messages.

    Raises:
        ConfigError: it cannot be read here.
    """
    payload = row.payload
    if isinstance(payload, FileAt):
        path = _path(row, way)
        try:
            size = path.stat().st_size
            return path.read_bytes() if size <= MOST_EMBEDDED else bytes(size)
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read ({error.strerror}); bring the file back") from error
    assert isinstance(payload, bytes)
    return payload


def limited(row: ToShow, data: bytes, rule: str) -> str:
    """A file in a task of its row.

    Raises:
        ConfigError: it is too large; with the rule and the fix.
    """
    if len(data) > MOST_EMBEDDED:
        raise ConfigError(f"row {row.row_id!r}: {len(data):,} bytes; {rule}")
    return embedded(data)


def embedded(data: bytes) -> str:
    """A file as a data URI."""
    return f"data:{media_type(data)};base64,{base64.b64encode(data).decode()}"


@dataclass(frozen=True, slots=True)
class UrlPrefix:
    """`--images url-prefix`: another server has the files, by row id."""

    prefix: str

    def __post_init__(self) -> None:
        """Raises ConfigError for what a browser cannot open."""
        if urlsplit(self.prefix).scheme not in ("http", "https", "s3", "gs", "azure-blob"):
            raise ConfigError(
                f"--url-prefix {self.prefix!r}: not an address; give that of the folder that holds the files, as in "
                "https://images.example.com/photos"
            )

    def __call__(self, row: ToShow) -> str:
        """The prefix and the row's id."""
        return f"{self.prefix.rstrip('/')}/{quote(row.row_id)}"


def media_type(data: bytes) -> str:
    """The kind of a file by how it begins."""
    if data[:4] in (b"RIFF", b"RF64"):
        return RIFF.get(data[8:12], "application/octet-stream")
    return next((kind for begin, kind in SIGNATURES if data.startswith(begin)), "application/octet-stream")


def _path(row: ToShow, way: str) -> Path:
    """The file of a row on this machine."""
    payload = row.payload
    if not isinstance(payload, FileAt):
        raise ConfigError(f"row {row.row_id!r}: its image or sound is not a file of its own; use --images data-uri")
    if urlsplit(payload.location).scheme and "://" in payload.location:
        raise ConfigError(
            f"row {row.row_id!r}: {payload.location} is not a file of this machine, which {way} needs; use "
            "--images url-prefix"
        )
    return Path(os.path.abspath(payload.location))
