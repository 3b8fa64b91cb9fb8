"""Revisions of an answer, as texts that sort in the order in which they were made."""

from datetime import UTC, datetime


def revision(moment: datetime, content: str = "") -> str:
    """The revision made at this moment; `content` distinguishes revisions of one moment and has no "-"."""
    assert "-" not in content
    made = moment.astimezone(UTC).isoformat(timespec="microseconds")
    return f"{made}{'-' * bool(content)}{content}"
