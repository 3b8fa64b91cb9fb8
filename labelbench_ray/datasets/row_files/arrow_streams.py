"""Arrow files as `save_to_disk` of Hugging Face `datasets` writes them: streams, or files with a footer."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from labelbench_ray.datasets.files.places import Place
from labelbench_ray.errors import DataError

FILE_MARK = b"ARROW1"
END_OF_STREAM = b"\xff\xff\xff\xff\0\0\0\0"


def read_arrow(place: Place) -> Any:  # noqa: ANN401  pyarrow has no types
    """An Arrow file as a table, mapped where it lies on a local disk; without its schema's metadata.

    Raises:
        DataError: not Arrow, cut short, or no rows.
    """
    with _reading(place):
        table = pa.Table.from_batches(*_opened(place))
        table = table.cast(table.schema.remove_metadata())
        table.validate()
    if not len(table):
        raise DataError(f"{place}: no rows; every split needs at least one row")
    return table


def arrow_metadata(place: Place) -> dict[bytes, bytes]:
    """The metadata of an Arrow file's schema; nothing where it has none. Errors as above."""
    with _reading(place):
        _, schema = _opened(place)
        return dict(schema.metadata or {})


def _opened(place: Place) -> tuple[list[Any], Any]:
    """The batches and the schema of a file."""
    source = pa.memory_map(place.path) if place.local else pa.BufferReader(place.read())
    marked = source.read(len(FILE_MARK)) == FILE_MARK
    source.seek(0)
    if marked:
        file = pa.ipc.open_file(source)
        return [file.get_batch(number) for number in range(file.num_record_batches)], file.schema
    stream = pa.ipc.open_stream(source)
    batches = list(stream)
    source.seek(max(0, source.size() - len(END_OF_STREAM)))
    if source.read(len(END_OF_STREAM)) != END_OF_STREAM:  # a stream that was cut between batches reads as a short one
        raise pa.ArrowInvalid("the mark of its end is missing")
    return batches, stream.schema


@contextmanager
def _reading(place: Place) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        text = " ".join(str(error).split())[:200]
        raise DataError(f"{place}: not an Arrow file, or cut short ({text}); copy it again from its source") from error
