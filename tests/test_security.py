"""What SECURITY.md promises: no code from data, no way out of the run directory, no secret on disk."""

import ast
import json
from pathlib import Path

import pytest

from labelbench_ray import report
from labelbench_ray.errors import LedgerError
from labelbench_ray.ledger.experiments import read_grid, write_grid
from labelbench_ray.ledger.records import Entry, Grid
from labelbench_ray.ledger.trials import read_header
from labelbench_ray.planning.experiment import load
from labelbench_ray.tracking.runs import read_tracked_run
from tests.memory_trials import HEADER, TRIAL, run

PACKAGE = Path(__file__).parent.parent / "labelbench_ray"
FILES = sorted(PACKAGE.rglob("*.py"))
FORBIDDEN_CALLS = {"eval", "exec", "os.system", "os.popen", "yaml.load", "yaml.unsafe_load", "marshal.loads"}
FORBIDDEN_CALLS |= {
    f"{module}.{name}" for module in ("pickle", "cloudpickle", "dill", "joblib") for name in ("load", "loads")
}
FORBIDDEN_IMPORTS = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal", "tarfile", "zipfile"}


ARCHIVE_READERS = {
    "datasets/row_files/tar_members.py": ["tarfile"],
    "datasets/vectors/headers.py": ["zipfile"],
    "registry/archive.py": ["zipfile"],
}
"""Files that read members of archives where they lie; none extracts one."""


def dangers(source: str) -> list[str]:
    """What of a file could run code that lies in data, or be reached from outside."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names]
            found += [name for name in names if name.split(".")[0] in FORBIDDEN_IMPORTS]
        if isinstance(node, ast.Constant) and node.value in ("0.0.0.0", "::"):
            found.append(f"binds {node.value}")
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            given = {each.arg: ast.unparse(each.value) for each in node.keywords}
            if name in FORBIDDEN_CALLS or name.endswith((".extractall", ".extract")):
                found.append(name)
            if name == "torch.load" and given.get("weights_only") != "True":
                found.append("torch.load without weights_only=True")
            if given.get("allow_pickle", "False") != "False" or given.get("shell", "False") != "False":
                found.append(f"{name} with pickles or a shell")
    return found


def test_no_file_of_ours_runs_what_lies_in_data():
    found = {str(path.relative_to(PACKAGE)): dangers(path.read_text("utf-8")) for path in FILES}
    assert {name: some for name, some in found.items() if some} == ARCHIVE_READERS


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "eval(text)",
        "subprocess.run(line, shell=True)",
        "archive.extractall(folder)",
        "archive.extract(member, folder)",
        "serve(host='0.0.0.0')",
    ],
)
def test_the_search_finds_what_it_looks_for(source: str):
    assert len(dangers(source)) == 1


@pytest.mark.parametrize("name", ["..", "../../x", "/etc", "a/b", "", ".", "a\\b", "x" * 65, "a\n", "a\x00"])
def test_a_fingerprint_from_a_file_cannot_leave_the_run_directory(tmp_path, name: str):
    folder = tmp_path / "study.grid"
    write_grid(folder, Grid(experiment="study.grid", entries=(Entry(fingerprint="a" * 16, trial=TRIAL),)))
    content = json.loads((folder / "experiment.json").read_text())
    content["entries"][0]["fingerprint"] = name
    (folder / "experiment.json").write_text(json.dumps(content))
    for read in (read_grid, report.build):
        with pytest.raises(LedgerError, match=r"experiment\.json: entries\.0\.fingerprint"):
            read(folder)
    run(folder / "trial")
    header = folder / "trial" / "trial.json"
    header.write_text(json.dumps(json.loads(header.read_text()) | {"fingerprint": name}))
    for read, path in ((read_header, header), (read_tracked_run, header.parent)):
        with pytest.raises(LedgerError, match=r"trial\.json: fingerprint"):
            read(path)


@pytest.mark.parametrize("name", ["..py", "...py", "-x.py", "a b.py"])
def test_an_experiment_s_folder_lies_below_runs(tmp_path, name: str):
    text = "from labelbench_ray.config import Trial\n\n\ndef study() -> list[Trial]:\n    return "
    text += "[Trial(dataset='digits', encoder='pixels', strategy='random', seed=0, rounds=1, budget=5)]\n"
    (tmp_path / name).write_text(text)
    runs = tmp_path / "runs"
    assert (runs / load(str(tmp_path / name)).name).resolve().parent == runs


def test_no_secret_of_the_environment_is_written(tmp_path, monkeypatch):
    secret = "b7f3-not-for-disk"
    for name in ("AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_PASSWORD", "RAY_AUTH_TOKEN", "HF_TOKEN"):
        monkeypatch.setenv(name, secret)
    run(tmp_path / HEADER.fingerprint)
    read = read_tracked_run(tmp_path / HEADER.fingerprint)
    assert secret not in str(read)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path
