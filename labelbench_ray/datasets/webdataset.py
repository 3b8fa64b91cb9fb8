"""Tar files as WebDataset writes them: `0001.jpg` and `0001.cls` or `0001.json` are one row."""

import hashlib
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from unicodedata import normalize

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field

from labelbench_ray.datasets import UNLABELED, Dataset, Findings, Modality, Source, signature
from labelbench_ray.datasets._findings import Kinds, ignored
from labelbench_ray.datasets._held_out import labeled_parts, split_off
from labelbench_ray.datasets.files.file_kinds import IMAGES, SOUNDS
from labelbench_ray.datasets.files.places import FileState, Place
from labelbench_ray.datasets.parquet_columns.columns import Columns, LabelLists, list_entries
from labelbench_ray.datasets.parquet_columns.labels import LabelEncoding, label_encoding
from labelbench_ray.datasets.row_files.hub import open_top
from labelbench_ray.datasets.row_files.split_files import find_splits
from labelbench_ray.datasets.row_files.tar_labels import are_numbers, kind_of_label, label_of_key, label_of_text
from labelbench_ray.datasets.row_files.tar_members import CLASS, JSON, Label, Sample, read_shard
from labelbench_ray.datasets.row_files.tar_table import TarTable
from labelbench_ray.errors import DataError
from labelbench_ray.types import Labels

SUFFIXES: Final = (".tar",)
PARTS: Final = ("train", "validation", "test")
NO_PAYLOAD: Final = "samples without a payload"
FILES: Final[Mapping[str, Callable[[], frozenset[str]]]] = {
    "image": IMAGES.suffixes,
    "audio": SOUNDS.suffixes,
    "text": lambda: frozenset({".txt", ".text"}),
}
"""What members that are payloads are called, by modality."""


class Webdataset(Dataset):
    """`<path>/*.tar`: the members of a row have one name up to the first dot, and stand together.

    A row's id is `<tar file>/<name up to the first dot>`. Its label is the text of `.cls`, or a key of `.json`. Where
    there is no tar file for test or validation, 20 and 10 % of train are split off by a keyed hash of each row's id.
    """

    path: str = Field(min_length=1)
    """A folder or a tar file below the data root, a URI, or `hf://owner/name`."""
    payload: Modality
    extension: str | None = None
    """What stands behind the first dot of payloads' names, such as `jpg`; None: what the modality's files have."""
    label: str | None = None
    """A key of `.json` that holds the label; None: `.cls`, or `label` where there is none."""
    label_list: str | None = None
    """A key of `.json` that holds lists of labels (the task `multi_label`)."""
    classes: tuple[str, ...] | None = None
    """Class names in order, from 0 if labels are numbers; None: the distinct labels of train, sorted."""
    train: str | None = None
    """A file, a folder or a pattern such as `shard-0*.tar`; None: what is called so. As the next two."""
    validation: str | None = None
    test: str | None = None

    @property
    def task(self) -> str:
        return "multi_label" if self.label_list else "single_label"

    def modality(self) -> Modality:
        return self.payload

    def load(self, root: Path) -> Source:
        top = open_top(root, self.path)
        named = {part: name for part in PARTS if (name := getattr(self, part)) is not None}
        found = find_splits(top.place, top.config, named, SUFFIXES)
        kinds: Kinds = Counter()
        shards = {part: _Shards(self, files, kinds) for part, files in found.files.items() if part in PARTS}
        unused = [f"the split {part!r} is not used" for part in found.files if part not in PARTS]
        numbers = all(each.numbered for each in shards.values())
        for each in shards.values():
            each.read_labels(numbers)
        encoding = _deciding(shards, self.classes).encoding()
        tables = {part: each.table(encoding) for part, each in shards.items()}
        used, unlabeled = labeled_parts(tables)
        splits, origins = split_off(used, {part: shards[part].origin for part in used}, shards["train"].only_file)
        facts = ((part, *((name, state.size) for name, state in shards[part].states())) for part in shards)
        return Source(
            classes=encoding.classes,
            splits=splits,
            signature=signature([*top.facts, *encoding.classes, *facts]),
            findings=Findings(
                origins=origins,
                ignored=ignored(kinds, found.ignored_but(frozenset())),
                notes=(
                    *top.notes,
                    *(shards["train"].note,),
                    "row ids: the tar file's name and the key",
                    *unlabeled,
                    *unused,
                ),
            ),
        )


