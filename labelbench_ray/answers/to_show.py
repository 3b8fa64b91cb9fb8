"""Rows as people see them, for every annotation tool: adapters write a tool's file from them."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FileAt:
    """A file that the row is, where the data set has it."""

    location: str
    """A path on this machine, or an address such as `s3://bucket/name`."""


Payload = FileAt | str | bytes
"""A file, a text, or the bytes of a file (of an image or a sound)."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What a model predicts for a row."""

    labels: tuple[str, ...]
    """Names of classes; () for none of them."""
    model: str
    """The model's version, which an answer keeps as `Answer.shown`."""


@dataclass(frozen=True, slots=True)
class ToShow:
    """A row to label."""

    row_id: str
    """The data set's own key."""
    payload: Payload
    score: float
    """Its place in the batch, above 0 and at most 1: smaller ones are labeled first, so that a part is a prefix."""
    suggestion: Suggestion | None = None
    """What annotators see as a proposal; None, the default of campaigns, so that nobody is led."""


def ranked_scores(rows: int) -> list[float]:
    """The scores of a batch's rows in the order in which a strategy chose them."""
    return [(rank + 1) / rows for rank in range(rows)]


def batch_to_show(row_ids: Sequence[str], payloads: Sequence[Payload]) -> tuple[ToShow, ...]:
    """A batch in its order, without suggestions."""
    scores = ranked_scores(len(row_ids))
    return tuple(ToShow(*each) for each in zip(row_ids, payloads, scores, strict=True))
