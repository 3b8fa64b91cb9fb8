"""What is declared is what the code imports, and each missing package is named with the extra that installs it."""

import ast
import importlib.util
import re
import sys
import tomllib
from functools import cache
from importlib.machinery import ModuleSpec
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import labelbench_ray
from labelbench_ray import plugins
from labelbench_ray.config import Part
from labelbench_ray.encoders import Encoder
from labelbench_ray.errors import EXTRAS, ConfigError, install_hint
from labelbench_ray.plugins.catalog import KINDS
from labelbench_ray.proxies import Proxy

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "labelbench_ray"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS_OF_USERS = {"audio", "clip", "crowd", "hub", "llm", "lora", "mlflow", "offline", "search"}
PARTS_OF_OTHERS = {
    "annotated_types": "pydantic",
    "markupsafe": "jinja2",
    "pydantic_core": "pydantic",
    "sqlalchemy": "mlflow",
    "transformers": "sentence_transformers",
}
"""Modules that come with another one and are used through it only."""
distributions_by_module = cache(packages_distributions)
"""What every installed distribution provides: read when a test asks, not when the file is collected."""


def distributions(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(each).name) for each in requirements}


def provided_by(module: str) -> set[str]:
    return {canonicalize_name(name) for name in distributions_by_module()[module]}


BASE = distributions(PROJECT["dependencies"])
OPTIONAL = {extra: distributions(given) for extra, given in PROJECT["optional-dependencies"].items()}


def imported() -> set[str]:
    """The top-level modules of others that the package imports anywhere."""
    found: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add((node.module or "").partition(".")[0])
    return {PARTS_OF_OTHERS.get(module, module) for module in found - sys.stdlib_module_names - {PACKAGE.name}}


def test_every_import_is_declared() -> None:
    """Directly, not through what another package happens to require."""
    undeclared = {
        module
        for module in imported()
        if not provided_by(module) & (OPTIONAL[EXTRAS[module]] if module in EXTRAS else BASE)
    }
    assert undeclared == set()


def test_no_extra_repeats_what_every_installation_has() -> None:
    assert {extra: OPTIONAL[extra] & BASE for extra in EXTRAS_OF_USERS} == {extra: set() for extra in EXTRAS_OF_USERS}


def test_each_module_s_extra_installs_it() -> None:
    for module, extra in EXTRAS.items():
        assert provided_by(module) & OPTIONAL[extra], module
    assert set(EXTRAS.values()) == EXTRAS_OF_USERS


def test_one_extra_has_them_all() -> None:
    (everything,) = map(Requirement, PROJECT["optional-dependencies"]["all"])
    assert everything.name == PROJECT["name"]
    assert everything.extras >= EXTRAS_OF_USERS


def test_plug_ins_want_packages_that_an_extra_installs() -> None:
    wanted = {
        package
        for folder, base in KINDS.values()
        for name in plugins.names(folder)
        for package in plugins.load(getattr(importlib.import_module(folder), base), folder, name).packages
    }
    assert wanted
    assert wanted <= EXTRAS.keys()


@pytest.mark.parametrize(
    ("base", "folder", "part", "package", "extra"),
    [
        (Encoder, "encoders", Part.of("open_clip", model="ViT-B-32", pretrained="random"), "open_clip", "clip"),
        (Encoder, "encoders", Part.of("sentence"), "sentence_transformers", "offline"),
        (Encoder, "encoders", Part.of("efficientnet_lite0"), "onnxruntime", "offline"),
        (Encoder, "encoders", Part.of("spectra"), "soundfile", "audio"),
        (Proxy, "proxies", Part.of("lora"), "peft", "lora"),
    ],
)
def test_without_an_extra_its_plug_ins_are_refused_with_the_command_that_installs_it(
    base: type[plugins.Plugin], folder: str, part: Part, package: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec

    def without(name: str) -> ModuleSpec | None:
        return None if name == package else find(name)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    with pytest.raises(ConfigError) as refusal:
        plugins.build(base, f"labelbench_ray.{folder}", part)
    kind = base.__name__.lower()
    expected = f"the {kind} {part.name!r} needs the package {package!r}: pip install 'labelbench-ray[{extra}]'"
    assert str(refusal.value) == expected


def test_a_package_that_is_not_ours_to_name_is_named_alone() -> None:
    assert install_hint("open_clip.pretrained") == "pip install 'labelbench-ray[clip]'"
    assert install_hint("theirs.deeper") == "install it (often: pip install theirs)"


def test_the_version_is_stated_once_and_repeated_truly() -> None:
    version = labelbench_ray.__version__
    assert "version" in PROJECT["dynamic"]
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == version
    assert re.search(rf"^## {re.escape(version)} \(", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert f"labelbench-ray:{version} ." in (ROOT / "deploy/Dockerfile").read_text()


def test_the_citation_has_what_the_format_requires() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert citation["cff-version"] == "1.2.0"
    assert citation["license"] == PROJECT["license"]
    assert [each["name"] for each in citation["authors"]] == [each["name"] for each in PROJECT["authors"]]


def test_the_classifiers_exist() -> None:
    from trove_classifiers import classifiers

    assert set(PROJECT["classifiers"]) <= classifiers
