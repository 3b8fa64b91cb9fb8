"""Every message that docs/troubleshooting.md quotes is one that the code raises."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests import structure

ROOT = Path(__file__).parent.parent
QUOTED = re.findall(r"^`(.+)`\n: ", (ROOT / "docs/troubleshooting.md").read_text(), re.MULTILINE)
GAP = "…"


def template(node: ast.expr) -> str:
    """A text of the source, with a gap for each value that is filled in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(template(each) if isinstance(each, ast.Constant) else GAP for each in node.values)
    return GAP


def plain(text: str) -> str:
    """Without quotes and code marks, which the page leaves out, and with one gap for several."""
    return re.sub(rf"(?:{GAP}\s*)+", GAP, " ".join(re.sub(r"[`'\"]", "", text).split()))


@cache
def texts() -> frozenset[str]:
    """The texts of the source; not read when the file is collected, which every process does."""
    return frozenset(
        plain(template(node))
        for path in structure.modules().values()
        for node in structure.nodes(path)
        if isinstance(node, ast.JoinedStr | ast.Constant)
    )


def is_raised(message: str) -> bool:
    """Whether each part of a message between gaps stands in one text of the source, in order."""
    parts = [part.strip(" ;:(),") for part in plain(message).split(GAP)]
    pattern = re.compile(".*".join(re.escape(part) for part in parts if part))
    return any(pattern.search(text) for text in texts())


@pytest.mark.parametrize("message", QUOTED)
def test_the_message_is_raised(message: str) -> None:
    assert is_raised(message)


def test_a_message_that_is_gone_would_be_found() -> None:
    assert len(QUOTED) >= 20
    assert not is_raised("… defines no experiment: a public function annotated -> tuple[Trial]")
