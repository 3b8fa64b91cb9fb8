"""The command line: what a newcomer's mistakes get, and that plan and list start nothing."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from labelbench_ray import user_code
from labelbench_ray.commands import cli
from labelbench_ray.console import interruption
from labelbench_ray.console.exit_status import exit_status
from tests.samples import write_module

QUICKSTART = str(Path(__file__).parent.parent / "experiments/quickstart.py")
EXPERIMENT = """
from labelbench_ray.config import Part, Trial

def one() -> list[Trial]:
    return [Trial(**{fields})]
"""
FIELDS = {"dataset": "digits", "encoder": "pixels", "strategy": "random", "seed": 0, "rounds": 2, "budget": 10}


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run `labelbench ...` in an empty folder; returns (exit status, what was printed, what went to stderr)."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["labelbench", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return call


def test_python_looks_through_no_object_when_a_command_ends() -> None:
    program = (
        "import atexit, gc, sys; sys.argv = ['labelbench', '--version']; "
        "atexit.register(lambda: print(len(gc.get_objects()), gc.get_freeze_count() > 1000)); "
        "from labelbench_ray.__main__ import main; main()"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    seen, is_frozen = ended.stdout.splitlines()[-1].split()
    assert (int(seen) < 1000, is_frozen) == (True, "True")


def experiment(tmp_path: Path, **fields: object) -> str:
    path = tmp_path / "mine.py"
    path.write_text(EXPERIMENT.replace("{fields}", repr(FIELDS | fields)))
    return str(path)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"strategy": "margn"}, "no strategy called 'margn'; did you mean 'margin'?"),
        ({"dataset": "digit"}, "no dataset called 'digit'; did you mean 'digits'?"),
        (
            {"trainer": {"name": "logistic", "settings": {"l3": 1}}},
            "no setting of Logistic called 'l3'; did you mean 'l2'?",
        ),
        ({"buget": 3}, "no setting of Trial called 'buget'; did you mean 'budget'?"),
        ({"rounds": 0}, "rounds: Input should be greater than 0"),
        ({"budget": 700}, "2 rounds of 700 labels are 1400, the pool has 1257 rows; lower `rounds` or `budget`"),
        ({"encoder": "sentence"}, "embeds texts, the data set digits holds images"),
        ({"first_batch": "margin"}, "first_batch: margin needs labels"),
    ],
)
@pytest.mark.parametrize("verb", ["plan", "run"])
def test_a_request_that_cannot_be_meant_is_refused_in_one_line(command, tmp_path, verb: str, fields: dict, says: str):
    status, _, errors = command(verb, experiment(tmp_path, **fields))
    assert status == 2
    assert errors.startswith("error: ")
    assert says in errors
    assert len(errors.strip().splitlines()) == 1
    assert not (tmp_path / "runs").exists()


def test_data_that_is_not_there_is_reported_by_plan_and_refused_by_run(command, tmp_path):
    path = experiment(tmp_path, dataset="cifar10", encoder={"name": "pixels", "settings": {"size": 32}})
    status, printed, _ = command("plan", path)
    assert status == 0
    assert "to be provided" in printed
    status, _, errors = command("run", path)
    assert status == 2
    assert "--data-root" in errors


def test_plan_says_what_would_run(command):
    status, printed, _ = command("plan", QUICKSTART)
    assert status == 0
    assert "quickstart.quickstart: 40 trials, 0 done, 40 to run, which buy 12,000 labels in all" in printed
    assert "pool 1,257, validation 180, test 360; 64 dimensions" in printed


def test_plan_takes_the_experiment_written_for_a_cluster(command):
    status, printed, _ = command("plan", QUICKSTART.replace("quickstart", "imagenet"))
    assert status == 0
    assert "16 trials" in printed
    assert "to be provided" in printed


@pytest.mark.parametrize(
    "kind", ["strategies", "trainers", "proxies", "encoders", "datasets", "corrupters", "augmentations"]
)
def test_list_names_every_plug_in(command, kind: str):
    status, printed, _ = command("list", kind)
    assert status == 0
    files = (Path(cli.__file__).parent / kind).glob("[a-z]*.py")
    assert all(file.stem in printed for file in files)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("plan",), "nothing to run: give an experiment"),
        (("finetune",), "Missing argument 'EXPERIMENT'"),
        (("plan", "nowhere.py"), "no experiment file at 'nowhere.py'"),
        (("list", "strategy"), "'strategy' is not one of"),
        (("report", "nowhere"), "holds no experiment"),
        (("run", QUICKSTART, "--max-reject-fraction", "2"), "2.0 is not in the range"),
        (("run", QUICKSTART + ":slowstart"), "no experiment in"),
    ],
)
def test_a_wrong_command_line_exits_2(command, words: tuple[str, ...], says: str):
    status, _, errors = command(*words)
    assert status == 2
    assert says in errors


OWN_DATASET = """
from labelbench_ray.datasets import Dataset

