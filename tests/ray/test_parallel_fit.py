"""A fit that two workers share on Ray Train: the same weights, and what a death and an error leave."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from labelbench_ray.config import Part, Trial, vary
from labelbench_ray.environment import Environment
from labelbench_ray.errors import ConfigError
from labelbench_ray.ledger.trials import Ledger, read_history
from labelbench_ray.trial import parts
from labelbench_ray.trial.assembly import selection_job
from tests.ray.conftest import Ran
from tests.small_models import make_clip

pytestmark = pytest.mark.ray
BATCH = 24  # one step an epoch
KEYS = slice(32, 64)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the small network and its embeddings lie."""
    return tmp_path_factory.mktemp("shared")


@pytest.fixture
def environment(environment: Environment, shared: Path) -> Environment:
    """Both sweeps read one store; a trial has one CPU, and its workers the others."""
    return replace(environment, store=shared / "store", cpus_per_trial=1.0)


@pytest.fixture
def trial(tmp_path: Path, shared: Path) -> Trial:
    """One round of a small vision transformer, in which the second worker is killed."""
    return Trial(
        dataset=Part.of("digits", max_rows=120),
        encoder=Part.of("open_clip", **make_clip(shared).encoder.model_dump()),
        strategy=Part(name="random"),
        proxy=Part.of("full_model", validation_rows=20),
        trainer=Part.of(
            "tests.ray.mortal", diary=str(tmp_path / "diary"), epochs=3, batch_size=BATCH, mixup=0.0, learning_rate=1e-3
        ),
        seed=0,
        rounds=1,
        budget=BATCH,
    )


def ledger(folder: Path, trial: Trial) -> Ledger:
    directory = folder / parts.build(trial).fingerprint
    return Ledger(directory, read_history(directory).header)


def test_two_workers_train_what_one_process_trains_though_one_is_killed_and_errors_stay_what_they_are(
    run_trials: Callable[..., Ran], environment: Environment, trial: Trial, tmp_path: Path
) -> None:
    settings = {name: each for name, each in trial.trainer.settings.items() if name != "diary"}
    diverging = vary(trial, trainer=Part.of("tests.ray.diverging", **settings))
    folder = environment.runs / "tests.grid"

    assert run_trials([trial, diverging], fit_workers=2).status == 1

    shared, alone = ledger(folder, trial), tmp_path / "alone"
    diary = (tmp_path / "diary").read_text().split()
    assert diary == ["0", "1", "1", "2"], "the epoch after the checkpoint is repeated, nothing else"
    for _ in selection_job(parts.build(trial), alone, environment).steps():
        pass
    (record,), (expected,) = shared.records(), ledger(alone, trial).records()
    assert (record.chosen, record.labels) == (expected.chosen, expected.labels)
    assert record.cpu["fit"] > expected.cpu["fit"] > 0, "what the workers spent is counted"
    found, wanted = shared.proxy(record), ledger(alone, trial).proxy(expected)
    assert found.keys() == wanted.keys()
    for name, tensor in found.items():
        # The gradient of attention's key bias is 0 but for rounding, which AdamW scales up to a step.
        told = np.delete(tensor - wanted[name], KEYS if name.endswith("in_proj_bias") else [], axis=0)
        np.testing.assert_allclose(told, 0, atol=2e-5)
    assert list(shared.directory.glob(".fit-*")) == []

    failure = read_history(folder / parts.build(diverging).fingerprint).failure
    assert failure is not None
    assert re.match(r"FloatingPointError: diverging: loss nan at step 1 \(epoch 1\), learning rate ", failure.error)
    assert "pool ids of the batch: labeled [" in failure.traceback
    assert "raised by worker 1 of the fit" in failure.traceback


def test_workers_that_do_not_fit_beside_the_trial_are_refused(run_trials: Callable[..., Ran], trial: Trial) -> None:
    with pytest.raises(ConfigError, match=r"a trial asks for 5 CPUs .*--fit-workers.* this machine has 3"):
        run_trials([trial], fit_workers=4)
