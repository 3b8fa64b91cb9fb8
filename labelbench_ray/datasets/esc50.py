"""ESC-50 as its authors publish it: 2,000 recordings of 50 kinds of sounds in five folds (Piczak 2015).

The data are licensed CC BY-NC: they are read where the user has put them, and never shipped.
"""

import csv
import io
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field, model_validator

from labelbench_ray.datasets import Dataset, Findings, Modality, Rows, Source, Split, signature
from labelbench_ray.datasets._findings import Kinds, ignored
from labelbench_ray.datasets.files.file_kinds import SOUNDS
from labelbench_ray.datasets.files.folders import ClassFolder, FolderTable, list_files
from labelbench_ray.datasets.files.places import Place, locate, missing
from labelbench_ray.errors import DataError

WANTED: Final = "meta/esc50.csv and audio/*.wav"
COLUMNS: Final = ("filename", "fold", "target", "category", "esc10")
FOLDS: Final = (1, 2, 3, 4, 5)
TRUTHS: Final = ("True", "False")


class Esc50(Dataset):
    """`<path>/audio/*.wav` and `<path>/meta/esc50.csv`: one fold is test, one is validation, three are the pool.

    Recordings that were cut from one source are in one fold, so folds are never mixed.
    """

    path: str = Field(default="esc50", min_length=1)
    """Below the data root, or a URI."""
    test_fold: int = Field(default=5, ge=1, le=5)
    validation_fold: int = Field(default=4, ge=1, le=5)
    only_esc10: bool = False
    """Only the ten classes of ESC-10."""

    @model_validator(mode="after")
    def _check_folds(self) -> Self:
        if self.test_fold == self.validation_fold:
            raise ValueError(f"test_fold and validation_fold are both {self.test_fold}; name two folds")
        return self

    def modality(self) -> Modality:
        return Modality.AUDIO

    def load(self, root: Path) -> Source:
        top = locate(root, self.path)
        listing, audio = top / "meta" / "esc50.csv", top / "audio"
        if not listing.exists():
            raise missing(listing, WANTED)
        if not audio.is_folder():
            raise missing(audio, WANTED)
        recordings = [each for each in _recordings(listing) if each.esc10 or not self.only_esc10]
        kinds: Kinds = Counter()
        files = list_files(audio, audio, kinds, SOUNDS)
        classes = tuple(sorted({each.category for each in recordings}))
        table = _table(listing, audio, files, recordings, classes)
        fold_N = np.array([each.fold for each in recordings], np.int64)
        held_out = {"validation": self.validation_fold, "test": self.test_fold}
        pool = np.flatnonzero(~np.isin(fold_N, [*held_out.values()]))
        splits = {"pool": Split(table, pool)}
        splits |= {name: Split(table, np.flatnonzero(fold_N == fold)) for name, fold in held_out.items()}
        others = " and ".join(str(fold) for fold in FOLDS if fold not in held_out.values())
        origins = {"pool": f"folds {others} of {listing.name}"}
        origins |= {name: f"fold {fold} of {listing.name}" for name, fold in held_out.items()}
        notes = (f"{len(files.names_N) - len(recordings):,} files of audio/ are not in ESC-10",) * self.only_esc10
        stated = [*classes, table.content, *held_out.items()]
        return Source(classes, splits, signature(stated), Findings(origins, ignored(kinds), notes))


@dataclass(frozen=True, slots=True)
class Recording:
    """A row of the listing."""

    file: str
    fold: int
    category: str
    esc10: bool


@dataclass(frozen=True, slots=True, eq=False)
class RecordingTable(FolderTable):
    """Files of one folder whose labels are listed."""

    labels_N: NDArray[np.int64]

    def labels(self, rows: Rows) -> NDArray[np.int64]:
        return self.labels_N[np.asarray(rows, dtype=np.int64)]

    def labels_hash(self) -> str:
        return signature([self.content, self.labels_N.tobytes()])


def _recordings(listing: Place) -> list[Recording]:
    """The rows of the listing, checked; sorted by file."""
    try:
        text = listing.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{listing}: not UTF-8 ({error.reason} at byte {error.start}); copy it again") from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        rows = list(reader)
    except csv.Error as error:
        raise DataError(f"{listing}, line {reader.line_num}: {error}; copy it again from its source") from error
    if absent := [name for name in COLUMNS if name not in (reader.fieldnames or ())]:
        raise DataError(f"{listing}: no column {absent[0]!r}; its header is {','.join(COLUMNS)},src_file,take")
    if not rows:
        raise DataError(f"{listing}: a header and no rows; copy it again from its source")
    recordings = [_recording(row, f"{listing}, line {line}") for line, row in enumerate(rows, start=2)]
    _check_consistent(listing, recordings, [str(row["target"]) for row in rows])
    return sorted(recordings, key=lambda each: each.file)


def _recording(row: Mapping[str, str | None], where: str) -> Recording:
    file, fold, category, esc10 = (row[name] or "" for name in ("filename", "fold", "category", "esc10"))
    if not file or "/" in file or file in (".", ".."):
        raise DataError(f"{where}: filename {file!r}; it must be the name of a file in audio/")
    if fold not in map(str, FOLDS):
        raise DataError(f"{where}: fold {fold!r}; it must be one of 1 .. 5")
    if not category:
        raise DataError(f"{where}: no category; every recording needs one")
    if esc10 not in TRUTHS:
        raise DataError(f"{where}: esc10 {esc10!r}; it must be True or False")
    return Recording(file, int(fold), category, esc10 == "True")


def _check_consistent(listing: Place, recordings: list[Recording], targets: list[str]) -> None:
    lines: dict[str, int] = {}
    numbers: dict[str, str] = {}
    for line, (each, target) in enumerate(zip(recordings, targets, strict=True), start=2):
        if each.file in lines:
            raise DataError(f"{listing}, line {line}: {each.file!r} stands in line {lines[each.file]}, too; drop one")
        lines[each.file] = line
        if numbers.setdefault(each.category, target) != target:
            raise DataError(
                f"{listing}, line {line}: target {target!r} for the category {each.category!r}, which has "
                f"{numbers[each.category]!r} before; give each category one number"
            )


def _table(
    listing: Place, audio: Place, files: ClassFolder, recordings: list[Recording], classes: tuple[str, ...]
) -> RecordingTable:
    places = {name: place for place, name in enumerate(files.names_N.to_pylist())}
    if lost := [each.file for each in recordings if each.file not in places]:
        raise DataError(
            f"{listing}: {len(lost):,} of {len(recordings):,} recordings are not in audio/, the first: {lost[0]!r}; "
            "copy them there"
        )
    found_N = np.array([places[each.file] for each in recordings], np.int64)
    sizes_N, modified_N = files.sizes_N[found_N], files.modified_N[found_N]
    names = pa.array([each.file for each in recordings], pa.large_string())
    sizes = zip(recordings, sizes_N.tolist(), strict=True)
    content = signature((each.file, each.fold, each.category, size) for each, size in sizes)
    numbers = {name: number for number, name in enumerate(classes)}
    labels_N = np.array([numbers[each.category] for each in recordings], np.int64)
    return RecordingTable(audio, names, np.empty(0, np.int64), content, sizes_N, modified_N, labels_N)
