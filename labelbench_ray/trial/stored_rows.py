"""The rows of a trial's pool as its data set holds them, with responses counted as its encoder counts tokens."""

from functools import partial
from pathlib import Path

from labelbench_ray.datasets import Modality
from labelbench_ray.embeddings.pool_rows import StoredRows, num_words
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.encoders import CountsTokens
from labelbench_ray.trial.parts import Parts


def stored_rows(built: Parts, store: EmbeddingStore, data_root: Path) -> StoredRows:
    """The rows of the store that a trial reads."""
    count = built.encoder.num_tokens if isinstance(built.encoder, CountsTokens) else num_words
    return StoredRows(store, Modality.of(built.dataset.modality()), partial(built.dataset.open, data_root), count)
