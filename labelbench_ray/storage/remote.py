"""Paths in object stores: the part of `pathlib.Path` that ledgers and embedding stores use, on s3://, gs:// and az://.

obstore sends the requests: it retries with back-off when a store is busy or a connection breaks, and it supports
conditional puts, which `lease` and `atomic` need, since there is no rename and no lock. Addresses, credentials and
regions come from the environment or the machine's role (AWS_ENDPOINT_URL, AWS_REGION, GOOGLE_APPLICATION_CREDENTIALS,
...).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from functools import cache
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, GenericError, NotFoundError, PreconditionError
from obstore.store import from_url
from platformdirs import user_cache_path
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential_jitter

from labelbench_ray.errors import ConfigError

SCHEMES = ("s3", "gs", "az")
RETRY_SECONDS = "LABELBENCH_RETRY_SECONDS"
"""Environment variable: for how long a request is retried, with growing pauses, before the trial fails."""
CACHE = "LABELBENCH_CACHE"
"""Environment variable: a folder for what a machine keeps of remote folders; default: the user's cache folder."""
REQUEST_SECONDS = 120
"""One try; a shard is a few megabytes, a full model's checkpoint some hundred."""
Version = dict[str, Any]
"""A store's name for one state of an object: a conditional put replaces only that state."""


class RemoteError(OSError):
    """An object store refused a request, or kept failing."""


@dataclass(frozen=True, slots=True, order=True)
class Remote:
    """An object, or the folder of those whose names begin with this one's. Folders need not be made."""

    bucket: str
    """Scheme and bucket, as in s3://bucket."""
    parts: tuple[str, ...] = ()

    def __truediv__(self, name: str) -> "Remote":
        added = tuple(part for part in name.split("/") if part not in ("", "."))
        if ".." in added:
            raise ValueError(f"{name!r}: names in an object store have no '..'")
        return Remote(self.bucket, (*self.parts, *added))

    def __str__(self) -> str:
        return "/".join((self.bucket, *self.parts))

    @property
    def key(self) -> str:
        """The name below the bucket."""
        return "/".join(self.parts)

    @property
    def name(self) -> str:
        return self.parts[-1] if self.parts else ""

    @property
    def stem(self) -> str:
        return PurePosixPath(self.name).stem

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.name).suffix

    @property
    def parent(self) -> "Remote":
        return Remote(self.bucket, self.parts[:-1])

    def with_name(self, name: str) -> "Remote":
        return self.parent / name

    def with_suffix(self, suffix: str) -> "Remote":
        return self.parent / f"{self.stem}{suffix}"

    def resolve(self) -> "Remote":
        return self

    def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        """Does nothing: a folder exists as soon as an object lies in it."""

    def is_file(self) -> bool:
        try:
            with self._file_errors():
                obstore.head(_store(self.bucket), self.key)
        except FileNotFoundError:
            return False
        return True

    def is_dir(self) -> bool:
        return next(self.iterdir(), None) is not None

    def exists(self) -> bool:
        return self.is_file() or self.is_dir()

    def iterdir(self) -> Iterator["Remote"]:
        """The content of this folder, sorted; without the empty object that web consoles create for the folder."""
        with self._file_errors():
            found = obstore.list_with_delimiter(_store(self.bucket), prefix=f"{self.key}/" if self.parts else None)
        keys = [*found["common_prefixes"], *(each["path"] for each in found["objects"])]
        yield from sorted(Remote(self.bucket, tuple(key.split("/"))) for key in keys if key != self.key)

    def glob(self, pattern: str) -> Iterator["Remote"]:
        """What matches, folder by folder; no `**`."""
        first, _, rest = pattern.partition("/")
        fits = (
            (each for each in self.iterdir() if fnmatchcase(each.name, first))
            if set(first) & set("*?[")
            else iter([self / first])
        )
        for each in fits:
            if rest:
                yield from each.glob(rest)
            elif set(first) & set("*?[") or each.exists():
                yield each

    def read_bytes(self) -> bytes:
        return self.read_version()[0]

    def read_text(self) -> str:
        return self.read_bytes().decode()

    def read_version(self) -> tuple[bytes, Version]:
        """The content and its version, for a conditional put."""
        with self._file_errors():
            found = obstore.get(_store(self.bucket), self.key)
            return bytes(found.bytes()), _version(dict(found.meta))

    def modified(self) -> datetime:
        """When it was put, by the store's clock."""
        with self._file_errors():
            return obstore.head(_store(self.bucket), self.key)["last_modified"]

    def put(self, data: bytes) -> None:
        """Replace it atomically."""
        with self._file_errors():
            obstore.put(_store(self.bucket), self.key, data)

    def create(self, data: bytes) -> Version:
        """Create the object; `FileExistsError` if it exists."""
        return self._put_if(data, "create")

    def swap(self, data: bytes, version: Version) -> Version:
        """Replace this version of it; `FileExistsError` if there is another one."""
        return self._put_if(data, version)

    def unlink(self, missing_ok: bool = False) -> None:
        """Delete it; a missing object is fine."""
        with self._file_errors():
            obstore.delete(_store(self.bucket), self.key)

    def _put_if(self, data: bytes, mode: Any) -> Version:  # noqa: ANN401  its type is in obstore's stubs alone
        """Put conditionally.

        obstore does not retry when it cannot know whether the first try succeeded, as after a time-out. This method
        does: the answer may then be that the object has changed, and the callers check whether they changed it.
        """
        with self._file_errors():
            for attempt in Retrying(
                stop=stop_after_delay(_retry_seconds()),
                wait=wait_exponential_jitter(0.2, 15),
                retry=retry_if_exception_type(GenericError),
                reraise=True,
            ):
                with attempt:
                    put = obstore.put(_store(self.bucket), self.key, data, mode=mode)
        return _version(dict(put))

    @contextmanager
    def _file_errors(self) -> Iterator[None]:
        """Translate the store's errors into those of files."""
        try:
            yield
        except (NotFoundError, FileNotFoundError):
            raise FileNotFoundError(f"{self}: there is no such object, or no such bucket") from None
        except (AlreadyExistsError, PreconditionError):
            raise FileExistsError(f"{self}: another process wrote it first") from None
        except BaseError as error:
            text = " ".join(str(error).split("\n\nDebug source:")[0].split())
            raise RemoteError(
                f"{self}: {text}; check the address, the credentials (in the environment or by the machine's role) "
                "and the network"
            ) from error


