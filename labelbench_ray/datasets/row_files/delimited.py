"""CSV files with a header. Every column is read as text, so that "00012", "NA", "True" and "1e5" stay what they are."""

import re
from typing import Any

import pyarrow as pa
from pyarrow import csv

from labelbench_ray.datasets.files.places import Place
from labelbench_ray.datasets.row_files.encoding import text_bytes
from labelbench_ray.errors import DataError

SEPARATORS = (",", ";", "\t")
LARGEST_CELL_BLOCK = 2**24
"""Bytes of one block: one row must fit."""
QUOTED = rb'"[^"]*+(?:""[^"]*+)*+'
"""A quoted cell without its closing quote."""


def read_delimited(place: Place) -> Any:  # noqa: ANN401  pyarrow has no types
    """A CSV file as a table of text columns; an empty cell is null, also a quoted one.

    Raises:
        DataError: not UTF-8, no header or no rows, a repeated or empty column name, a row of another length, a quote
            that is not closed where its cell ends; names the line where there is one.
    """
    data = text_bytes(place)
    header = bytes(memoryview(data)[: 2**20]).split(b"\n", 1)[0].decode(errors="replace").rstrip("\r")
    separator = max(SEPARATORS, key=lambda each: _outside_quotes(header).count(each))
    names = _names(place, header, separator)
    _check_quotes(place, data, separator)
    wrong: list[csv.InvalidRow] = []

    def keep(row: csv.InvalidRow) -> str:
        wrong.append(row)
        return "skip"

    try:
        table = csv.read_csv(
            pa.BufferReader(data),
            # One thread, so that rows that are refused have numbers.
            read_options=csv.ReadOptions(use_threads=False, block_size=LARGEST_CELL_BLOCK),
            parse_options=csv.ParseOptions(delimiter=separator, newlines_in_values=True, invalid_row_handler=keep),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.large_string()),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,  # some programs quote every cell
            ),
        )
    except pa.ArrowException as error:
        raise DataError(f"{place}: {_one_line(error)}; write the file again as CSV") from error
    if wrong:
        first = wrong[0]
        raise DataError(
            f"{place}, record {first.number} (1 is the header): {first.actual_columns} cells in a row of a file with "
            f"{first.expected_columns} columns ({first.text[:60]!r}); quote cells that hold {separator!r} or a quote"
        )
    if not len(table):
        raise DataError(f"{place}: a header and no rows; every split needs at least one row")
    return table


def _names(place: Place, header: str, separator: str) -> list[str]:
    """The names of the columns, checked."""
    if not header.strip():
        raise DataError(f"{place}: empty; a header such as id,text,label and a row a line are needed")
    try:
        # pyarrow itself reads the quotes of a header.
        names: list[str] = csv.read_csv(
            pa.BufferReader(f"{header}\n".encode()), parse_options=csv.ParseOptions(delimiter=separator)
        ).column_names
    except pa.ArrowException as error:
        raise DataError(f"{place}, line 1: {_one_line(error)}; a header such as id,text,label is needed") from error
    for name in names:
        if not name.strip():
            raise DataError(f"{place}, line 1: column {names.index(name) + 1} of {len(names)} has no name; give it one")
        if names.count(name) > 1:
            raise DataError(f"{place}, line 1: {names.count(name)} columns are called {name!r}; rename or drop one")
    if len(names) < 2:
        raise DataError(
            f"{place}, line 1: one column, {header[:60]!r}; at least two, separated by a comma, a semicolon or a tab, "
            "are needed"
        )
    return names


def _check_quotes(place: Place, data: Any, separator: str) -> None:  # noqa: ANN401
    """Refuse a quoted cell that does not end behind its closing quote: rows below it would become part of it."""
    view, outside = memoryview(data), rb"[^%b\r\n]" % separator.encode()
    # Either no quote, or a quoted cell up to its end, or a quote inside of a cell without quotes.
    well_formed = rb'(?:[^"]++|(?<!%b)%b"(?!%b)|(?<=%b)")*+' % (outside, QUOTED, outside, outside)
    found = re.match(well_formed, view)
    if found is None or found.end() == len(view):
        return
    begin, end = found.end(), _end_of_quoted(view, found.end())
    text, rest = _first_line(view[begin : begin + 40]), _first_line(view[end + 1 : end + 21])
    line, last = 1 + _lines(view[:begin]), 1 + _lines(view[:end])
    if end == len(view):
        raise DataError(
            f"{place}, line {line}: the quote at the start of {text!r} is not closed; close it, or double quotes "
            "inside of cells"
        )
    raise DataError(
        f"{place}, line {line}: the quote at the start of {text!r} is closed in line {last}, before {rest!r} in the "
        "same cell; close it where the cell ends, or double quotes inside of cells"
    )


def _end_of_quoted(view: memoryview, begin: int) -> int:
    """Where the quoted cell that begins here has its closing quote; the end of the file if it has none."""
    body = re.compile(QUOTED).match(view, begin)
    assert body is not None, "a quote begins here"
    return body.end()


def _first_line(view: memoryview) -> str:
    return bytes(view).decode(errors="replace").split("\n")[0]


def _lines(view: memoryview) -> int:
    return bytes(view).count(b"\n")


def _outside_quotes(text: str) -> str:
    return re.sub(r'"[^"]*"', "", text)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
