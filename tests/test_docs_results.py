"""The page on results: its code runs, and it names every column."""

import re
from pathlib import Path

import pytest

from labelbench_ray.api.results import Results, results
from tests.test_frozen_files import FIXTURES

PAGE = (Path(__file__).parent.parent / "docs" / "results.md").read_text("utf-8")
RUNS = FIXTURES / "be79322" / "recorded"


@pytest.fixture(scope="module")
def found() -> Results:
    return results(RUNS)


def test_the_code_runs(monkeypatch, capsys, tmp_path):
    (tmp_path / "runs").symlink_to(RUNS)
    monkeypatch.chdir(tmp_path)
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(block, {})
    assert "area_gain_p_holm" in capsys.readouterr().out


@pytest.mark.parametrize("table", ["rounds", "trials", "savings", "comparisons", "labels"])
def test_every_column_is_described(found: Results, table: str):
    names = set(getattr(found, table)().column_names)
    if table in ("rounds", "trials"):  # metrics, stages and versions are described by examples
        names = {name for name in names if name.islower() and not re.match(r"version_(?!sets)|metric_", name)}
        names -= {name for name in names if re.search(r"._(wall|cpu|gpu)_seconds$", name)}
    described = set(re.findall(r"`(\w+)`", PAGE))
    endings = ("", "_low", "_high", "_spread", "_p_holm", "_p")
    missing = {name for name in names if not any(name.removesuffix(ending) in described for ending in endings)}
    assert missing == set()
