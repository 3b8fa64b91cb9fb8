"""A fit that two workers share on Ray Train: the same weights, and what a death and an error leave.

Each attempt at a fit starts four processes, so both trials are run by one sweep, and the network is the smallest. The
fault suite (tests/faults/fit_workers.py) does the same to a vision transformer.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from labelbench_ray.config import Part, Trial, vary
from labelbench_ray.environment import Environment
from labelbench_ray.errors import ConfigError
from labelbench_ray.ledger.trials import read_history
from labelbench_ray.trial import parts
from tests.full_trials import Ran, make_store
from tests.shared_fits import check_shared, mortal_trial

pytestmark = pytest.mark.ray


@pytest.fixture
def environment(environment: Environment) -> Environment:
    """A trial has one CPU, and its workers the others."""
    return replace(environment, cpus_per_trial=1.0)


@pytest.fixture
def trial(environment: Environment, tmp_path: Path) -> Trial:
    """A small convolution; its embeddings are made in this process."""
    made = mortal_trial(Part(name="tests.tiny_encoder"), tmp_path / "diary")
    make_store(made, environment.store, environment.data_root)
    return made


def test_two_workers_train_what_one_process_trains_though_one_is_killed_and_errors_stay_what_they_are(
    run_trials: Callable[..., Ran], environment: Environment, trial: Trial, tmp_path: Path
) -> None:
    settings = {name: each for name, each in trial.trainer.settings.items() if name != "diary"}
    diverging = vary(trial, trainer=Part.of("tests.ray.diverging", **settings))

    assert run_trials([trial, diverging], fit_workers=2).status == 1

    check_shared(trial, environment, tmp_path / "alone")
    failure = read_history(environment.runs / "tests.grid" / parts.build(diverging).fingerprint).failure
    assert failure is not None
    assert re.match(r"FloatingPointError: diverging: loss nan at step 1 \(epoch 1\), learning rate ", failure.error)
    assert "pool ids of the batch: labeled [" in failure.traceback
    assert "raised by worker 1 of the fit" in failure.traceback


def test_workers_that_do_not_fit_beside_the_trial_are_refused(run_trials: Callable[..., Ran], trial: Trial) -> None:
    with pytest.raises(ConfigError, match=r"a trial asks for 5 CPUs .*--fit-workers.* this machine has 3"):
        run_trials([trial], fit_workers=4)
