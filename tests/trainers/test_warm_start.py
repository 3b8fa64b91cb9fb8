"""A warm start begins with the last round's weights; and what all trainers around another one share."""

import pytest
import torch

from labelbench_ray import plugins
from labelbench_ray.config import Part, Trial, vary
from labelbench_ray.errors import ConfigError
from labelbench_ray.proxies.linear import Linear
from labelbench_ray.proxies.shallow import Shallow
from labelbench_ray.trainers import PACKAGE, Trainer
from labelbench_ray.trainers.fixmatch import Fixmatch
from labelbench_ray.trainers.supervised import Supervised
from labelbench_ray.trainers.warm_start import WarmStart
from labelbench_ray.trial import parts
from tests.trainers.rounds import CLASSES, DIMENSIONS, STILL, data, model, previous, same

BASE = Trial(dataset="digits", encoder="pixels", strategy="margin", seed=0, rounds=3, budget=6)
QUICK = Part.of("supervised", epochs=3, learning_rate=0.05)

every_wrapper = pytest.mark.parametrize("name", ["warm_start", "shrink_and_perturb"])


def made(name: str, **settings: object) -> Trainer:
    return plugins.build(Trainer, PACKAGE, Part.of(name, **settings))


@pytest.mark.parametrize(
    ("proxy", "widths"),
    [(Linear(), (DIMENSIONS, CLASSES)), (Shallow(hidden=5), (DIMENSIONS, 5, CLASSES))],
    ids=["linear", "shallow"],
)
def test_begins_with_the_weights_of_the_last_round(proxy: Linear | Shallow, widths: tuple[int, ...]):
    first, last = model(1, *widths), model(2, *widths)
    given = data(9, previous(3, first), previous(6, last))
    same(WarmStart(trainer=Part.of("supervised", **STILL)).fit(proxy, given, seed=5), last)


@every_wrapper
@pytest.mark.parametrize("epochs", [None, 1])
def test_the_first_round_is_its_trainer_s_own(name: str, epochs: int | None):
    one = made(name, trainer=QUICK, epochs=epochs).fit(Linear(), data(9), seed=5)
    same(one, Supervised(epochs=3, learning_rate=0.05).fit(Linear(), data(9), seed=5))


@pytest.mark.parametrize(("epochs", "expected"), [(None, 3), (2, 2), (4, 4)])
def test_later_rounds_have_epochs_of_their_own(epochs: int | None, expected: int):
    last = model(2, DIMENSIONS, CLASSES)
    given = data(9, previous(3, last))
    module = torch.nn.Sequential(torch.nn.Linear(DIMENSIONS, CLASSES))
    last.fill(module)
    Supervised(epochs=expected, learning_rate=0.05).descend(module, given, seed=5)
    found = WarmStart(trainer=QUICK, epochs=epochs).fit(Linear(), given, seed=5)
    same(found, type(found).of_module(module, found.standardization))


@every_wrapper
def test_asks_what_its_trainer_asks(name: str):
    views = made(name, trainer="fixmatch").wanted_views()
    wanted = Fixmatch().wanted_views()
    assert views is not None
    assert (views.digest, views.count) == (wanted.digest, wanted.count)
    assert made(name).wanted_views() is None
    assert made(name).uses_validation


@every_wrapper
@pytest.mark.parametrize(
    ("trainer", "message"),
    [
        ("logistic", "'logistic' does not train by gradient descent.*use 'supervised'"),
        ("warm_start", "'warm_start' continues from the last round already; use it without a wrapper"),
        ("shrink_and_perturb", "'shrink_and_perturb' continues from"),
        ("experience_replay", "'experience_replay' continues from"),
        ("scaled_distillation", "'scaled_distillation' continues from"),
        ("supervise", "no trainer called 'supervise'; did you mean 'supervised'"),
        (Part.of("supervised", epoch=3), "no setting of Supervised called 'epoch'; did you mean 'epochs'"),
        (Part.of("supervised", epochs=0), "epochs: .*greater than 0"),
    ],
)
def test_a_trainer_that_cannot_go_on_is_refused_when_a_plan_is_made(name: str, trainer: str | Part, message: str):
    with pytest.raises(ConfigError, match=message):
        parts.build(vary(BASE, trainer=Part.of(name, trainer=trainer)))


@every_wrapper
@pytest.mark.parametrize("epochs", [0, -1, 1.5])
def test_epochs_are_at_least_one(name: str, epochs: float):
    with pytest.raises(ConfigError, match="epochs"):
        made(name, epochs=epochs)


@every_wrapper
def test_a_proxy_that_its_trainer_refuses_is_refused(name: str, monkeypatch):
    def refuse(trainer: Supervised, proxy: Linear) -> None:
        raise ConfigError(f"not {type(proxy).__name__}")

    monkeypatch.setattr(Supervised, "check", refuse)
    with pytest.raises(ConfigError, match="not Shallow"):
        parts.build(vary(BASE, proxy="shallow", trainer=name))


@every_wrapper
def test_the_recipe_holds_its_trainer_s(name: str):
    recipe = plugins.recipe(name, made(name, trainer=QUICK))
    assert recipe["settings"]["trainer"] == plugins.recipe("supervised", plugins.build(Trainer, PACKAGE, QUICK))
    prints = {
        parts.build(vary(BASE, trainer=trainer)).fingerprint
        for trainer in (
            "supervised",
            name,
            Part.of(name, epochs=4),
            Part.of(name, trainer=QUICK),
            Part.of(name, trainer="fixmatch"),
        )
    }
    assert len(prints) == 5
    explicit = Part.of(name, trainer=Part.of("supervised", epochs=30))
    assert parts.build(vary(BASE, trainer=explicit)).fingerprint in prints


@every_wrapper
def test_a_new_version_of_its_trainer_is_another_trial(name: str, monkeypatch):
    before = parts.build(vary(BASE, trainer=name)).fingerprint
    monkeypatch.setattr(Supervised, "version", Supervised.version + 1)
    assert parts.build(vary(BASE, trainer=name)).fingerprint != before
