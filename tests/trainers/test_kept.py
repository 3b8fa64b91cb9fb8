"""Which epoch a fit keeps: by validation accuracy, by validation loss, or the last; when it stops; what it reports."""

import copy
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from labelbench_ray import plugins, trainers
from labelbench_ray.config import Part, Trial, digest
from labelbench_ray.trainers import PseudoLabels, Trainer
from labelbench_ray.trainers.engine.data import FitData, Validated, embedded_data
from labelbench_ray.trainers.engine.descent import Descent
from labelbench_ray.trainers.engine.kept import PSEUDO_LABELS
from labelbench_ray.trainers.supervised import Supervised
from labelbench_ray.trial import parts
from labelbench_ray.trial.pseudo_labels import PseudoLabelStats
from labelbench_ray.types import Examples
from tests.trainers.made_up import METHODS, clusters, method, observed_steps

EPOCHS = 6
# (accuracy, loss) after each epoch: the loss is lowest after the second, the accuracy is highest after the fourth and,
# with a lower loss, after the fifth.
FOUND = [(0.5, 1.0), (0.6, 0.8), (0.7, 0.9), (0.8, 1.3), (0.8, 1.2), (0.6, 1.5)]


@dataclass
class Scripted:
    """Validation that finds what it is given, and notes the weights that it was shown."""

    found: list[tuple[float, float]]
    shown: list[dict[str, Tensor]] = field(default_factory=list)

    def __call__(self, module: nn.Module) -> Validated:
        self.shown.append(copy.deepcopy(module.state_dict()))
        return Validated(*self.found[len(self.shown) - 1])


def fitted(trainer: Descent, given: FitData) -> nn.Module:
    torch.manual_seed(3)
    module = nn.Linear(16, 4)
    trainer.descend(module, given, 0)
    return module


def is_epoch(module: nn.Module, shown: dict[str, Tensor]) -> bool:
    return all(torch.equal(tensor, shown[name]) for name, tensor in module.state_dict().items())


def supervised(**settings: object) -> Supervised:
    return Supervised(epochs=EPOCHS, batch_size=8, learning_rate=0.01, **settings)


GIVEN = clusters()[0]


@pytest.mark.parametrize(("keep", "epoch"), [("accuracy", 4), ("loss", 1)])
def test_the_best_epoch_by_the_rule_is_kept(keep: str, epoch: int):
    script = Scripted(FOUND)
    module = fitted(supervised(keep=keep, patience=9), replace(GIVEN, validate=script))
    assert len(script.shown) == EPOCHS
    assert is_epoch(module, script.shown[epoch])
    assert not is_epoch(module, script.shown[epoch - 1])
    assert not module.training


def test_of_equal_accuracies_the_lower_loss_is_kept_and_of_equal_epochs_the_later():
    ties = [(0.5, 1.0), (0.5, 0.7), (0.5, 0.9), (0.5, 0.7), (0.5, 0.8), (0.4, 0.1)]
    script = Scripted(ties)
    assert is_epoch(fitted(supervised(keep="accuracy", patience=9), replace(GIVEN, validate=script)), script.shown[3])


@pytest.mark.parametrize(
    ("keep", "patience", "epochs"), [("accuracy", 1, 6), ("loss", 1, 3), ("loss", 2, 4), ("loss", 3, 5), ("loss", 9, 6)]
)
def test_training_stops_after_patience_epochs_without_a_new_best(keep: str, patience: int, epochs: int):
    script = Scripted(FOUND)
    fitted(supervised(keep=keep, patience=patience), replace(GIVEN, validate=script))
    assert len(script.shown) == epochs


@pytest.mark.parametrize(("keep", "patience"), [("accuracy", 1), ("loss", 2), ("accuracy", 9)])
def test_the_certain_epochs_run_whatever_is_found(keep: str, patience: int):
    """Where every epoch is worse than the one before, they are all that run."""
    script = Scripted([(0.5 - epoch / 20, 1.0 + epoch) for epoch in range(EPOCHS)])
    trainer = supervised(keep=keep, patience=patience)
    fitted(trainer, replace(GIVEN, validate=script))
    assert len(script.shown) == trainer.certain_epochs == min(EPOCHS, 1 + patience)


def test_the_last_epoch_is_kept_where_it_is_asked_for_and_where_there_are_no_validation_rows():
    improving = Scripted([(0.1, 1.0 - epoch / 10) for epoch in range(EPOCHS)])
    fitted(supervised(keep="loss"), replace(GIVEN, validate=improving))
    script = Scripted(FOUND)
    asked = fitted(supervised(keep="last", patience=1), replace(GIVEN, validate=script))
    assert script.shown == [], "no validation label is looked at"
    data, _ = clusters()
    empty = Examples(np.empty((0, 16), np.float32), np.empty(0, np.int64))
    inputs = data.inputs
    unvalidated = embedded_data(
        inputs.labeled_LD,
        data.labels_L.numpy(),
        empty,
        data.num_classes,
        inputs.standardization,
        data.labeled_ids_L,
        data.unlabeled_ids_U,
        inputs.pairs,
    )
    without = fitted(supervised(keep="accuracy", patience=1), unvalidated)
    for module in (asked, without):
        assert is_epoch(module, improving.shown[-1])
        assert not module.training


@pytest.mark.parametrize("name", [*METHODS, "supervised"])
def test_validation_labels_are_counted_where_they_decide(name: str):
    for keep, used in (("accuracy", True), ("loss", True), ("last", False)):
        for trainer in (Part.of(name, keep=keep), Part.of("warm_start", trainer=Part.of(name, keep=keep))):
            assert parts.build(TRIAL.model_copy(update={"trainer": trainer})).trainer.uses_validation is used


