"""Revisions of an answer, as texts that sort in the order in which they were made."""

from datetime import UTC, datetime
from typing import Any, Final

import pyarrow.compute as pc

CONTENT: Final = "+00:00-"
"""Where a time ends and the hash of a content begins."""


def revision(moment: datetime, content: str = "") -> str:
    """The revision made at this moment; `content` distinguishes revisions of one moment."""
    made = moment.astimezone(UTC).isoformat(timespec="microseconds")
    return f"{made}{'-' * bool(content)}{content}"


def content_of(revision: str) -> str:
    """The hash of the content that a revision states; "" if it does not."""
    return revision.partition(CONTENT)[2]


def contents_of(revisions: Any) -> Any:  # noqa: ANN401  pyarrow has no types
    """The same for a column of revisions."""
    begins = len(revision(datetime.min.replace(tzinfo=UTC)))
    is_stated = pc.equal(pc.utf8_slice_codeunits(revisions, begins - len(CONTENT) + 1, begins + 1), CONTENT)
    return pc.if_else(is_stated, pc.utf8_slice_codeunits(revisions, begins + 1), "")