def place(text: str) -> Path:
    """The folder or file of a local path, or of a URI (`s3://`, `gs://`, `az://`, `file://`).

    A remote one answers to the part of `Path` that `Remote` has, and is typed as a path for that.

    Raises:
        ConfigError: another scheme, or no bucket.
    """
    scheme, colon, _ = text.partition("://")
    if not colon or scheme == "file":
        return Path(unquote(text.removeprefix("file://")) if colon else text).resolve()
    address = urlsplit(text)
    if scheme not in SCHEMES or not address.netloc or address.query or address.fragment:
        raise ConfigError(
            f"{text!r} is not a path or a supported URI; give a path, or a URI such as s3://bucket/folder "
            f"(schemes: file, {', '.join(SCHEMES)})"
        )
    if address.username or address.password:
        raise ConfigError("a URI must not hold credentials; put them into the environment, or use the machine's role")
    try:
        return cast(Path, Remote(f"{scheme}://{address.netloc}") / address.path)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def is_remote(path: Path) -> bool:
    """Whether it lies in an object store."""
    return isinstance(path, Remote)


def beside(folder: Path) -> Path:
    """Where local files that belong to a folder lie: in it; of a remote one, in the working directory."""
    return Path.cwd() if isinstance(folder, Remote) else folder


def on_this_machine(folder: Path) -> Path:
    """Where this machine keeps what it makes of a folder to map into memory: in it; of a remote one, in a cache."""
    return in_cache(folder) if isinstance(folder, Remote) else folder


def in_cache(folder: Path) -> Path:
    """The folder of this machine's cache for what is made of a folder that is remote or read-only."""
    name = str(folder if isinstance(folder, Remote) else folder.resolve())
    return cache_folder() / sha256(name.encode()).hexdigest()[:16]


def cache_folder() -> Path:
    """What this machine keeps of folders that are remote or read-only."""
    cache = os.environ.get(CACHE)
    return Path(cache) if cache else user_cache_path("labelbench_ray")


@cache
def _store(bucket: str) -> Any:  # noqa: ANN401  one class of obstore's for each kind of store
    return from_url(
        bucket,
        client_options={
            "timeout": timedelta(seconds=REQUEST_SECONDS),
            "connect_timeout": timedelta(seconds=10),
            "allow_http": os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://"),  # a user who names one wants it
        },
        retry_config={
            "max_retries": 1000,  # time is the limit
            "backoff": {
                "init_backoff": timedelta(seconds=0.2),
                "max_backoff": timedelta(seconds=15),
                "base": 2,
            },
            "retry_timeout": timedelta(seconds=_retry_seconds()),
        },
    )


def _retry_seconds() -> float:
    return float(os.environ.get(RETRY_SECONDS, "180"))


def _version(meta: dict[str, Any]) -> Version:
    return {name: meta[name] for name in ("e_tag", "version") if meta.get(name) is not None}
