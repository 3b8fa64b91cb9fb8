"""Experiments are public functions that return trials; what is none is refused by name."""

import re
import sys
from pathlib import Path

import pytest

from labelbench_ray import report
from labelbench_ray.api.run_plan import note_grid
from labelbench_ray.commands import status
from labelbench_ray.config import TINY_ROUNDS
from labelbench_ray.console.events import events_file
from labelbench_ray.environment import Environment
from labelbench_ray.errors import ConfigError
from labelbench_ray.ledger.experiments import experiment_folders
from labelbench_ray.planning import experiment, plan

HEAD = """
from labelbench_ray.config import Trial, grid
BASE = Trial(dataset="digits", encoder="pixels", strategy="random", seed=0, rounds=5, budget=50)
"""
STUDY = """
def study(seeds: int = 3) -> list[Trial]:
    return grid(BASE, seed=range(seeds))
"""
SMOKE = """
def smoke() -> "list[Trial]":
    return [BASE]
"""
NO_EXPERIMENTS = """
def _private() -> list[Trial]:
    return [BASE]

def needs(argument: int) -> list[Trial]:
    return [BASE]

def unannotated():
    return [BASE]

def other() -> list[int]:
    return [1]
"""


@pytest.fixture(autouse=True)
def _path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend("")  # what loading adds to the path is taken back after the test


def write(tmp_path: Path, *parts: str, name: str = "study.py") -> str:
    (tmp_path / name).write_text(HEAD + "".join(parts))
    return str(tmp_path / name)


def test_a_file_with_one_experiment_needs_no_name(tmp_path):
    loaded = experiment.load(write(tmp_path, STUDY, NO_EXPERIMENTS))
    assert loaded.name == "study.study"
    assert [trial.seed for trial in loaded.trials] == [0, 1, 2]


def test_a_file_with_two_needs_one(tmp_path):
    file = write(tmp_path, STUDY, SMOKE, name="two.py")
    assert experiment.load(f"{file}:smoke").name == "two.smoke"
    with pytest.raises(ConfigError, match=r"two.py defines 2 experiments; name one of: .*two.py:smoke, .*two.py:study"):
        experiment.load(file)


def test_an_unknown_name_is_answered_with_the_nearest(tmp_path):
    with pytest.raises(ConfigError, match="'stdy'; did you mean 'study'"):
        experiment.load(write(tmp_path, STUDY, SMOKE) + ":stdy")


@pytest.mark.parametrize("name", ["_private", "needs", "unannotated", "other"])
def test_a_function_that_is_no_experiment_cannot_be_named(tmp_path, name: str):
    with pytest.raises(ConfigError, match=f"no experiment .* called '{name}'"):
        experiment.load(write(tmp_path, STUDY, NO_EXPERIMENTS) + f":{name}")


def test_an_experiment_that_is_imported_belongs_to_its_own_file(tmp_path):
    write(tmp_path, SMOKE, name="borrowed_experiments.py")
    file = write(tmp_path, "from borrowed_experiments import smoke\n", STUDY, name="borrower.py")
    assert experiment.load(file).name == "borrower.study"


def test_a_file_without_any_says_what_one_is(tmp_path):
    with pytest.raises(ConfigError, match=r"defines no experiment: a public function annotated `-> list\[Trial\]`"):
        experiment.load(write(tmp_path, NO_EXPERIMENTS))


@pytest.mark.parametrize("text", ["nowhere.py", "nowhere.py:study", "study", "", ":study", "."])
def test_a_file_that_is_not_there_is_named(text: str):
    with pytest.raises(ConfigError, match=r"no experiment file at .*; give file\.py:function"):
        experiment.load(text)


@pytest.mark.parametrize("returned", ["[]", "None", "[BASE, 3]", "BASE", "(trial for trial in ())"])
def test_what_is_no_list_of_trials_is_refused(tmp_path, returned: str):
    file = write(tmp_path, f"def study() -> list[Trial]:\n    return {returned}\n")
    with pytest.raises(ConfigError, match=r"study.py:study must return a list of .* Trial, or a Search; it returned"):
        experiment.load(file)


def test_helpers_with_annotations_that_only_a_type_checker_resolves_do_no_harm(tmp_path):
    helper = "def helper() -> 'OnlyForTypeCheckers':\n    pass\n"
    assert experiment.load(write(tmp_path, helper, STUDY)).name == "study.study"


def test_shrinking_makes_it_tiny(tmp_path):
    loaded = experiment.load(write(tmp_path, STUDY), shrink=True)
    assert {trial.rounds for trial in loaded.trials} == {TINY_ROUNDS}
    assert len(loaded.trials) == 3


def test_a_tiny_run_has_a_folder_of_its_own_and_leaves_the_study_s_alone(tmp_path):
    file, runs = write(tmp_path, STUDY), tmp_path / "runs"
    environment = Environment(runs, tmp_path / "store", tmp_path, tracking_uri="", address=None)
    study, small = (plan.plan(experiment.load(file, shrink), environment) for shrink in (False, True))
    note_grid(study)
    before = (study.folder / "experiment.json").read_bytes()
    note_grid(small)
    assert (study.folder / "experiment.json").read_bytes() == before
    assert experiment_folders(runs) == [runs / "study.study", runs / "study.study.tiny"]
    assert [status.read(folder).experiment for folder in experiment_folders(runs)] == [
        "study.study",
        "study.study.tiny",
    ]
    assert [section.setting for section in report.build(small.folder).sections]
    assert events_file(runs, small.experiment.name) == runs / "study.study.tiny" / "events.jsonl"


