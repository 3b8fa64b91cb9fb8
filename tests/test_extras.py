"""The table of extras in docs/install.md has the sizes that the benchmark measures."""

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROW = re.compile(r"^\| `?(\w+)`? \| .* \| (\d+) \| ([\d,]+) \|$", re.MULTILINE)
TOLERANCE = 0.3
"""Packages grow with their versions."""


def test_the_page_has_the_sizes_of_today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    measured = {row["extra"]: row for row in importlib.import_module("extras").rows()}
    rows = ROW.findall((ROOT / "docs/install.md").read_text())
    assert [name for name, _, _ in rows] == list(measured)
    for name, packages, megabytes in rows:
        assert int(packages) == pytest.approx(measured[name]["packages"], rel=TOLERANCE)
        assert int(megabytes.replace(",", "")) == pytest.approx(measured[name]["MB"], rel=TOLERANCE)
