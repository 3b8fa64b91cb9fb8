"""The comparison of two commits' ledgers finds what differs."""

import importlib
import json
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
RECORD = {"round": 0, "chosen": [3, 1], "labels": [0, 1], "metrics": {"Test Accuracy": 0.5}, "proxy": "abc"}


@pytest.fixture
def same_ledgers(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("same_ledgers")


def test_costs_versions_and_new_empty_fields_are_not_compared(same_ledgers: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "000.json"
    path.write_text(
        json.dumps(RECORD | {"seconds": {"fit": 1.0}, "checksum": "1", "versions": {"a": "2"}, "notes": []})
    )
    assert same_ledgers._compared_fields(path) == RECORD


@pytest.mark.parametrize("field", RECORD)
def test_every_other_field_is(same_ledgers: ModuleType, field: str) -> None:
    before = {("trial", "000.json"): RECORD, ("trial", "001.json"): RECORD}
    after = before | {("trial", "001.json"): RECORD | {field: "other"}}
    assert same_ledgers.compared(before, before)["different"] == 0
    answer = same_ledgers.compared(before, after)
    assert (answer["rounds"], answer["first_different"]) == (2, [f"trial/001.json: {field}"])


def test_a_round_that_one_side_lacks_differs(same_ledgers: ModuleType) -> None:
    before = {("trial", "000.json"): RECORD, ("trial", "001.json"): RECORD}
    after = {("trial", "000.json"): RECORD}
    assert same_ledgers.compared(before, after)["different"] == 1
    assert same_ledgers.compared(after, before)["different"] == 1
