"""A trial that leaks or hangs is ended by a declared limit and recorded; the others go on."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from labelbench_ray.cluster.job_steps import ended_by_limit
from labelbench_ray.cluster.sweep import trial_bundles
from labelbench_ray.config import Part, Trial, vary
from labelbench_ray.environment import Environment
from labelbench_ray.errors import ConfigError
from labelbench_ray.ledger.state import TrialState, trial_state
from labelbench_ray.ledger.trials import Failure, History, read_history, write_failure
from labelbench_ray.planning.memory import GIB
from labelbench_ray.trial import parts
from tests.full_trials import DIGITS, Ran

pytestmark = pytest.mark.ray
Run = Callable[..., Ran]
LEAKING = vary(DIGITS, trainer="tests.ray.leaking")
HANGING = vary(DIGITS, trainer=Part.of("tests.ray.hanging", epochs=2))


@pytest.fixture
def environment(environment: Environment, digits_store: Path) -> Environment:
    return replace(environment, store=digits_store)


def history(environment: Environment, trial: Trial) -> History:
    return read_history(environment.runs / "tests.grid" / parts.build(trial).fingerprint)


def check_ended(ran: Ran, environment: Environment, trial: Trial, words: str) -> None:
    assert ran.status == 1
    assert "1 trials done, 1 failed, 0 not finished" in ran.printed
    assert trial_state(history(environment, DIGITS), DIGITS.rounds) is TrialState.DONE
    failure = history(environment, trial).failure
    assert failure is not None
    assert words in failure.error
    assert f"{trial.trainer.name.rpartition('.')[2]}.py" in failure.traceback
    assert ran.printed.count("failed: random, seed 0") == 1  # it was not taken up again within the sweep


def test_a_leaking_trial_is_ended_and_the_others_go_on(run_trials: Run, environment: Environment) -> None:
    ran = run_trials([LEAKING, DIGITS], memory_per_trial=1.2)
    check_ended(ran, environment, LEAKING, "--memory-per-trial allows 1.2")


def test_a_hanging_trial_is_ended_and_keeps_its_rounds(run_trials: Run, environment: Environment) -> None:
    ran = run_trials([HANGING, DIGITS], round_minutes=0.25)
    check_ended(ran, environment, HANGING, "--round-minutes allows 0.25")
    assert len(history(environment, HANGING).records) == 1


def test_only_the_sweep_in_which_a_limit_ended_a_trial_leaves_it_so(tmp_path: Path) -> None:
    assert ended_by_limit(tmp_path, "this") is None
    failure = Failure(error="memory limit", traceback="", sweep="this")
    write_failure(tmp_path, failure)
    assert ended_by_limit(tmp_path, "this") == failure
    assert ended_by_limit(tmp_path, "the next") is None
    write_failure(tmp_path, Failure(error="its worker died", traceback=""))
    assert ended_by_limit(tmp_path, "this") is None
    (tmp_path / "failure.json").write_text("{")
    assert ended_by_limit(tmp_path, "this") is None


def test_a_place_that_does_not_answer_is_left_to_the_attempt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(path: Path) -> bool:
        raise OSError("the object store does not answer")

    monkeypatch.setattr(Path, "is_file", down)
    assert ended_by_limit(tmp_path, "this") is None


def test_a_trial_s_needs_are_declared(environment: Environment) -> None:
    quarter = replace(environment, gpus_per_trial=0.25, cpus_per_trial=0.5)
    assert trial_bundles(quarter, 3 * GIB, scorers=2) == [
        {"CPU": 0.5, "GPU": 0.25, "memory": 3 * GIB},
        {"CPU": 1},
        {"CPU": 1},
    ]
    on_gpu = trial_bundles(replace(quarter, score_on="cuda"), 3 * GIB, scorers=1)
    assert on_gpu[1] == {"CPU": 1, "GPU": 0.25}
    assert trial_bundles(replace(quarter, memory_per_trial=0.5), 3 * GIB, scorers=0)[0]["memory"] == GIB // 2


def test_a_trial_that_needs_more_memory_than_there_is_is_refused(run_trials: Run) -> None:
    with pytest.raises(ConfigError, match=r"a trial asks for 4000\.00 GiB of memory \(--memory-per-trial\), Ray"):
        run_trials([DIGITS], memory_per_trial=4000.0)