def test_parts_of_the_user_s_own_beside_the_experiment_can_be_imported(tmp_path):
    package = tmp_path / "beside_experiments"
    package.mkdir()
    (package / "__init__.py").write_text("SEED = 7\n")
    file = write(
        tmp_path,
        "from beside_experiments import SEED\n",
        "def study() -> list[Trial]:\n    return grid(BASE, seed=[SEED])\n",
    )
    assert experiment.load(file).trials[0].seed == 7


def test_a_generator_is_refused_with_what_to_write(tmp_path):
    file = write(tmp_path, "def study() -> list[Trial]:\n    return (trial for trial in [BASE])\n")
    with pytest.raises(ConfigError, match=r"it returned a generator; write `list\(\.\.\.\)` around it"):
        experiment.load(file)


@pytest.mark.parametrize("annotation", ["List[Trial]", '"List[Trial]"', '"list[Trial]"'])
def test_the_older_spelling_of_a_list_is_an_experiment_too(tmp_path, annotation: str):
    file = write(tmp_path, f"from typing import List\ndef study() -> {annotation}:\n    return [BASE]\n")
    assert experiment.load(file).name == "study.study"


@pytest.mark.parametrize("path", ["a:b/study.py", "a:study.py", "STUDY.PY", "übung #1.py"])
def test_files_are_found_whatever_their_name(tmp_path, path: str):
    (tmp_path / path).parent.mkdir(exist_ok=True)
    file = write(tmp_path, STUDY, name=path)
    assert experiment.load(file).name == experiment.load(f"{file}:study").name == f"{Path(path).stem}.study"


def test_a_file_that_is_not_there_is_named_in_full_though_its_path_has_a_colon():
    for named in ("a:b/study.py", "a:b/study.py:study"):
        with pytest.raises(ConfigError, match=r"no experiment file at 'a:b/study\.py'"):
            experiment.load(named)


RAISED = {
    '{}["missing"]': "KeyError: 'missing'",
    "import sys; sys.exit(3)": "SystemExit: 3",
    "raise RuntimeError('two\\nlines')": "RuntimeError: two\nlines",
    "int('x')": "ValueError: invalid literal for int() with base 10: 'x'",
}


@pytest.mark.parametrize("line", RAISED)
@pytest.mark.parametrize("place", ["in the file", "in the function", "in a file beside it"])
def test_what_an_experiment_raises_is_shown_with_its_own_frames_only(tmp_path, line: str, place: str):
    (tmp_path / "beside_raises.py").write_text(f"def fail():\n    {line}\n")
    body, frames = {
        "in the file": (f"{line}\n{STUDY}", 1),
        "in the function": (f"def study() -> list[Trial]:\n    {line}\n", 1),
        "in a file beside it": (
            "import beside_raises\ndef study() -> list[Trial]:\n    beside_raises.fail()\n",
            2,
        ),
    }[place]
    with pytest.raises(ConfigError) as raised:
        experiment.load(write(tmp_path, body))
    text = str(raised.value)
    assert re.match(rf"{re.escape(str(tmp_path))}/study\.py(:study)?: {re.escape(RAISED[line])}", text)
    files = re.findall(r'File "(.*)"', text)
    assert [Path(file).parent for file in files] == [tmp_path] * frames, text
    assert line in text
    sys.modules.pop("beside_raises", None)


@pytest.mark.parametrize(
    ("body", "states"),
    [
        (
            "def study() -> list[Trial]:\n    return grid(BASE, seed=[-1])\n",
            r"study\.py, line 5: trial: seed: Input s",
        ),
        ("BAD = Trial(seed=0)\n", r"study\.py, line 4: .*dataset: Field required"),
        (
            "from .settings import SEEDS\n",
            r"study\.py: ImportError: .*; .*: `from settings import \.\.\.`",
        ),
        ("import no_such_module_here\n", r"study\.py: ModuleNotFoundError: .*; install it, or put the file beside"),
        (
            "from labelbench_ray import Trail\n",
            r"study\.py: ImportError: cannot import name 'Trail' .*; correct the name",
        ),
        ("def study(:\n", r"study\.py: SyntaxError: .* \(study\.py, line 4\)"),
        ("open('/nowhere/at/all')\n", r"study\.py: FileNotFoundError: .*/nowhere/at/all"),
    ],
)
def test_a_mistake_that_has_a_fix_is_one_line(tmp_path, body: str, states: str):
    with pytest.raises(ConfigError, match=states) as raised:
        experiment.load(write(tmp_path, body))
    assert "\n" not in str(raised.value)


def test_a_folder_is_not_an_experiment(tmp_path):
    (tmp_path / "study.py").mkdir()
    with pytest.raises(ConfigError, match=r"no experiment file at .*study\.py"):
        experiment.load(str(tmp_path / "study.py"))
