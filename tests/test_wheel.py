"""The wheel that users install: what is in it, and that it works outside of the repository.

It is installed without its dependencies, into an environment that finds those in the one that runs the tests, except
what extras install: as after `pip install labelbench-ray`. That takes gigabytes, and is a job in `.github/workflows`.
"""

import hashlib
import importlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from email.parser import Parser
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from labelbench_ray import __version__

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "labelbench_ray"
DATA = [path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")]
IN_THE_SOURCE = ("LICENSE", "NOTICE", "README.md", "CHANGELOG.md", "CITATION.cff", "constraints.txt", "pyproject.toml")
HIDDEN = ("PYTHONPATH", "LABELBENCH_", "MLFLOW_")
WITHOUT = """
import sys
from importlib.machinery import PathFinder

class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in {modules} else super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Without
"""
"""A `sitecustomize` module, without which the modules could be imported."""


def build(kind: str, source: Path, target: Path) -> Path:
    """A distribution of the sources in a folder."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", str(target)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (made,) = target.iterdir()
    return made


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution's folder."""
    sdist = build("sdist", ROOT, tmp_path_factory.mktemp("sdist"))
    with tarfile.open(sdist) as archive:
        archive.extractall(folder := tmp_path_factory.mktemp("unpacked"), filter="data")
    (top,) = folder.iterdir()
    return top


def contents(wheel: Path) -> dict[str, str]:
    """The SHA-256 of every file in a wheel, without the list of them."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/RECORD")]
        return {name: hashlib.sha256(archive.read(name)).hexdigest() for name in names}


def test_the_wheel_holds_every_module_and_every_file_that_they_read(wheel: Path) -> None:
    found = contents(wheel)
    expected = {str(path.relative_to(ROOT)) for path in (*PACKAGE.rglob("*.py"), *DATA)}
    assert {name for name in found if ".dist-info/" not in name} == expected
    names = {path.name for path in DATA}
    assert {"py.typed", "page.html.jinja", "trial-1.json", "round-1.json", "manifest-1.json"} <= names
    assert {name.rpartition("/")[2] for name in found if "/licenses/" in name} == {"LICENSE", "NOTICE"}


def test_the_metadata_state_licence_version_and_extras(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(name).decode())
    assert metadata["Version"] == __version__
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert {"clip", "offline", "docs"} <= {*metadata.get_all("Provides-Extra", [])}


def test_the_source_distribution_gives_the_same_wheel(unpacked: Path, wheel: Path, tmp_path: Path) -> None:
    assert all((unpacked / name).is_file() for name in IN_THE_SOURCE)
    assert (unpacked / "tests/test_wheel.py").is_file()
    assert (unpacked / "experiments/quickstart.py").is_file()
    assert not {".venv", "runs", "store", "data", ".git"} & {path.name for path in unpacked.iterdir()}
    assert contents(build("wheel", unpacked, tmp_path)) == contents(wheel)


def modules_of_extras(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The top-level modules that a base installation lacks and the environment of the tests has."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    extras = importlib.import_module("extras")
    optional = extras.PROJECT["optional-dependencies"]
    base = extras.installed(extras.PROJECT["dependencies"]).keys()
    more = extras.installed([each for name in (*extras.EXTRAS, "dev") for each in optional[name]]).keys() - base
    return {
        module
        for module, names in packages_distributions().items()
        if {canonicalize_name(name) for name in names} <= more
    }


def test_an_installed_wheel_runs_a_copy_of_the_quickstart_elsewhere(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    venv.create(tmp_path / "venv", symlinks=True)
    python = tmp_path / "venv/bin/python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", "--quiet"]
    subprocess.run([*install, str(wheel)], check=True)
    (site,) = (tmp_path / "venv/lib").glob("python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    absent = modules_of_extras(monkeypatch)
    assert {"mlflow", "open_clip", "peft", "sentence_transformers", "onnxruntime", "sphinx", "pytest"} <= absent
    (site / "sitecustomize.py").write_text(WITHOUT.replace("{modules}", repr(absent)))
    (tmp_path / "elsewhere").mkdir()
    shutil.copy(ROOT / "experiments/quickstart.py", tmp_path / "elsewhere")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(HIDDEN)}

    def run(*command: str) -> str:
        return subprocess.run(
            command, cwd=tmp_path / "elsewhere", env=environment, check=True, stdout=subprocess.PIPE, text=True
        ).stdout

    labelbench = str(tmp_path / "venv/bin/labelbench")
    where = run(str(python), "-c", "import labelbench_ray; print(labelbench_ray.__file__)")
    assert Path(where.strip()).is_relative_to(site)
    assert __version__ in run(labelbench, "--version")
    printed = run(labelbench, "run", "quickstart.py", "--tiny", "--executor", "local")
    assert "40 trials done, 0 failed, 0 not finished" in printed
    assert "pip install 'labelbench-ray[mlflow]'" in " ".join(printed.split())
    (folder,) = (tmp_path / "elsewhere/runs").glob("quickstart.*")
    assert (folder / "report.html").stat().st_size > 10_000
