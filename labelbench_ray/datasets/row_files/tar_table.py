"""Rows of tar files, each read where its bytes lie."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from labelbench_ray.datasets import Files, Modality, Payload, Records, Rows
from labelbench_ray.datasets.files.places import FileState, Place
from labelbench_ray.errors import DataError
from labelbench_ray.types import Labels


@dataclass(frozen=True, slots=True, eq=False)
class TarTable:
    """The samples of the tar files of one split (a `FileTable`)."""

    places: tuple[Place, ...]
    names: tuple[str, ...]
    states: tuple[FileState, ...]
    modality: Modality
    ids_N: Any
    """`<tar file without its suffix>/<key>`; a pyarrow array of large strings."""
    file_N: NDArray[np.int64]
    offset_N: NDArray[np.int64]
    size_N: NDArray[np.int64]
    labels_N: Labels
    content: str
    """A hash of the ids and labels."""

    def __len__(self) -> int:
        return len(self.file_N)

    def read(self, rows: Rows) -> Records:
        rows_B = np.asarray(rows, np.int64)
        payloads: list[Payload] = [b""] * len(rows_B)
        for file in np.unique(self.file_N[rows_B]):
            place = self.places[file]
            try:
                with place.filesystem.open_input_file(place.path) as opened:
                    for at in np.flatnonzero(self.file_N[rows_B] == file):
                        opened.seek(int(self.offset_N[rows_B[at]]))
                        payloads[at] = self._payload(opened.read(int(self.size_N[rows_B[at]])))
            except (OSError, pa.ArrowException) as error:
                raise DataError(f"{place}: {error}; the file was there when the data set was opened") from error
        return Records(self.row_ids(rows_B).to_pylist(), payloads, self.labels(rows_B))

    def labels(self, rows: Rows) -> Labels:
        """(B, ...) labels of these rows."""
        labels_B: Labels = self.labels_N[np.asarray(rows, np.int64)]
        return labels_B

    def row_ids(self, rows: Rows) -> Any:  # noqa: ANN401  pyarrow has no types
        return self.ids_N.take(pa.array(np.asarray(rows, np.int64)))

    def found_files(self) -> Files:
        sizes, modified = np.array(self.states, np.int64).T
        return Files(pa.array(self.names, pa.large_string()), sizes, modified)

    def file_numbers(self, rows: Rows) -> NDArray[np.int64]:
        return self.file_N[np.asarray(rows, np.int64)]

    def labels_hash(self) -> str:
        return self.content

    def _payload(self, data: bytes) -> Payload:
        """Bytes, or a text; bytes that are not UTF-8 are returned as they are, which every encoder rejects."""
        if self.modality != "text":
            return data
        try:
            return data.decode()
        except UnicodeDecodeError:
            return data
