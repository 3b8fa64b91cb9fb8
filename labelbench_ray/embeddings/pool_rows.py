"""Rows of a pool as the data set holds them, found by pool id: for those who label them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labelbench_ray.datasets import FileTable, LocatedTable, Modality, Payload, Source, Split
from labelbench_ray.datasets.prompt_rows import RespondedTable
from labelbench_ray.embeddings.shards import read_keys
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.errors import ChangedDataError
from labelbench_ray.oracles import CountedResponse
from labelbench_ray.types import Ids

READ_ROWS = 1024
"""Rows that are read at a time to find their ids, of a data set that does not know them without reading."""


def num_words(text: str) -> int:
    """Words stand for tokens where the encoder has no tokenizer."""
    return len(text.split())


@dataclass(frozen=True)
class StoredRows:
    """The rows of a split of a store, by default of its pool (an `oracles.PoolRows`)."""

    store: EmbeddingStore
    modality: Modality
    open_source: Callable[[], Source]
    num_tokens: Callable[[str], int] = num_words
    """Counts the tokens of a response."""
    split: str = "pool"
    """Whose rows are looked up."""

    def row_ids(self, ids_B: Ids) -> list[str]:
        """The data set's own keys of these rows; reads the keys of the shards that hold them."""
        entries = [entry for entry in self.store.manifest.shards if entry.split == self.split]
        ends_S = np.cumsum([entry.rows for entry in entries])
        shard_B = np.searchsorted(ends_S, ids_B, side="right")
        keys = {shard: read_keys(self.store.directory / entries[shard].file).row_ids for shard in {*shard_B.tolist()}}
        starts_S = ends_S - np.array([entry.rows for entry in entries])
        places_B = ids_B - starts_S[shard_B]
        return [keys[shard][place] for shard, place in zip(shard_B.tolist(), places_B.tolist(), strict=True)]

    def payloads(self, ids_B: Ids) -> Sequence[Payload]:
        """Texts, or the bytes of encoded images.

        Raises:
            NotProvidedError: the data set is not on this machine.
            ChangedDataError: a row is not in it any more.
        """
        rows_B = self._places(ids_B)
        return self._pool.table.read(np.asarray(self._pool.rows)[rows_B]).payloads

    def locations(self, ids_B: Ids) -> list[str]:
        """Path or address of the file that each row is, empty where rows are not files; errors as from `payloads`."""
        table = self._pool.table
        if not isinstance(table, LocatedTable):
            return []
        return table.locations(np.asarray(self._pool.rows)[self._places(ids_B)])

    def responses(self, ids_B: Ids) -> list[CountedResponse | None]:
        """The responses that are written; errors as from `payloads`."""
        table = self._pool.table
        if not isinstance(table, RespondedTable):
            return [None] * len(ids_B)
        texts = table.responses(np.asarray(self._pool.rows)[self._places(ids_B)])
        return [None if text is None else CountedResponse(text, self.num_tokens(text)) for text in texts]

    def scores(self, ids_B: Ids, answers: list[str]) -> list[float]:
        """How right answers to these prompts are, 0 .. 1; errors as from `payloads`."""
        table = self._pool.table
        assert isinstance(table, RespondedTable), "plans refuse other data sets"
        return table.score(np.asarray(self._pool.rows)[self._places(ids_B)], answers)

    def where_to_write(self) -> str:
        """Where responses that are missing belong, in words."""
        table = self._pool.table
        assert isinstance(table, RespondedTable), "plans refuse other data sets"
        return table.where_to_write()

    @cached_property
    def _pool(self) -> Split:
        return self.open_source().splits[self.split]

    def _places(self, ids_B: Ids) -> Ids:
        """The place of each of these rows in the data set's pool."""
        wanted = pa.array(self.row_ids(ids_B), pa.large_string())
        places = pc.index_in(wanted, value_set=self._keys)
        if places.null_count:
            row_id = wanted[pc.index(places.is_null(), True).as_py()].as_py()
            raise ChangedDataError(
                f"row {row_id!r} is in {self.store.directory} and not in the data set any more; bring it back"
            )
        return np.asarray(places.to_numpy(), np.int64)

    @cached_property
    def _keys(self) -> pa.Array:
        """The ids of all rows of the pool, in the order of the data set."""
        split = self._pool
        if isinstance(split.table, FileTable):
            return split.table.row_ids(split.rows)
        read = (split.read(start, start + READ_ROWS).row_ids for start in range(0, len(split), READ_ROWS))
        return pa.array([row_id for row_ids in read for row_id in row_ids], pa.large_string())
