"""Complete trials of trainers that go on from the last round: stopped or killed and run again, they record the same."""

from itertools import count, islice
from pathlib import Path

import numpy as np
import pytest

from labelbench_ray.config import Part, Trial, vary
from labelbench_ray.ledger.trials import Header, Ledger, RoundRecord, read_records
from labelbench_ray.trial import parts
from labelbench_ray.trial.fit_light import LightFitter, in_process
from labelbench_ray.trial.loop import Loop
from tests.full_trials import Killed
from tests.samples import make_embedded
from tests.trainers.rounds import STILL

BASE = Trial(dataset="digits", encoder="pixels", strategy="margin", seed=0, rounds=3, budget=6)
EMBEDDED = make_embedded()
QUICK = {"epochs": 3, "learning_rate": 0.05}
REPLAYING = ("newest_only", "experience_replay", "mir", "der", "scaled_distillation", "sds2")
AROUND = Part.of("supervised", **QUICK)
TRAINERS = {
    "warm_start": Part.of("warm_start", trainer=AROUND, epochs=2),
    "shrink_and_perturb": Part.of("shrink_and_perturb", trainer=AROUND),
    **{name: Part.of(name, **QUICK) for name in REPLAYING},
}
STILL_TRAINERS = [
    Part.of("warm_start", trainer=Part.of("supervised", **STILL)),
    Part.of("shrink_and_perturb", trainer=Part.of("supervised", **STILL), shrink=1, perturb=0),
    *(Part.of(name, **STILL) for name in REPLAYING),
]

every_trainer = pytest.mark.parametrize("name", TRAINERS)


def header(trial: Trial) -> Header:
    return Header(fingerprint=parts.build(trial).fingerprint, trial=trial, store="memory", compute="numpy", versions={})


def run(folder: Path, trial: Trial, stop_after: int | None = None) -> list[RoundRecord]:
    with Ledger.open(folder, header(trial)) as ledger:
        built = parts.build(trial)
        fitter = LightFitter(built, EMBEDDED, (), in_process(EMBEDDED))
        list(islice(Loop(built, ledger, fitter).rounds(), stop_after))
    return read_records(folder, header(trial))


def numbers(records: list[RoundRecord]) -> list[tuple]:
    """Hashes of the models included."""
    return [(record.chosen, record.labels, record.metrics, record.proxy) for record in records]


@every_trainer
@pytest.mark.parametrize("proxy", ["linear", "shallow"])
def test_a_trial_taken_up_again_records_what_it_would_have(tmp_path, name: str, proxy: str):
    trial = vary(BASE, trainer=TRAINERS[name], proxy=proxy)
    whole = run(tmp_path / "whole", trial)
    assert len(whole) == 3
    for stop_after in (1, 2):
        run(tmp_path / str(stop_after), trial, stop_after)
        assert numbers(run(tmp_path / str(stop_after), trial)) == numbers(whole)


@pytest.mark.parametrize("name", REPLAYING)
def test_7_killed_in_the_middle_of_a_round_a_trial_ends_with_the_same_weights(tmp_path, monkeypatch, name: str):
    """Test 7 of continual training, for light proxies; full models: `tests/test_tuning.py`."""
    trial = vary(BASE, trainer=TRAINERS[name])
    whole = run(tmp_path / "whole", trial)
    trainer = type(parts.build(trial).trainer)
    learn, losses = trainer.loss, count(1)

    def dying(self, step):
        if step.data.previous and next(losses) == 2:
            raise Killed
        return learn(self, step)

    with monkeypatch.context() as deadly:
        deadly.setattr(trainer, "loss", dying)
        with pytest.raises(Killed):
            run(tmp_path / "killed", trial)
    assert len(read_records(tmp_path / "killed", header(trial))) == 1
    assert numbers(run(tmp_path / "killed", trial)) == numbers(whole)


@every_trainer
def test_the_first_round_is_that_of_supervised_training_and_later_ones_are_not(tmp_path, name: str):
    found, plain = (
        run(tmp_path / each, vary(BASE, trainer=trainer)) for each, trainer in ((name, TRAINERS[name]), ("", AROUND))
    )
    assert numbers(found[:1]) == numbers(plain[:1])
    assert [record.metrics["Test Loss"] for record in found[1:]] != [
        record.metrics["Test Loss"] for record in plain[1:]
    ]


@pytest.mark.parametrize("trainer", STILL_TRAINERS, ids=str)
def test_a_trainer_that_does_not_move_ends_with_the_first_round_s_weights(tmp_path, trainer: Part):
    trial = vary(BASE, trainer=trainer)
    records = run(tmp_path, trial)
    with Ledger.open(tmp_path, header(trial)) as ledger:
        first, *rest = (ledger.proxy(record) for record in records)
    for later in rest:
        for name, tensor in first.items():
            np.testing.assert_array_equal(later[name], tensor)
