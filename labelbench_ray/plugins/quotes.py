"""Texts among a part's settings as they are printed: in quotes only where they would be read back as something else."""

import re
from typing import Final

NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
OTHER_VALUES: Final = frozenset({"", "true", "false", "null", "True", "False", "None"})
SPECIAL: Final = re.compile(r"""^\s|\s$|[\n\r,()\[\]{}"\\]|^'""")


def quoted(text: str) -> str:
    """The text, in quotes if it looks like another value or holds what separates settings."""
    return repr(text) if text in OTHER_VALUES or NUMBER.fullmatch(text) or SPECIAL.search(text) else text
