"""The answers in a trial's folder, as people save them: CSV and parquet files with the columns row_id and label."""

from dataclasses import dataclass
from pathlib import Path

from labelbench_ray.answers.formats.delimited import FIRST_ROW, REQUIRED, read_cells
from labelbench_ray.errors import DataError

FOLDER, BATCH = "answers", "batch.csv"
ROW_ID, LABEL = REQUIRED


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """A label as it stands in a file."""

    file: str
    """Its name below the trial's folder."""
    row: int
    """As a spreadsheet numbers it, the header being row 1."""
    row_id: str
    label: str
    """"" where none is given."""

    @property
    def place(self) -> str:
        """Where it stands, as errors name it."""
        return f"{self.file}, row {self.row}"


@dataclass(frozen=True, slots=True)
class GivenAnswers:
    """All answers in a trial's folder, and the files that cannot be read, a line each."""

    answers: tuple[GivenAnswer, ...]
    unreadable: tuple[str, ...]


def read_answers(directory: Path) -> GivenAnswers:
    """The answers in `answers/`, by file name; and those that people filled into `batch.csv` itself."""
    folder, batch = directory / FOLDER, directory / BATCH
    files = sorted(folder.iterdir(), key=lambda path: path.name) if folder.is_dir() else []
    named = [(f"{FOLDER}/{path.name}", path) for path in files if not path.name.startswith((".", "~"))]
    answers: list[GivenAnswer] = []
    unreadable: list[str] = []
    for name, path in [*named, *([(BATCH, batch)] if batch.is_file() else [])]:
        try:
            answers += read_file(name, path)
        except DataError as error:
            unreadable.append(str(error))
    return GivenAnswers(tuple(answers), tuple(unreadable))


def read_file(name: str, path: Path) -> list[GivenAnswer]:
    """The rows of one file.

    Raises:
        DataError: it is not a CSV or parquet file with the columns row_id and label.
    """
    if path.suffix.lower() not in (".csv", ".parquet") or not path.is_file():
        raise DataError(f"{name}: neither a .csv nor a .parquet file; save it as one, with the columns row_id,label")
    rows = (cells[: len(REQUIRED)] for cells in read_cells(name, path.read_bytes(), REQUIRED))
    return [GivenAnswer(name, number, *row) for number, row in enumerate(rows, FIRST_ROW) if any(map(str.strip, row))]
