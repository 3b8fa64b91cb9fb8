"""The layers of the package: who may import what, one plug-in a file, and sizes that can be read."""

import ast
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests import structure

PACKAGE = Path(__file__).parent.parent / "labelbench_ray"
FILES = sorted(PACKAGE.rglob("*.py"))
LIGHT = ["config", "types", "plugins", "errors", "streams", "pool"]
KINDS = {
    "strategies": "Strategy",
    "trainers": "Trainer",
    "proxies": "Proxy",
    "proxies/heads": "Head",
    "encoders": "Encoder",
    "datasets": "Dataset",
    "corrupters": "Corrupter",
    "augmentations": "Augmentation",
    "tasks": "Task",
    "oracles": "Oracle",
}
MOST_LINES_OF_A_FILE, MOST_LINES_OF_A_FUNCTION = 300, 60
MOST_ROOT_FILES, MOST_MODULES_OF_A_FOLDER = 10, 30
MODULES = structure.modules()


@pytest.fixture(scope="module")
def imports() -> structure.Imports:
    """Not made when the file is collected: most processes collect these tests and run none."""
    return structure.imports(MODULES)


def names_of(paths: Iterable[Path]) -> list[str]:
    return [str(path.relative_to(PACKAGE)) for path in paths]


def imported(path: Path) -> set[str]:
    """The top-level packages that a file imports anywhere in it, inside functions too."""
    found: set[str] = set()
    for node in structure.nodes(path):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module or "")
    return {name.split(".")[0] for name in found}


def modules_reached(start: str) -> set[str]:
    """The modules of ours that importing `start` imports, itself included."""
    reached, waiting = set(), [start]
    while waiting:
        name = waiting.pop()
        path = MODULES.get(name)
        if name in reached or path is None:
            continue
        reached.add(name)
        for node in structure.syntax(path).body:
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE.name:
                inside = (node.module or "").removeprefix(PACKAGE.name).lstrip(".")
                waiting += [inside, *(f"{inside}.{alias.name}".lstrip(".") for alias in node.names)]
    return reached


def test_imports_point_downward(imports: structure.Imports):
    assert structure.upward(imports) == []


def test_no_modules_and_no_packages_import_one_another_in_a_circle(imports: structure.Imports):
    assert structure.cycles(imports) == []
    assert structure.cycles(structure.between_packages(imports)) == []


def test_every_package_and_root_module_has_its_layer():
    named = [name for layer in structure.LAYERS for name in layer]
    assert len(named) == len(set(named))
    assert {structure.package_of(module) for module in MODULES if module} <= set(named)


def test_folders_show_the_architecture():
    sizes = structure.folder_sizes(MODULES)
    assert sizes.pop(PACKAGE.name) <= MOST_ROOT_FILES
    large = {folder for folder, count in sizes.items() if count > MOST_MODULES_OF_A_FOLDER}
    assert large <= {f"{PACKAGE.name}/strategies", f"{PACKAGE.name}/datasets"}, (
        "one file a plug-in; the rest goes into subpackages"
    )


def test_the_page_on_architecture_shows_the_layers_of_today():
    page = structure.PAGE.read_text()
    assert structure.with_picture(page) == page, "run `python -m tests.structure --update`"


@pytest.mark.parametrize(
    ("imported_by", "expected"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}, [["a", "b", "c"]]),
        ({"a": {"b"}, "b": {"a"}, "c": {"d"}, "d": {"c"}}, [["a", "b"], ["c", "d"]]),
        ({"a": {"b", "c"}, "b": {"c"}, "c": set()}, []),
    ],
)
def test_cycles_are_found(imported_by: dict[str, set[str]], expected: list[list[str]]):
    assert structure.cycles({name: frozenset(others) for name, others in imported_by.items()}) == expected


def test_ray_is_imported_under_cluster_only():
    assert not names_of(path for path in FILES if "ray" in imported(path) and path.parent.name != "cluster")


@pytest.mark.parametrize("name", LIGHT)
def test_the_lowest_layers_reach_neither_torch_nor_ray(name: str):
    for reached in modules_reached(name):
        assert not imported(MODULES[reached]) & {"torch", "ray"}, reached


def test_importing_the_lowest_layers_loads_neither_torch_nor_ray():
    program = f"""
import sys
from {PACKAGE.name} import {", ".join(LIGHT)}
sys.exit(bool({{"torch", "ray"}} & set(sys.modules)))
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def refinements(folder: Path, base: str) -> dict[str, list[str]]:
    """Per file of a folder, its classes that refine `base`, directly or through another class below the folder."""
    classes = {
        str(path.relative_to(folder)): [node for node in structure.syntax(path).body if isinstance(node, ast.ClassDef)]
        for path in folder.rglob("*.py")
    }
    known, before = {base}, set()
    while known != before:
        before = known
        known = known | {
            node.name
            for nodes in classes.values()
            for node in nodes
            if known & {ast.unparse(parent).split(".")[-1] for parent in node.bases}
        }
    return {file: [node.name for node in nodes if node.name in known] for file, nodes in classes.items()}


@pytest.mark.parametrize(("kind", "base"), KINDS.items())
def test_a_plug_in_s_file_defines_one_plug_in(kind: str, base: str):
    found = {
        file: names
        for file, names in refinements(PACKAGE / kind, base).items()
        if not file.startswith("_") and "/" not in file
    }
    assert {file: names for file, names in found.items() if len(names) != 1} == {}
    assert found


def test_files_are_short_enough_to_read():
    assert not names_of(path for path in FILES if len(path.read_text("utf-8").splitlines()) > MOST_LINES_OF_A_FILE)


def long_functions(path: Path) -> list[str]:
    found = []
    for node in structure.nodes(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            if node.end_lineno - node.lineno + 1 > MOST_LINES_OF_A_FUNCTION:
                found.append(node.name)
    return found


def test_functions_are_short_enough_to_read():
    long = {path: long_functions(path) for path in FILES}
    assert {path: names for path, names in long.items() if names} == {}


def test_nothing_is_pickled_to_disk():
    assert not names_of(path for path in FILES if imported(path) & {"pickle", "joblib", "dill", "cloudpickle"})


def test_files_are_read_as_utf_8_whatever_the_locale():
    """Under LC_ALL=C without UTF-8 mode Python reads ASCII, and the report's template is more."""
    assert not names_of(path for path in FILES if ".read_text()" in path.read_text("utf-8"))
