"""`labelbench run` and `labelbench finetune` through Tune: points, failures, and a worker that is killed."""

import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from labelbench_ray import parts, plan, run_finetune
from labelbench_ray.cluster.jobs import CHECKPOINT
from labelbench_ray.config import Part, Trial, vary
from labelbench_ray.environment import Environment
from labelbench_ray.errors import ConfigError
from labelbench_ray.experiment import Experiment
from labelbench_ray.ledger import read_history
from labelbench_ray.points import read_points
from tests.full_trials import LIGHT, MODEL, QUICK, TRAINER, finetune, make_home, make_store, untimed
from tests.ray.conftest import Ran

pytestmark = pytest.mark.ray
Run = Callable[..., Ran]
TUNED = vary(LIGHT, finetune=finetune(12, 20, 36))
FULL = vary(LIGHT, proxy=MODEL, trainer=TRAINER)


@pytest.fixture
def environment(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """All tests here read one store, made in this process: embedding on Ray has tests of its own."""
    store = tmp_path_factory.getbasetemp() / "tiny-store"
    if not store.exists():
        make_store(LIGHT, store, environment.data_root)
    return replace(environment, store=store)


@pytest.fixture
def tune_trials(cluster: None, environment: Environment) -> Run:
    """Fine-tune as `labelbench finetune` does."""

    def tune(*trials: Trial) -> Ran:
        console = Console(file=io.StringIO(), width=200)
        planned = plan.plan(Experiment("tests.grid", trials), environment)
        return Ran(run_finetune.finetune(planned, environment, console), console.file.getvalue())

    return tune


def folder(environment: Environment, trial: Trial) -> Path:
    return environment.runs / "tests.grid" / parts.build(trial).fingerprint


def points(environment: Environment, trial: Trial) -> Path:
    tuning = parts.build(trial).tuning
    assert tuning is not None
    return folder(environment, trial) / "finetune" / tuning.fingerprint


def test_run_and_fine_tune_record_what_they_would_in_process_and_nothing_twice(
    run_trials: Run, tune_trials: Run, environment: Environment, tmp_path: Path
) -> None:
    waiting = vary(TUNED, seed=1)
    with pytest.raises(ConfigError, match=r"no trial .* has bought the labels .* `labelbench run` buys them"):
        tune_trials(TUNED)
    with pytest.raises(ConfigError, match="asks for no fine-tune; give its trials one"):
        tune_trials(LIGHT)
    assert run_trials([TUNED, FULL]).status == 0
    ran = tune_trials(TUNED, waiting, FULL)
    assert ran.status == 1, "one trial has not bought its labels"
    assert "1 trials done, 0 failed, 0 not finished; 0 were done before" in ran.printed
    assert "1 trials have not bought their labels yet; `labelbench run` buys them" in ran.printed
    home = make_home(tmp_path / "plain", environment.store)
    assert untimed(home.run(FULL)) == untimed(read_history(folder(environment, FULL)).records)
    home.run(TUNED)
    found = read_points(points(environment, TUNED))
    assert untimed(home.tune(TUNED).values()) == untimed(found.values())
    again = tune_trials(TUNED, FULL)
    assert again.status == 0
    assert "all 1 fine-tunes are done; nothing to run" in again.printed
    assert read_points(points(environment, TUNED)) == found


def test_a_fine_tune_that_fails_is_on_record_and_the_other_finishes(
    run_trials: Run, tune_trials: Run, environment: Environment
) -> None:
    wild = Part.of("supervised", **QUICK | {"learning_rate": 1e30})
    faulty = vary(LIGHT, finetune=finetune(36, trainer=wild))
    assert run_trials([LIGHT]).status == 0
    ran = tune_trials(faulty, vary(LIGHT, finetune=finetune(36)))
    assert ran.status == 1
    assert "supervised: loss nan at step" in ran.printed
    assert "1 trials done, 1 failed, 0 not finished" in ran.printed
    failure = json.loads((points(environment, faulty) / "failure.json").read_text())
    assert re.search(r"learning rate \d\S*, labeled rows \d", failure["error"])
    assert "pool ids of the batch: labeled [" in failure["traceback"]
    assert list(read_points(points(environment, vary(LIGHT, finetune=finetune(36))))) == [36]
    assert read_history(folder(environment, LIGHT)).failure is None


def test_a_worker_killed_in_the_middle_of_a_fit_goes_on_from_its_checkpoint_and_ends_the_same(
    run_trials: Run, tune_trials: Run, environment: Environment, tmp_path: Path
) -> None:
    found = {}
    assert run_trials([LIGHT]).status == 0
    for name in ("killed", "undisturbed"):
        place = tmp_path / name
        place.mkdir()
        if name == "undisturbed":
            (place / "died").touch()
        settings = QUICK | {"epochs": 4, "folder": str(place)}
        trial = vary(LIGHT, finetune=finetune(20, 36, trainer=Part.of("tests.ray.dying", **settings)))
        assert tune_trials(trial).status == 0
        assert (place / "died").exists()
        found[name] = read_points(points(environment, trial))
        assert not (points(environment, trial) / CHECKPOINT).exists()
    same = [
        [point.model_dump(include={"metrics", "model", "chosen"}) for point in each.values()] for each in found.values()
    ]
    assert same[0] == same[1]
    steps = [[line.split(" ", 2) for line in (tmp_path / name / "steps").read_text().splitlines()] for name in found]
    killed, undisturbed = (["/".join(words[:2]) for words in each] for each in steps)
    assert len(killed) == len(undisturbed) + 1, "the step in which it died is all that is done again"
    assert list(dict.fromkeys(killed)) == list(dict.fromkeys(undisturbed))
    assert {words[2] for words in steps[0]} == {str(Path.cwd())}, "relative paths mean there what they mean here"
