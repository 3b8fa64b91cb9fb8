"""Revisions of an answer, as texts that sort in the order in which they were made."""

from datetime import UTC, datetime
from typing import Final

CONTENT: Final = "+00:00-"
"""Where a time ends and the hash of a content begins."""


def revision(moment: datetime, content: str = "") -> str:
    """The revision made at this moment; `content` distinguishes revisions of one moment."""
    made = moment.astimezone(UTC).isoformat(timespec="microseconds")
    return f"{made}{'-' * bool(content)}{content}"


def content_of(revision: str) -> str:
    """The hash of the content that a revision states; "" if it does not."""
    return revision.partition(CONTENT)[2]
