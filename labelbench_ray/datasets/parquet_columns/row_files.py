"""What a table needs of the files that its rows lie in, whatever their format is."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.datasets.files.places import FileState, Place


class RowFiles(Protocol):
    """The files of one split in order, as one sequence of rows with columns."""

    @property
    def places(self) -> tuple[Place, ...]:
        """Where each file lies."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """Names relative to the data set: part of row ids, so the same wherever the data lies."""
        ...

    @property
    def states(self) -> tuple[FileState, ...]:
        """What shows that a file changed."""
        ...

    @property
    def schema(self) -> Any:  # noqa: ANN401  pyarrow has no types
        """The columns of all files."""
        ...

    def __len__(self) -> int: ...

    def column(self, name: str) -> Any:  # noqa: ANN401
        """One column, of all files."""
        ...

    def file_columns(self, names: list[str], file: int) -> Any:  # noqa: ANN401
        """Some columns of one file."""
        ...

    def rows(self, rows_B: NDArray[np.int64], columns: list[str]) -> Any:  # noqa: ANN401
        """The rows of these numbers, in this order."""
        ...

    def places_of(self, rows_B: NDArray[np.int64]) -> list[Place]:
        """The file that each of these rows lies in."""
        ...

    def file_numbers(self, rows_B: NDArray[np.int64]) -> NDArray[np.int64]:
        """The number of the file that each of these rows lies in."""
        ...

    def row_names(self, rows_B: NDArray[np.int64]) -> list[str]:
        """An id for each of these rows without one of its own: the file's name and the row's number in it."""
        ...
