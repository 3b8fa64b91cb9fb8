"""Columns of the CSV files that published data sets have beside their images: every value as the text it is."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from labelbench_ray.datasets.files.places import Place
from labelbench_ray.errors import DataError


def read_columns(place: Place, names: Sequence[str]) -> dict[str, list[str]]:
    """The values of these columns; an empty cell is an empty text.

    Raises:
        DataError: the file is not CSV in UTF-8, or lacks one of the columns.
    """
    text = csv.ConvertOptions(
        include_columns=list(names), column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
    )
    try:
        with place.filesystem.open_input_stream(place.path) as file:
            table = csv.read_csv(file, parse_options=csv.ParseOptions(newlines_in_values=True), convert_options=text)
    except (pa.ArrowException, KeyError, OSError) as error:
        reason = str(error).strip("'\"").splitlines()[0]
        raise DataError(f"{place}: {reason}; a CSV with the columns {', '.join(names)} is needed") from error
    return {name: table[name].to_pylist() for name in names}


def integers(values: Sequence[str], where: str) -> list[int]:
    """These texts as integers; `DataError` names the first row that holds another value."""
    try:
        return [int(number) for number in pc.cast(pa.array(values, pa.string()), pa.int64()).to_pylist()]
    except (pa.ArrowException, TypeError):
        row = next((row for row, value in enumerate(values) if not _is_integer(value)), 0)
        raise DataError(
            f"{where}, row {row}: {values[row]!r:.60} is not an integer of 64 bits; get the published file again"
        ) from None


def _is_integer(text: str) -> bool:
    """Whether pyarrow reads a text as an integer; Python's `int` takes more."""
    try:
        pa.scalar(text).cast(pa.int64())
    except pa.ArrowException:
        return False
    return True
