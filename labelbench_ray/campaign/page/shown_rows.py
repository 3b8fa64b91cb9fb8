"""The rows that await answers as a page shows them: small images inside the page, or the beginning of a text."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final

from labelbench_ray.campaign.choosing import parts_of
from labelbench_ray.campaign.next_step import open_batch, open_rows
from labelbench_ray.campaign.page.tables import cut
from labelbench_ray.campaign.places import shown_path
from labelbench_ray.campaign.record import Batch
from labelbench_ray.campaign.standing import ANY_STRATEGY, Standing
from labelbench_ray.datasets import Modality, Payload
from labelbench_ray.datasets.images.opened import open_rgb
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.errors import UserError
from labelbench_ray.storage.folders import folder_place
from labelbench_ray.trial.stored_rows import stored_rows

MOST: Final = 24
"""Rows that are shown."""
SIDE: Final = 96
"""Pixels of the longer side of an image."""
QUALITY: Final = 75
"""Of JPEG."""


@dataclass(frozen=True, slots=True)
class ShownRow:
    """A row that awaits answers."""

    row_id: str
    image: str = ""
    """A data URI."""
    text: str = ""


@dataclass(frozen=True, slots=True)
class ShownBatch:
    """The first batch with rows that await answers."""

    number: int
    out: str
    waiting: int
    """Rows that await answers."""
    rows: tuple[ShownRow, ...]
    trouble: str = ""
    """Why the rows are shown by their ids alone."""


def batch_to_show(standing: Standing, store: Path) -> ShownBatch | None:
    """The first batch with rows that await answers, in its order, which mixes the rows that measure the model with the
    others; None where no row awaits an answer.

    Args:
        standing: the campaign.
        store: where embeddings lie.
    """
    batch = open_batch(standing)
    if batch is None:
        return None
    waiting = open_rows(standing, batch)
    shown, trouble = waiting[:MOST], ""
    try:
        payloads = _payloads(standing, store, batch, shown)
    except (UserError, OSError) as error:
        payloads, trouble = [""] * len(shown), str(error)
    rows = tuple(shown_row(row_id, payload) for row_id, payload in zip(shown, payloads, strict=True))
    return ShownBatch(batch.number, shown_path(Path(batch.out)), len(waiting), rows, trouble)


def shown_row(row_id: str, payload: Payload) -> ShownRow:
    """A row with its image or text; its id alone where it is a sound, or an image that cannot be decoded."""
    if isinstance(payload, str):
        return ShownRow(cut(row_id), text=cut(payload))
    try:
        return ShownRow(cut(row_id), image=thumbnail(payload))
    except ValueError:
        return ShownRow(cut(row_id))


def thumbnail(payload: bytes) -> str:
    """An image as a small JPEG in a data URI.

    Raises:
        ValueError: it cannot be decoded.
    """
    image, data = open_rgb(payload, SIDE), BytesIO()
    image.thumbnail((SIDE, SIDE))
    image.save(data, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{b64encode(data.getvalue()).decode()}"


def _payloads(standing: Standing, store: Path, batch: Batch, row_ids: Sequence[str]) -> Sequence[Payload]:
    built = parts_of(standing.campaign, ANY_STRATEGY, batch.budget)
    opened = EmbeddingStore.open(store / standing.rows.store)
    rows = stored_rows(built, opened, folder_place(standing.campaign.data_root))
    if Modality.of(built.dataset.modality()) in (Modality.AUDIO, Modality.EMBEDDING):
        return [""] * len(row_ids)
    return rows.payloads(standing.rows.places(row_ids))
