"""The ledgers of a registry in one zip file: the same trials give the same bytes, and nothing is ever unpacked to disk.

What a stranger packed is checked before a byte of it is decompressed: names, links, encryption, sizes.
"""

import io
import re
import stat
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from labelbench_ray.errors import RegistryError

MEMBER: Final = re.compile(r"([0-9A-Za-z_-]{1,64})/((?:trial|submission)\.json|rounds/[0-9]{3,6}\.json)")
"""The only names of members: the trial's folder and a file in it."""
EPOCH: Final = (1980, 1, 1, 0, 0, 0)
"""The first time that zip files can state."""
LARGEST_FILE: Final = 64 * 2**20
LARGEST_TRIAL: Final = 512 * 2**20
LARGEST_ARCHIVE: Final = 16 * 2**30
"""Bytes once decompressed."""
REGULAR: Final = (0, stat.S_IFREG)
HOW: Final = "pack the runs again with `labelbench registry pack`"
Files = Mapping[str, bytes]
"""The files of one trial by their names in its folder."""


def archive_bytes(trials: Mapping[str, Files]) -> bytes:
    """A zip file of trials by fingerprint, in the order of their names, without times."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as packed:
        for fingerprint in sorted(trials):
            for name in sorted(trials[fingerprint]):
                info = zipfile.ZipInfo(f"{fingerprint}/{name}", EPOCH)
                info.create_system, info.external_attr = 3, (stat.S_IFREG | 0o644) << 16
                info.compress_type = zipfile.ZIP_DEFLATED
                packed.writestr(info, trials[fingerprint][name])
    return file.getvalue()


def read_archive(path: Path) -> Iterator[tuple[str, Files]]:
    """Each trial's fingerprint and files, one trial in memory at a time.

    Raises:
        RegistryError: not a zip file, or a member that is a link, encrypted, too large, repeated, damaged or of another
            name than a ledger's files have.
    """
    with _reading(path), zipfile.ZipFile(path) as packed:
        for fingerprint, members in _members(path, packed).items():
            yield fingerprint, {name: _content(path, packed, info) for name, info in members.items()}


def _members(path: Path, packed: zipfile.ZipFile) -> dict[str, dict[str, zipfile.ZipInfo]]:
    trials: dict[str, dict[str, zipfile.ZipInfo]] = {}
    total = 0
    for info in packed.infolist():
        found = MEMBER.fullmatch(info.filename)
        if found is None:
            raise RegistryError(
                f"{path}: holds {info.filename[:200]!r}; members are <fingerprint>/trial.json, submission.json and "
                f"rounds/NNN.json; {HOW}"
            )
        _check_kind(path, info)
        mine = trials.setdefault(found[1], {})
        if found[2] in mine:
            raise RegistryError(f"{path}: trial {found[1]}: {found[2]} is there twice; {HOW}")
        mine[found[2]] = info
        total += info.file_size
        if info.file_size > LARGEST_FILE or total > LARGEST_ARCHIVE:
            raise RegistryError(
                f"{path}: trial {found[1]}: {found[2]} has {info.file_size:,} bytes; a file has at most "
                f"{LARGEST_FILE:,}, all together {LARGEST_ARCHIVE:,}; {HOW}"
            )
    for fingerprint, members in trials.items():
        if (size := sum(info.file_size for info in members.values())) > LARGEST_TRIAL:
            raise RegistryError(f"{path}: trial {fingerprint}: {size:,} bytes, at most {LARGEST_TRIAL:,}; {HOW}")
    return trials


def _check_kind(path: Path, info: zipfile.ZipInfo) -> None:
    if stat.S_IFMT(info.external_attr >> 16) not in REGULAR:
        raise RegistryError(f"{path}: {info.filename} is a link or a special file; members are plain files; {HOW}")
    if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise RegistryError(f"{path}: {info.filename} is encrypted, or packed by another method than deflate; {HOW}")


def _content(path: Path, packed: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    with packed.open(info) as file:
        data = file.read(info.file_size + 1)  # no more is decompressed than the archive states
    if len(data) != info.file_size:
        raise RegistryError(f"{path}: {info.filename} has another size than the archive states; {HOW}")
    return data


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what reading a damaged archive raises into one line that names it."""
    try:
        yield
    except RegistryError:
        raise
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        text = " ".join(str(error).split())[:200]
        raise RegistryError(f"{path}: is not a readable zip file ({text}); copy it again, or {HOW}") from error
    except Exception as error:  # zlib's own
        raise RegistryError(f"{path}: a member cannot be decompressed ({error}); copy it again, or {HOW}") from error
