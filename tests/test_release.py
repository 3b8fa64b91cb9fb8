"""A release is refused while something is open, and the workflows call what exists."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from labelbench_ray import __version__
from tests import release, schemas

ROOT = Path(__file__).parent.parent
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree that can be released."""
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n## {__version__} (2030-01-31)\n")
    (tmp_path / "pyproject.toml").write_text('[project.urls]\nRepository = "https://example.org/labelbench_ray"\n')
    shutil.copytree(schemas.FOLDER, tmp_path / "schemas")
    schemas.release(tmp_path / "schemas")
    return tmp_path


def test_a_tree_with_everything_can_be_released(tree: Path) -> None:
    assert [*release.missing(f"v{__version__}", tree, tree / "schemas")] == []


@pytest.mark.parametrize(
    ("tag", "file", "text", "words"),
    [
        ("v0.0.1", None, "", "the tag v0.0.1 is not"),
        (f"v{__version__}", "CHANGELOG.md", f"## {__version__} (unreleased)", "no heading with a date"),
        (f"v{__version__}", "pyproject.toml", "[project.urls]", "no address of the repository"),
        (f"v{__version__}", "schemas/RELEASED", "", "schemas are not frozen"),
    ],
)
def test_what_is_open_is_stated(tree: Path, tag: str, file: str | None, text: str, words: str) -> None:
    if file:
        (tree / file).write_text(text)
    (found,) = release.missing(tag, tree, tree / "schemas")
    assert words in found


def steps(workflow: Path) -> list[dict[str, Any]]:
    return [step for job in yaml.safe_load(workflow.read_text())["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_call_targets_modules_and_files_that_exist(workflow: Path) -> None:
    commands = [step["run"] for step in steps(workflow) if "run" in step]
    assert commands
    for command in commands:
        assert {*re.findall(r"make ([a-z-]+)", command)} <= TARGETS, command
        for module in re.findall(r"-m (tests\.\w+)", command):
            assert (ROOT / f"{module.replace('.', '/')}.py").is_file(), command
        for file in re.findall(r"\b(?:tests|experiments)/[\w./]+", command):
            assert (ROOT / file).exists(), command


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_may_read_only_and_pin_their_actions(workflow: Path) -> None:
    read = yaml.safe_load(workflow.read_text())
    assert read["permissions"] == {"contents": "read"}
    assert all("timeout-minutes" in job for job in read["jobs"].values())
    for step in steps(workflow):
        assert "uses" not in step or re.search(r"@(v\d|release/v\d|[0-9a-f]{40})", step["uses"])
    with_more = {name: job["permissions"] for name, job in read["jobs"].items() if "permissions" in job}
    assert with_more == ({"publish": {"id-token": "write"}} if workflow.stem == "release" else {})


def test_every_python_that_the_classifiers_name_is_tested() -> None:
    test = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())["jobs"]["test"]
    named = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text())
    assert test["strategy"]["matrix"]["python"] == named
