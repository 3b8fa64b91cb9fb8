"""The committed JSON Schemas are those of the models, and describe the files that trials and stores leave."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from labelbench_ray.ledger.records import Header
from labelbench_ray.plugins import Frozen
from tests import schemas

FIXTURES = Path(__file__).parent / "fixtures"
PATTERNS = {
    "trial": "**/trial.json",
    "round": "**/rounds/*.json",
    "manifest": "*/embedded/*/manifest.json",
    "view": "**/views/**/manifest.json",
}


def newest(name: str) -> dict[str, Any]:
    return json.loads((schemas.FOLDER / f"{name}-{schemas.newest(name)}.json").read_text())


def test_schemas_are_those_of_the_models() -> None:
    assert schemas.differing() == [], "run `python -m tests.schemas --update`"


def test_released_schemas_have_not_changed() -> None:
    for name, digest in schemas.released().items():
        path = schemas.FOLDER / name
        assert sha256(path.read_bytes()).hexdigest() == digest, f"{name} was released: restore it, and run --update"


@pytest.mark.parametrize("name", PATTERNS)
def test_recorded_files_fit(name: str) -> None:
    paths = [path for path in FIXTURES.glob(PATTERNS[name]) if "quarantine" not in path.parts]
    assert paths
    for path in paths:
        jsonschema.Draft202012Validator(newest(name)).validate(json.loads(path.read_text()))


@pytest.mark.parametrize(
    ("field", "value"), [("num_labeled", -1), ("round", "first"), ("metrics", [1]), ("colour", "red"), ("checksum", "")]
)
def test_a_wrong_file_does_not_fit(field: str, value: object) -> None:
    path = next(path for path in FIXTURES.glob(PATTERNS["round"]) if "quarantine" not in path.parts)
    wrong = json.loads(path.read_text()) | {field: value}
    assert not jsonschema.Draft202012Validator(newest("round")).is_valid(wrong)


class Larger(Header):
    """A trial's header with one more field."""

    color: str = "red"


def test_a_changed_model_rewrites_an_unreleased_schema_and_adds_a_version_to_a_released_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "trial-1.json", tmp_path / "trial-2.json"
    schemas.update(tmp_path)
    before = first.read_text()
    assert schemas.differing(tmp_path) == []

    models: dict[str, type[Frozen]] = {**schemas.MODELS, "trial": Larger}
    monkeypatch.setattr(schemas, "MODELS", models)
    assert schemas.differing(tmp_path) == ["trial"]
    assert schemas.update(tmp_path) == [first]
    assert "color" in first.read_text()

    schemas.release(tmp_path)
    monkeypatch.setattr(schemas, "MODELS", models | {"trial": Header})
    assert schemas.update(tmp_path) == [second]
    assert "color" in first.read_text()
    assert second.read_text() == before.replace("trial-1", "trial-2")
    assert schemas.differing(tmp_path) == []
    assert set(schemas.released(tmp_path)) == {f"{name}-1.json" for name in schemas.MODELS}
