"""A folder of images or of sounds to label: every such file in it, at any depth, is a row, named by its path in it."""

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from labelbench_ray.datasets import Dataset, Findings, Modality, Source, Split, signature
from labelbench_ray.datasets._findings import Kinds, ignored
from labelbench_ray.datasets._splits import all_rows
from labelbench_ray.datasets.files.file_kinds import IMAGES, SOUNDS, FileKind
from labelbench_ray.datasets.files.folders import list_files
from labelbench_ray.datasets.files.places import Place, locate, missing
from labelbench_ray.datasets.unlabeled_images import UnlabeledTable
from labelbench_ray.errors import DataError

KINDS: Final = MappingProxyType({Modality.IMAGE: IMAGES, Modality.AUDIO: SOUNDS})


def of_files(modality: Modality) -> Modality:
    """The modality, where its payloads are files; `ValueError` for another one."""
    if modality not in KINDS:
        raise ValueError(f"{modality} payloads are not files of their own; use one of: {', '.join(KINDS)}")
    return modality


@dataclass(frozen=True, slots=True, eq=False)
class LooseTable(UnlabeledTable):
    """The files of a folder, named by their paths in it."""

    @property
    def place_in_ids(self) -> str:
        """Nothing: a row's id is the file's path in the folder."""
        return ""


class UnlabeledFolder(Dataset):
    """`<path>/**/<file>`: a pool whose labels people give (`labelbench annotate`, or `oracle="files"`).

    Folders inside it are not read as classes. No accuracy is measured.
    """

    path: str = Field(min_length=1)
    """Below the data root, or a URI."""
    payload: Annotated[Modality, AfterValidator(of_files)] = Modality.IMAGE
    """`image` or `audio`: which files are rows."""
    classes: tuple[str, ...] = Field(min_length=2)
    """Class names in order."""

    def modality(self) -> Modality:
        return self.payload

    def load(self, root: Path) -> Source:
        pool, kinds = _files(locate(root, self.path), KINDS[self.payload])
        nothing = Split(pool, range(0))
        return Source(
            self.classes,
            {"pool": all_rows(pool), "validation": nothing, "test": nothing},
            signature([*self.classes, pool.content]),
            Findings({"pool": pool.origin}, ignored(kinds)),
        )


def _files(top: Place, kind: FileKind) -> tuple[LooseTable, Kinds]:
    """All files of a kind below a folder, and what else lies there."""
    if not top.exists():
        raise missing(top, kind.plural)
    if not top.is_folder():
        raise DataError(f"{top}: a file; name the folder that the {kind.plural} lie in")
    kinds: Kinds = Counter()
    found = list_files(top, top, kinds, kind)
    if not len(found.names_N):
        raise DataError(f"{top}: no {kind.plural} in it; name the folder that the {kind.plural} lie in")
    pairs = zip(found.names_N.to_pylist(), found.sizes_N.tolist(), strict=True)
    content = hashlib.sha256("".join(f"{path}\0{size}\0" for path, size in pairs).encode()).hexdigest()
    no_classes = found.sizes_N[:0]
    return LooseTable(top, found.names_N, no_classes, content, found.sizes_N, found.modified_N), kinds