class Own(Dataset):
{}
"""


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (
            "    def model_post_init(self, context):\n        {}['missing']",
            "dataset 'user_data.part' cannot be made: KeyError",
        ),
        ("    x = {}['missing']", "the dataset 'user_data.part' cannot be imported: KeyError: 'missing'"),
        ("    def modality(self):\n        {}['missing']", "error: KeyError: 'missing'"),
        ("    def load(self, root):\n        {}['missing']", "error: KeyError: 'missing'"),
        ("    def load(self, root):\n        open('/nowhere/at/all')", "error: FileNotFoundError"),
        ("    def load(self, root):\n        raise SystemExit(5)", "error: SystemExit: 5"),
    ],
)
def test_what_a_plug_in_raises_is_shown_with_its_own_frames_only(
    command, tmp_path, monkeypatch: pytest.MonkeyPatch, body: str, says: str
):
    defined = body if "def load" in body else f"{body}\n\n    def load(self, root):\n        pass"
    name = write_module(tmp_path, "data", OWN_DATASET.format(defined), monkeypatch)
    status, _, errors = command("plan", experiment(tmp_path, dataset=name))
    assert status == 2
    assert says in errors
    files = re.findall('File "(.*)"', errors)
    assert {Path(file).name for file in files} == {"part.py"}
    assert body.split("\n")[-1].strip() in errors


@pytest.mark.parametrize("verb", ["embed", "run", "finetune"])
@pytest.mark.parametrize("address", ["http://127.0.0.1:8265", "nonsense"])
def test_an_address_that_is_not_a_cluster_s_is_refused_before_anything_is_done(
    command, monkeypatch: pytest.MonkeyPatch, verb: str, address: str
):
    monkeypatch.setenv("RAY_ADDRESS", address)
    status, printed, errors = command(verb, QUICKSTART)
    assert status == 2
    assert not printed
    assert errors.startswith(f"error: --address {address} (or RAY_ADDRESS) is ")
    assert len(errors.splitlines()) == 1


@pytest.mark.parametrize("verb", ["plan", "finetune"])
def test_what_the_data_hold_is_stated_before_a_command_does_anything(command, tmp_path: Path, verb: str):
    _, printed, _ = command(verb, experiment(tmp_path))
    assert "  pool: 1,257 rows, 10 classes; largest 3 (128), smallest 8 (122)\n" in printed
    assert "  test: 360 rows, 10 classes; largest 1 (37), smallest 2 (35)\n" in printed


def test_an_error_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch):
    def broken() -> int:
        return min(int(text) for text in ["x"])

    with monkeypatch.context() as patched:
        patched.setattr(user_code, "PACKAGE", "/nowhere")  # as if this test's frames were not of a user
        with pytest.raises(ValueError, match="invalid literal"):
            exit_status(broken, interruption.Interruption())


def test_after_a_signal_whatever_is_raised_is_an_interruption(monkeypatch: pytest.MonkeyPatch):
    ended: list[int] = []
    monkeypatch.setattr(interruption, "end_at_once", lambda status, words: ended.append(status) or sys.exit())

    def interrupted() -> int:
        raise OSError("the connection was closed")

    with pytest.raises(SystemExit):
        exit_status(interrupted, interruption.Interruption(signal.SIGTERM))
    assert ended == [143]