class _Shards:
    """The rows of the tar files of one split, with labels as they are written."""

    def __init__(self, settings: Webdataset, files: Mapping[str, Place], kinds: Kinds) -> None:
        infos = [place.info() for place in files.values()]
        self.settings, self.names, self.places = settings, tuple(files), tuple(files.values())
        self.file_states = tuple(FileState(int(info.size), info.mtime_ns or 0) for info in infos)
        self.shards = tuple(
            read_shard(place, state) for place, state in zip(self.places, self.file_states, strict=True)
        )
        self.rows, self.extensions = array("q"), set[str]()
        """Four numbers a row: of its file, of its sample, and where its payload lies and ends."""
        for number, (place, shard) in enumerate(zip(self.places, self.shards, strict=True)):
            kinds.update(shard.ignored)
            for at in range(len(shard)):
                sample = shard.sample(at)
                extension = _extension(place, sample, settings)
                if extension is None:
                    kinds[NO_PAYLOAD, f".{min(sample.members)}"] += 1
                else:
                    member = sample.members[extension]
                    self.rows.extend((number, at, member.offset, member.size))
                    self.extensions.add(extension)
        if not self.rows:
            wanted = f".{settings.extension}" if settings.extension else f"of {settings.payload} files"
            have = ", ".join(sorted({name for _, name in kinds}))
            raise DataError(
                f"{self.places[0]}: no member {wanted} (found {have or 'none'}); set `payload` or `extension`"
            )
        self.by_key = settings.label_list or settings.label or ("label" if self._no_cls() else None)
        self.labels: list[Label] = []

    @property
    def numbered(self) -> bool:
        """Whether every `.cls` of digits alone is a number as Python writes it: `007` beside `7` are two names."""
        return bool(self.by_key) or are_numbers(sample.cls for sample in self.samples() if sample.cls)

    def read_labels(self, numbers: bool) -> None:
        """Read the labels, those of `.cls` as numbers if all splits have numbers."""
        if self.by_key is None:
            self.labels = [label_of_text(sample.cls, numbers) for sample in self.samples()]
        else:
            lists = self.settings.label_list is not None
            self.labels = [
                label_of_key(self._where(row), sample, self.by_key, lists) for row, sample in enumerate(self.samples())
            ]

    def samples(self) -> Iterator[Sample]:
        """The sample of each row, made when it is asked for."""
        for number, at, *_ in self._numbers():
            yield self.shards[number].sample(at)

    def _numbers(self) -> NDArray[np.int64]:
        return np.asarray(self.rows).reshape(-1, 4)

    @property
    def unlabeled(self) -> bool:
        return all(label is None for label in self.labels)

    def _where(self, row: int) -> str:
        """The member that holds a row's label."""
        number, at, *_ = self._numbers()[row]
        sample = self.shards[number].sample(at)
        member = f"{self.places[number]}, member {f'{sample.key}.{JSON if self.by_key else CLASS}'!r}"
        return f"{member}, key {self.by_key!r}" if self.by_key else member

    @property
    def origin(self) -> str:
        return self.names[0] if len(self.names) == 1 else f"{len(self.names):,} tar files ({self.names[0]} ...)"

    @property
    def only_file(self) -> str:
        """What the ids of rows begin with if they are in one tar file; else ""."""
        return f"{self.names[0].removesuffix('.tar')}/" if len(self.names) == 1 else ""

    @property
    def note(self) -> str:
        where = f"the key {self.by_key!r} of .json" if self.by_key else ".cls"
        return f"{self.settings.payload} payloads: .{' and .'.join(sorted(self.extensions))}; labels: {where}"

    def states(self) -> list[tuple[str, FileState]]:
        return list(zip(self.names, self.file_states, strict=True))

    def encoding(self) -> LabelEncoding:
        where, classes = f"{self.places[0].folder / self.origin}, labels", self.settings.classes
        if classes is not None and self.unlabeled:
            return LabelEncoding(classes, classes)
        column = pa.chunked_array([self._column()])
        return label_encoding(list_entries([column], where) if self.settings.label_list else column, where, classes)

    def table(self, encoding: LabelEncoding) -> TarTable:
        names = [name.removesuffix(".tar") for name in self.names]
        numbers_N4 = self._numbers()
        ids = [f"{names[number]}/{self.shards[number].key(at)}" for number, at, *_ in numbers_N4]
        labels_N = self._encoded(encoding)
        digest = hashlib.sha256("\0".join(ids).encode(errors="surrogatepass"))
        digest.update(labels_N.astype("<i8").tobytes())
        return TarTable(
            self.places,
            self.names,
            self.file_states,
            self.settings.payload,
            pa.array(ids, pa.large_string()),
            numbers_N4[:, 0].copy(),
            numbers_N4[:, 2].copy(),
            numbers_N4[:, 3].copy(),
            labels_N,
            digest.hexdigest(),
        )

    def _no_cls(self) -> bool:
        return all(sample.cls is None for sample in self.samples())

    def _encoded(self, encoding: LabelEncoding) -> Labels:
        self._refuse_unknown(encoding)
        column, where = pa.chunked_array([self._column()]), f"{self.places[0].folder / self.origin}, labels"
        if self.settings.label_list:
            columns = Columns("payload", "label", None, self.settings.payload)
            return LabelLists(encoding).encode(pa.table({"label": column}), columns, where)
        if self.unlabeled:
            return np.full(len(column), UNLABELED)
        return encoding.encode(column, where)

    def _refuse_unknown(self, encoding: LabelEncoding) -> None:
        """Refuse a label that is not a class; names its member."""
        known = {_form(value) for value in encoding.values}
        for row, label in enumerate(self.labels):
            for each in label if isinstance(label, list) else (label,):
                if each is not None and _form(each) not in known and (each != UNLABELED or isinstance(label, list)):
                    raise encoding.unknown(each, self._where(row))

    def _column(self) -> Any:  # noqa: ANN401  pyarrow has no types
        """The labels, of one type: all integers, all texts, or lists of one of them."""
        known = [row for row, label in enumerate(self.labels) if label not in (None, [])]
        other = [row for row in known if kind_of_label(self.labels[row]) != kind_of_label(self.labels[known[0]])]
        if other:
            raise DataError(
                f"{self._where(other[0])}: the label {self.labels[other[0]]!r}, and others such as "
                f"{self.labels[known[0]]!r}; write numbers alone or names alone"
            )
        return pa.array(self.labels)


def _deciding(shards: Mapping[str, _Shards], classes: Sequence[str] | None) -> _Shards:
    """The split whose labels decide what the classes are; of given ones, whether their numbers or names are written."""
    labeled = [each for each in shards.values() if not each.unlabeled]
    return labeled[0] if labeled and classes is not None else shards["train"]


def _extension(place: Place, sample: Sample, settings: Webdataset) -> str | None:
    """The member of a sample that is its payload."""
    if settings.extension is not None:
        wanted = settings.extension.lower().lstrip(".")
        return wanted if wanted in sample.members else None
    found = [name for name in sample.members if fits(name, settings.payload)]
    if len(found) > 1:
        raise DataError(
            f"{place}, sample {sample.key!r}: .{' and .'.join(sorted(found))} could be its payload; name one, as in "
            f'extension="{min(found)}"'
        )
    return found[0] if found else None


def fits(extension: str, modality: Modality) -> bool:
    """Whether members of an extension are payloads of a modality."""
    return f".{extension}" in FILES.get(modality, frozenset)()


def _form(label: int | str) -> int | str:
    """A label in the one form of Unicode in which labels are compared."""
    return normalize("NFC", label) if isinstance(label, str) else label
