"""The benchmark of selection runs, at a tiny size, and answers in the form of all benchmarks."""

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
TINY = ["--rows", "2000", "--dimensions", "16", "--labeled", "200", "--budgets", "50", "--classes", "10", "20"]


@pytest.fixture
def selection(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("selection")


def test_the_table_of_a_tiny_pool(selection: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    arguments = selection.options("", [*TINY, "--strategies", "random", "confidence", "margin", "entropy"])
    assert arguments.parts == ["table"]
    answer = selection.table(arguments, tmp_path, runner=importlib.import_module("case").measure)
    selection.show("select", {"table": answer.measured}, {"table": answer.target}, met=answer.met)
    said = json.loads(capsys.readouterr().out)
    assert set(said) == {"benchmark", "measured", "target", "met", "machine"}
    assert set(said["measured"]["table"]) == {"random", "confidence", "margin", "entropy"}
    for row in said["measured"]["table"].values():
        assert set(row) == {"K=10", "K=20"}
        for found in row.values():
            assert 0 < found["cpu_seconds"] < 2
            assert 0 <= found["extra_mib"] < 100
            assert isinstance(found["met"], bool)
    assert said["measured"]["table"]["margin"]["K=10"]["limit"] == {"labelbench": 0.03, "at_most": 0.03}
    assert said["measured"]["table"]["random"]["K=10"]["limit"]["at_most"] == 20


def test_a_case_of_its_own_process_and_one_that_fails(selection: ModuleType, tmp_path: Path) -> None:
    case, pools = importlib.import_module("case"), importlib.import_module("pools")
    place = str(pools.made(tmp_path, pools.Shape(500, 4, 3, 50)))
    found = case.run(case.Case("margin", place, 20, mapped=True))
    assert {"cpu_seconds", "wall_seconds", "extra_mib", "anonymous_gib"} <= set(found)
    assert "no strategy called 'margn'" in case.run(case.Case("margn", place, 20))["failed"]


def test_a_smaller_pool_is_the_beginning_of_a_larger_one(selection: ModuleType, tmp_path: Path) -> None:
    pools = importlib.import_module("pools")
    small, large = (pools.opened(pools.made(tmp_path, pools.Shape(rows, 4, 3, 50)), mapped=True) for rows in (300, 900))
    assert (small.embeddings_ND == large.embeddings_ND[:300]).all()
    assert (small.truth_N == large.truth_N[:300]).all()


def test_what_a_round_over_scorers_sends(selection: ModuleType, tmp_path: Path) -> None:
    pools, actors = importlib.import_module("pools"), importlib.import_module("actors")
    pool = pools.opened(pools.made(tmp_path, pools.Shape(9000, 4, 3, 50)), mapped=True)
    margin, coreset = (actors.exchanged(pool, name, 20) for name in ("margin", "coreset"))
    assert margin["calls_a_scorer"] <= 2
    assert margin["calls_a_scorer"] < coreset["calls_a_scorer"] < 100
    for found in (margin, coreset):
        assert min(found.values()) > 0


def test_exponents_are_slopes(selection: ModuleType) -> None:
    assert selection.exponent({10: 2.0, 100: 20.0, 1000: 200.0}) == pytest.approx(1)
    assert selection.exponent({10: 1.0, 100: 100.0}) == pytest.approx(2)
    by_size = {10: {"cpu_seconds": 1.0, "extra_mib": 1.0}, 100: {"failed": "MemoryError"}}
    assert selection.grown(by_size, by_size, 1) == {"failed": {"100": "MemoryError"}, "met": False}


def test_the_file_s_name_does_not_hide_the_standard_library_s_module() -> None:
    """A script's folder comes first on the path: `import subprocess` asks it for `select`."""
    program = f"import sys; sys.path.insert(0, {str(BENCHMARKS)!r}); import select, subprocess; print(select.select)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "built-in function select" in done.stdout
