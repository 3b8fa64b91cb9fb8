"""`labelbench run` and `labelbench finetune` through Tune: points, failures, and a worker that is killed."""

import io
import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from labelbench_ray.commands import finetune as command
from labelbench_ray.config import Part, Trial, vary
from labelbench_ray.environment import Environment
from labelbench_ray.errors import ConfigError
from labelbench_ray.ledger.finetunes import read_finetune_records
from labelbench_ray.ledger.trials import read_history
from labelbench_ray.planning import plan
from labelbench_ray.planning.experiment import Experiment
from labelbench_ray.trial import parts
from labelbench_ray.trial.assembly import CHECKPOINT
from tests.full_trials import LIGHT, MODEL, QUICK, TRAINER, Ran, finetune, make_home, make_store, untimed
from tests.ray.conftest import environment_in, run_grid

pytestmark = pytest.mark.ray
WILD = Part.of("supervised", **QUICK | {"learning_rate": 1e30})
FULL = vary(LIGHT, proxy=MODEL, trainer=TRAINER)
TUNED, WAITING = vary(LIGHT, finetune=finetune(12, 20, 36)), vary(LIGHT, seed=1, finetune=finetune(12, 20, 36))
FAULTY = vary(LIGHT, finetune=finetune(36, trainer=WILD))


@dataclass(frozen=True)
class Tuned:
    """The fine-tunes of one trial, all of them one after the other by one worker, which dies once."""

    environment: Environment
    refused: dict[str, str]
    """What fine-tuning said before any labels were bought, by case."""
    bought: Ran
    ran: Ran
    killed: Trial
    undisturbed: Trial

    @property
    def folder(self) -> Path:
        return self.environment.runs.parent


def tune(environment: Environment, *trials: Trial) -> Ran:
    """Fine-tune as `labelbench finetune` does."""
    console = Console(file=io.StringIO(), width=200)
    planned = plan.plan(Experiment("tests.grid", trials), environment)
    return Ran(command.finetune(planned, environment, console), console.file.getvalue())


def dying(folder: Path, dead: bool) -> Trial:
    """A fine-tune whose worker dies, unless that is `dead` already."""
    folder.mkdir()
    if dead:
        (folder / "died").touch()
    settings = QUICK | {"epochs": 4, "folder": str(folder)}
    return vary(LIGHT, finetune=finetune(20, 36, trainer=Part.of("tests.ray.dying", **settings)))


@pytest.fixture(scope="module")
def tuned(cluster: None, tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    """Labels are bought, and every fine-tune here is run; the store is made in this process."""
    here = environment_in(tmp_path_factory.mktemp("tuned"))
    make_store(LIGHT, here.store, here.data_root)
    refused = {}
    for name, trial in (("not bought", TUNED), ("none", LIGHT)):
        with pytest.raises(ConfigError) as error:
            tune(here, trial)
        refused[name] = str(error.value)
    killed, undisturbed = (dying(here.runs.parent / name, name == "undisturbed") for name in ("killed", "undisturbed"))
    bought = run_grid([TUNED, FULL], here)
    return Tuned(
        here, refused, bought, tune(here, TUNED, WAITING, FULL, FAULTY, killed, undisturbed), killed, undisturbed
    )


def folder(environment: Environment, trial: Trial) -> Path:
    return environment.runs / "tests.grid" / parts.build(trial).fingerprint


def points(environment: Environment, trial: Trial) -> Path:
    tuning = parts.build(trial).tuning
    assert tuning is not None
    return folder(environment, trial) / "finetune" / tuning.fingerprint


def test_what_cannot_be_fine_tuned_is_refused(tuned: Tuned) -> None:
    assert re.search(r"no trial .* has bought the labels .* `labelbench run` buys them", tuned.refused["not bought"])
    assert "asks for no fine-tune; give its trials one" in tuned.refused["none"]


def test_run_and_fine_tune_record_what_they_would_in_process_and_nothing_twice(tuned: Tuned, tmp_path: Path) -> None:
    assert tuned.bought.status == 0
    assert tuned.ran.status == 1, "one trial has not bought its labels, one fails"
    assert "3 trials done, 1 failed, 0 not finished; 0 were done before" in tuned.ran.printed
    assert "1 trials have not bought their labels yet; `labelbench run` buys them" in tuned.ran.printed
    home = make_home(tmp_path / "plain", tuned.environment.store)
    assert untimed(home.run(FULL)) == untimed(read_history(folder(tuned.environment, FULL)).records)
    home.run(TUNED)
    found = read_finetune_records(points(tuned.environment, TUNED))
    assert untimed(home.tune(TUNED).values()) == untimed(found.values())
    again = tune(tuned.environment, TUNED, FULL)
    assert again.status == 0
    assert "all 1 fine-tunes are done; nothing to run" in again.printed
    assert read_finetune_records(points(tuned.environment, TUNED)) == found


def test_a_fine_tune_that_fails_is_on_record_and_the_others_finish(tuned: Tuned) -> None:
    assert "supervised: loss nan at step" in tuned.ran.printed
    failure = json.loads((points(tuned.environment, FAULTY) / "failure.json").read_text())
    assert re.search(r"learning rate \d\S*, labeled rows \d", failure["error"])
    assert "pool ids of the batch: labeled [" in failure["traceback"]
    assert list(read_finetune_records(points(tuned.environment, TUNED))) == [12, 20, 36]
    assert read_history(folder(tuned.environment, LIGHT)).failure is None


def test_a_worker_killed_in_the_middle_of_a_fit_goes_on_from_its_checkpoint_and_ends_the_same(tuned: Tuned) -> None:
    assert (tuned.folder / "killed" / "died").exists()
    found = [read_finetune_records(points(tuned.environment, trial)) for trial in (tuned.killed, tuned.undisturbed)]
    for trial in (tuned.killed, tuned.undisturbed):
        assert not (points(tuned.environment, trial) / CHECKPOINT).exists()
    same = [[point.model_dump(include={"metrics", "model", "chosen"}) for point in each.values()] for each in found]
    assert [len(each) for each in same] == [2, 2]
    assert same[0] == same[1]
    steps = [
        [line.split(" ", 2) for line in (tuned.folder / name / "steps").read_text().splitlines()]
        for name in ("killed", "undisturbed")
    ]
    killed, undisturbed = (["/".join(words[:2]) for words in each] for each in steps)
    assert len(killed) == len(undisturbed) + 1, "the step in which it died is all that is done again"
    assert list(dict.fromkeys(killed)) == list(dict.fromkeys(undisturbed))
    assert {words[2] for words in steps[0]} == {str(Path.cwd())}, "relative paths mean there what they mean here"
