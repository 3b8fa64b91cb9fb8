"""What the report knows of plug-ins: recorded as data, a user's own included, and never imported from a ledger."""

import json
import sys
from pathlib import Path

import pytest

from labelbench_ray import plugins
from labelbench_ray.config import Part, Trial
from labelbench_ray.ledger.records import Traits
from labelbench_ray.report.continual import continual
from labelbench_ray.report.contributions import ablations
from labelbench_ray.report.curves import read
from labelbench_ray.report.protocols import protocols
from labelbench_ray.trial import parts
from labelbench_ray.trial.traits import _shipped, shipped_traits, traits
from tests.samples import write_module

TRIAL = Trial(dataset="digits", encoder="pixels", strategy="margin", seed=0, rounds=3, budget=2)
CONTINUED = """
from labelbench_ray.trainers import Continued

class Halved(Continued):
    def going_on(self, last, fresh):
        return {name: last[name] / 2 for name in fresh}
"""
ACCURACIES = [0.5, 0.6, 0.7]


def forget_traits(folder: Path) -> None:
    """The headers as earlier versions wrote them."""
    for path in folder.glob("*/trial.json"):
        header = json.loads(path.read_text())
        del header["traits"]
        path.write_text(json.dumps(header))


def test_a_trainer_of_the_user_s_own_that_continues_is_reported_and_not_imported(experiment, tmp_path, monkeypatch):
    path = write_module(tmp_path, "halved", CONTINUED, monkeypatch)
    own = Part.of(path, trainer=Part.of("supervised", epochs=5))
    trial = TRIAL.model_copy(update={"trainer": own})
    recorded = traits(parts.build(trial))
    assert recorded.from_scratch == Part.of("supervised", epochs=5)
    for seed in range(3):
        experiment.add("margin", seed, ACCURACIES, rounds=3, trainer=Part.of("supervised", epochs=5))
        experiment.add("margin", seed, ACCURACIES, rounds=3, trainer=own, traits=recorded)
    monkeypatch.delitem(sys.modules, path)
    (found,) = continual(read(experiment.write()).settings)
    assert found.setting.trial.trainer == own
    assert found.scratch.trial.trainer == Part.of("supervised", epochs=5)
    assert path not in sys.modules


def test_a_proxy_of_the_user_s_own_that_trains_the_encoder_is_compared(experiment):
    recorded = Traits(trains_encoder=True, trains_every_weight=True)
    for seed in range(2):
        experiment.add("margin", seed, ACCURACIES, rounds=3, proxy="linear")
        experiment.add("margin", seed, ACCURACIES, rounds=3, proxy="mine.entire", traits=recorded)
    (found,) = protocols(read(experiment.write()).settings, {})
    assert found.full.trial.proxy == Part(name="mine.entire")


def test_a_baseline_of_the_user_s_own_is_what_others_are_measured_against(experiment):
    for seed in range(2):
        experiment.add("margin", seed, [0.9] * 3, rounds=3, trainer="mine.plain", traits=Traits(baselines=("trainer",)))
        experiment.add("margin", seed, ACCURACIES, rounds=3, trainer="mine.other", traits=Traits())
    (found,) = ablations(read(experiment.write()).settings)
    assert [(part.level, part.plain) for part in found.parts] == [("mine.other", "mine.plain")]


def test_a_baseline_with_settings_is_what_others_are_measured_against_however_accurate_it_is(experiment):
    scratch, forgets = Part.of("supervised", until_accuracy=0.9, mixup=0.0), Part(name="newest_only")
    worse = Part.of("supervised", until_accuracy=0.8, mixup=0.0)
    for seed in range(2):
        experiment.add("margin", seed, [0.9] * 3, rounds=3, trainer=scratch.model_dump())
        experiment.add("margin", seed, ACCURACIES, rounds=3, trainer=forgets.model_dump())
    (found,) = ablations(read(experiment.write()).settings)
    assert [(part.level, part.plain) for part in found.parts] == [(str(forgets), str(scratch))]
    for seed in range(2):
        experiment.add("margin", seed, [0.85] * 3, rounds=3, trainer=worse.model_dump())
    (found,) = ablations(read(experiment.write()).settings)
    assert {part.plain for part in found.parts} == {str(worse)}, "of several baselines the least accurate one"


def test_trials_of_earlier_versions_have_the_traits_of_what_ships_here(experiment, monkeypatch):
    for seed in range(2):
        experiment.add("margin", seed, ACCURACIES, rounds=3, trainer="supervised")
        experiment.add("margin", seed, ACCURACIES, rounds=3, trainer="warm_start")
        experiment.add("margin", seed, ACCURACIES, rounds=3, trainer="evil.module")
    folder = experiment.write()
    forget_traits(folder)
    _shipped.cache_clear()
    monkeypatch.setattr(plugins, "load", (load := Noted(plugins.load)))
    (found,) = continual(read(folder).settings)
    assert found.setting.trial.trainer == Part(name="warm_start")
    assert "warm_start" in load.names
    assert "evil.module" not in load.names


class Noted:
    """Notes the names of the plug-ins that are loaded."""

    def __init__(self, load) -> None:
        self.load, self.names = load, []

    def __call__(self, base, package, name):
        self.names.append(name)
        return self.load(base, package, name)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, Traits(baselines=("first_batch", "proxy", "trainer", "corrupter"))),
        (
            {"strategy": "random", "proxy": "shallow"},
            Traits(baselines=("strategy", "first_batch", "trainer", "corrupter")),
        ),
        (
            {"trainer": "experience_replay"},
            Traits(from_scratch=Part(name="supervised"), baselines=("first_batch", "proxy", "corrupter")),
        ),
        (
            {"trainer": "warm_start", "proxy": "full_model", "corrupter": "uniform_noise"},
            Traits(
                from_scratch=Part(name="supervised"),
                trains_encoder=True,
                trains_every_weight=True,
                baselines=("first_batch",),
            ),
        ),
        ({"proxy": "lora"}, Traits(trains_encoder=True, baselines=("first_batch", "trainer", "corrupter"))),
        ({"trainer": Part.of("supervised", gone=1)}, Traits(baselines=("first_batch", "proxy", "corrupter"))),
    ],
)
def test_the_traits_of_what_ships_here(fields: dict[str, object], expected: Traits):
    assert shipped_traits(Trial.model_validate(TRIAL.model_dump() | fields)) == expected
