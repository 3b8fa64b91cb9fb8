"""The rings of the package: who may import what, one plug-in a file, and sizes that can be read."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "labelbench_ray"
FILES = sorted(PACKAGE.rglob("*.py"))
RING_0 = ["config", "types", "plugins", "errors", "streams", "probabilities"]
KINDS = {
    "strategies": "Strategy",
    "trainers": "Trainer",
    "proxies": "Proxy",
    "heads": "Head",
    "encoders": "Encoder",
    "datasets": "Dataset",
    "corrupters": "Corrupter",
    "augmentations": "Augmentation",
}
MOST_LINES_OF_A_FILE, MOST_LINES_OF_A_FUNCTION = 300, 60


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


every_file = pytest.mark.parametrize("path", FILES, ids=name_of)


def imported(path: Path) -> set[str]:
    """The top-level packages that a file imports anywhere in it, inside functions too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
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
        path = PACKAGE / f"{name.replace('.', '/')}.py"
        if name in reached or not path.exists():
            continue
        reached.add(name)
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE.name:
                inside = (node.module or "").removeprefix(PACKAGE.name).lstrip(".")
                waiting += [inside] if inside else [alias.name for alias in node.names]
    return reached


@every_file
def test_ray_is_imported_under_cluster_only(path: Path):
    assert "ray" not in imported(path) or path.parent.name == "cluster"


@pytest.mark.parametrize("name", RING_0)
def test_ring_0_reaches_neither_torch_nor_ray(name: str):
    for reached in modules_reached(name):
        assert not imported(PACKAGE / f"{reached}.py") & {"torch", "ray"}, reached


def test_importing_ring_0_loads_neither_torch_nor_ray():
    program = f"""
import sys
from {PACKAGE.name} import {", ".join(RING_0)}
sys.exit(bool({{"torch", "ray"}} & set(sys.modules)))
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def refinements(folder: Path, base: str) -> dict[str, list[str]]:
    """Per file of a folder, its classes that refine `base`, directly or through another class of the folder."""
    classes = {
        path.name: [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef)]
        for path in folder.glob("*.py")
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
    found = {file: names for file, names in refinements(PACKAGE / kind, base).items() if not file.startswith("_")}
    assert {file: names for file, names in found.items() if len(names) != 1} == {}
    assert found


@every_file
def test_files_and_functions_are_short_enough_to_read(path: Path):
    text = path.read_text()
    assert len(text.splitlines()) <= MOST_LINES_OF_A_FILE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno + 1 <= MOST_LINES_OF_A_FUNCTION, node.name


@every_file
def test_nothing_is_pickled_to_disk(path: Path):
    assert not imported(path) & {"pickle", "joblib", "dill", "cloudpickle"}