def test_validation_of_embeddings_is_accuracy_and_mean_cross_entropy():
    data, _ = clusters()
    module = nn.Linear(16, 4)
    logits, truth = (
        module(torch.from_numpy(data.inputs.validation.embeddings_BD)).detach().numpy(),
        data.inputs.validation.labels_B,
    )
    exponentials = np.exp(logits.astype(np.float64))
    likelihood = (exponentials / exponentials.sum(axis=1, keepdims=True))[np.arange(len(truth)), truth]
    assert GIVEN.validate is not None
    found = GIVEN.validate(module)
    assert found.accuracy == pytest.approx((logits.argmax(axis=1) == truth).mean())
    assert found.loss == pytest.approx(-np.log(likelihood).mean(), rel=1e-5)


@pytest.mark.parametrize(("keep", "epoch"), [("accuracy", 4), ("loss", 1), ("last", 5)])
def test_pseudo_label_metrics_are_those_of_the_epoch_that_is_kept(keep: str, epoch: int, monkeypatch):
    steps, stats, received = (
        observed_steps(monkeypatch),
        PseudoLabelStats(np.arange(400) % 4),
        list[PseudoLabels](),
    )
    given = replace(
        GIVEN,
        validate=Scripted(FOUND),
        on_pseudo_labels=lambda labels: (received.append(labels), stats.add(labels)),
    )
    trainer = method("softmatch", epochs=EPOCHS, batch_size=8, learning_rate=0.03, keep=keep, patience=9)
    fitted(trainer, given)
    (kept,), wanted = received, [each for each in steps if each.epoch == epoch]
    assert len(wanted) == 8
    for name in ("ids_U", "pseudo_labels_U", "weights_U"):
        np.testing.assert_array_equal(getattr(kept, name), np.concatenate([getattr(each, name) for each in wanted]))
    right, weights = (kept.pseudo_labels_U == kept.ids_U % 4), kept.weights_U.astype(np.float64)
    assert stats.metrics() == {
        "Pseudo-Label Mask Rate": pytest.approx(weights.mean()),
        "Pseudo-Label Accuracy": pytest.approx((weights * right).sum() / weights.sum()),
    }


def test_a_method_without_unlabeled_rows_reports_nothing():
    received: list[PseudoLabels] = []
    fitted(supervised(), replace(GIVEN, on_pseudo_labels=received.append))
    assert received == []


TRIAL = Trial(dataset="digits", encoder="pixels", strategy="margin", seed=0, rounds=3, budget=6)
RECIPES = {
    "supervised": "e786752c80be67e7",
    "warm_start": "da813e31198b7ac9",
    "shrink_and_perturb": "550b53cb48d5949e",
    "experience_replay": "9d06a68f8a53062f",
    "scaled_distillation": "fce736239ddbc8a4",
    "logistic": "bc387c5acb30602d",
}


@pytest.mark.parametrize("name", RECIPES)
def test_trainers_of_trials_that_ran_before_there_was_a_choice_are_still_the_same(name: str):
    """As computed by the version before; `keep` at its old meaning is no part of the recipe."""
    made = plugins.build(Trainer, trainers.PACKAGE, Part(name=name))
    assert digest(plugins.recipe(name, made)) == RECIPES[name]
    if name in ("supervised", "experience_replay"):
        chosen = plugins.build(Trainer, trainers.PACKAGE, Part.of(name, keep="accuracy"))
        assert digest(plugins.recipe(name, chosen)) != RECIPES[name]


@pytest.mark.parametrize("name", METHODS)
def test_semi_supervised_trainers_keep_by_accuracy_and_have_another_version(name: str):
    made = method(name)
    assert (made.keep, made.patience, made.version) == ("accuracy", 10, 2)
    recipe = plugins.recipe(name, made)
    assert recipe["version"] == 2
    assert recipe["settings"]["keep"] == "accuracy"  # type: ignore[index,call-overload]


class Before:
    """Keeps the first checkpoint as the version before wrote it: the lowest loss lies between epoch and patience."""

    kept: dict | None = None

    def load(self) -> dict | None:
        return self.kept

    def save(self, state: dict) -> None:
        if self.kept is None:
            epoch, waited = state["course"]
            same = {name: copy.deepcopy(value) for name, value in state.items() if name not in ("score", PSEUDO_LABELS)}
            self.kept = same | {"course": [epoch, -state["score"][0], waited]}


@pytest.mark.parametrize("losses", [[1.0, 0.9, 0.8, 0.7, 0.6, 0.5], [0.1, 0.9, 0.8, 0.7, 0.6, 0.5]])
def test_a_checkpoint_from_before_there_was_a_choice_continues(losses: list[float]):
    found = [(0.5, loss) for loss in losses]
    whole = fitted(supervised(patience=9), replace(GIVEN, validate=Scripted(found)))
    torch.manual_seed(3)
    supervised(patience=9).descend(
        nn.Linear(16, 4), replace(GIVEN, validate=Scripted(found)), 0, checkpoints=(checkpoint := Before())
    )
    continued, script = nn.Linear(16, 4), Scripted(found[1:])
    supervised(patience=9).descend(continued, replace(GIVEN, validate=script), 0, checkpoints=checkpoint)
    assert len(script.shown) == EPOCHS - 1
    assert is_epoch(continued, whole.state_dict())
