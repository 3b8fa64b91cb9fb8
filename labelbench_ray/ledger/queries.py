"""`queries/NNN.json` in a trial's folder: the rows that round NNN asks for, written before people are asked.

A query is half a round: it fixes what was chosen, so that a trial that is continued asks for the same rows. The round
is recorded once all its rows have an answer.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from pydantic import JsonValue, NonNegativeInt

from labelbench_ray.config import Fingerprint
from labelbench_ray.errors import DamagedError
from labelbench_ray.ledger.records import Header, RoundRecord
from labelbench_ray.plugins import Frozen
from labelbench_ray.storage.atomic import publish_once
from labelbench_ray.storage.checksummed import from_checked_json, to_checked_json
from labelbench_ray.storage.locks import Lock
from labelbench_ray.storage.quarantine import set_aside
from labelbench_ray.tasks.open_set import NAME as NONE_OF_THESE

FOLDER: Final = "queries"
AGAIN: Final = "`labelbench run` sets it aside and chooses again"


class Query(Frozen):
    """The rows that a round asks for; `ids` and `row_ids` are aligned."""

    fingerprint: Fingerprint
    round: NonNegativeInt
    ids: tuple[NonNegativeInt, ...]
    """Pool ids in the order in which they were chosen."""
    row_ids: tuple[str, ...]
    """The data set's own keys of these rows."""
    notes: tuple[NonNegativeInt, ...] = ()
    """What the strategy noted for them; empty where it wrote no notes."""
    strategy: str
    """Which strategy chose them, in words."""
    model: str
    """SHA-256 of the tensors of the model with which they were chosen; "" for the first batch."""
    classes: tuple[str, ...]
    batch_file: str
    """Where in the trial's folder people find the rows; "" where they are asked by other means."""
    versions: dict[str, str] = {}
    """Of the code that chose."""

    def __str__(self) -> str:
        where = f": {self.batch_file} in its folder" if self.batch_file else ""
        return f"round {self.round} asks for {len(self.ids)} labels{where}"


def query_path(directory: Path, number: int) -> Path:
    """A round's query."""
    return directory / FOLDER / f"{number:03d}.json"


def read_query(directory: Path, fingerprint: str, number: int) -> Query | None:
    """The query of a trial's round, if it was asked.

    Raises:
        LedgerError: it is damaged, or of another trial or round.
    """
    path = query_path(directory, number)
    if not path.is_file():
        return None
    query = from_checked_json(Query, path, AGAIN)
    if (query.fingerprint, query.round) != (fingerprint, number) or not _aligned(query):
        raise DamagedError(f"{path}: is of round {query.round} of trial {query.fingerprint}; {AGAIN}")
    return query


def _aligned(query: Query) -> bool:
    """Whether every row has an id, and a note where there are notes."""
    return len(query.ids) == len(query.row_ids) and len(query.notes) in (0, len(query.ids))


def write_query(directory: Path, lock: Lock, query: Query) -> None:
    """Record what a round asks for; `LostLockError` where another process may write in this folder."""
    lock.check()
    path = query_path(directory, query.round)
    path.parent.mkdir(parents=True, exist_ok=True)
    publish_once(path, to_checked_json(query))


def sound_query(directory: Path, lock: Lock, header: Header, records: Sequence[RoundRecord]) -> Query | None:
    """The query of the next round; one that does not follow from the rounds before is set aside."""
    number = len(records)
    try:
        query = read_query(directory, header.fingerprint, number)
        if query is not None:
            _check_follows(query_path(directory, number), query, records, header.trial.budget)
    except DamagedError as error:
        lock.check()
        set_aside(directory, [query_path(directory, number)], str(error))
        return None
    return query


def _check_follows(path: Path, query: Query, records: Sequence[RoundRecord], budget: int) -> None:
    model = records[-1].proxy if records else ""
    if query.model != model:
        raise DamagedError(f"{path}: was chosen with another model ({query.model[:12]!r}, not {model[:12]!r}); {AGAIN}")
    known = {row for record in records for row in record.chosen}
    if len({*query.ids} - known) != budget or len(query.ids) != budget:
        raise DamagedError(f"{path}: does not ask for {budget} rows that have no label yet; {AGAIN}")


def other_rows(directory: Path, fingerprint: str, records: Sequence[RoundRecord]) -> dict[str, str | None]:
    """The rows that rounds other than the next one ask for, by row id: the class recorded, or None while none is.

    A damaged query is left out: its round is recorded, or will ask again.
    """
    labels = {record.round: record.labels for record in records}
    found: dict[str, str | None] = {}
    for query in _sound(directory, fingerprint, len(records)):
        classes: list[str | None] = [_name(label, query.classes) for label in labels.get(query.round, ())]
        found |= dict(zip(query.row_ids, classes or [None] * len(query.row_ids), strict=True))
    return found


def _name(label: JsonValue, classes: Sequence[str]) -> str:
    if label is None:
        return NONE_OF_THESE
    return classes[label] if isinstance(label, int) else str(label)


def _sound(directory: Path, fingerprint: str, skipped: int) -> Iterable[Query]:
    for path in sorted((directory / FOLDER).glob("*.json")):
        if path.stem.isascii() and path.stem.isdigit() and int(path.stem) != skipped:
            try:
                query = read_query(directory, fingerprint, int(path.stem))
            except DamagedError:
                continue
            if query is not None:
                yield query
