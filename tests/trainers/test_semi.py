"""What all trainers that learn from unlabeled rows share: batches, where gradients flow, and what a fit comes to."""

import dataclasses

import numpy as np
import pytest
import torch

from labelbench_ray.proxies import Classifier
from labelbench_ray.proxies.linear import Linear
from labelbench_ray.trainers import PseudoLabels
from labelbench_ray.trainers.engine.data import FitData
from labelbench_ray.trainers.engine.device import Device
from labelbench_ray.trial.pseudo_labels import PseudoLabelStats
from labelbench_ray.types import Examples
from tests.trainers.made_up import METHODS, GivenInputs, clusters, fit_data, method, observed_steps, step

every_method = pytest.mark.parametrize("name", METHODS)
QUICK = {"epochs": 3}


def gradients(
    given: FitData, name: str, **settings: object
) -> tuple[dict[str, torch.Tensor | None], list[PseudoLabels]]:
    """Of one step in the middle of a fit, with respect to the inputs."""
    trainer, observed = method(name, **settings), []
    object.__setattr__(given, "on_pseudo_labels", observed.append)
    trainer.loss(step(given, trainer.begin(given), np.arange(3), np.array([4, 1, 7, 0, 2]))).backward()
    assert isinstance(given.inputs, GivenInputs)
    return {kind: rows.grad for kind, rows in given.inputs.rows.items()}, observed


@every_method
def test_gradients_reach_the_selected_rows_of_the_view_that_learns_and_no_other(name: str):
    grads, observed = gradients(fit_data(4, 3, 9), name)
    learns, only_makes_targets = ("weak", "strong") if name == "pseudo_label" else ("strong", "weak")
    assert grads["labeled"] is not None
    assert (grads["labeled"].abs().sum(dim=1) > 0).all()
    assert grads[only_makes_targets] is None
    moved = grads[learns]
    assert moved is not None
    taught = np.zeros(9, bool)
    taught[observed[0].ids_U - 3] = observed[0].weights_U > 0
    assert taught.any()
    np.testing.assert_array_equal(moved.abs().sum(dim=1) > 0, taught)


@pytest.mark.parametrize("name", ["pseudo_label", "uda", "fixmatch"])
def test_no_selected_row_leaves_the_supervised_loss(name: str):
    given = fit_data(4, 3, 9, scale=0.1)
    trainer = method(name)
    whole = trainer.loss(step(given, {}, np.arange(3), np.array([4, 1])))
    alone = trainer.loss(step(given, {}, np.arange(3), np.arange(0)))
    logits, labels = given.inputs.labeled(np.arange(3), 0), given.labels_L
    by_hand = -torch.log_softmax(logits.double(), dim=1)[torch.arange(3), labels].mean()
    assert whole.item() == alone.item() == pytest.approx(by_hand.item(), rel=1e-6)


@pytest.mark.parametrize("name", ["pseudo_label", "uda", "fixmatch"])
def test_a_fit_that_selects_nothing_is_the_fit_without_unlabeled_loss(name: str):
    data, _ = clusters()
    nothing, without = (
        method(name, **QUICK, **settings).fit(Linear(), data, 1)
        for settings in ({"threshold": 1.0}, {"unlabeled_weight": 0.0})
    )
    np.testing.assert_array_equal(nothing.layers[0][0], without.layers[0][0])


def test_the_weight_of_the_unlabeled_loss_leaves_the_rest_alone():
    given = fit_data(4, 3, 9)
    at = step(given, {}, np.arange(3), np.array([4, 1, 7]))
    none, half, one = (method("fixmatch", unlabeled_weight=weight).loss(at).item() for weight in (0, 0.5, 1))
    assert half == pytest.approx((none + one) / 2, rel=1e-6)
    assert one > none


@every_method
def test_a_fit_is_a_pure_function_of_its_arguments(name: str):
    data, _ = clusters()
    first = method(name, **QUICK).fit(Linear(), data, 3)
    torch.manual_seed(99)
    again, other = (method(name, **QUICK).fit(Linear(), data, seed) for seed in (3, 4))
    np.testing.assert_array_equal(first.layers[0][0], again.layers[0][0])
    assert (first.layers[0][0] != other.layers[0][0]).any()


@every_method
def test_beats_the_labels_alone_where_clusters_are_easy(name: str):
    """Paired over seeds: the same labels, batches and first weights with and without the unlabeled loss."""
    sure = {"threshold": 0.7} if name in ("pseudo_label", "fixmatch") else {}
    gains = []
    for seed in range(3):
        data, test = clusters(seed)
        with_rows, alone = (
            accuracy(method(name, learning_rate=0.03, unlabeled_weight=weight, **sure).fit(Linear(), data, seed), test)
            for weight in (1.0, 0.0)
        )
        gains.append(with_rows - alone)
    assert np.mean(gains) > 0.01, gains


def accuracy(classifier: Classifier, rows: Examples) -> float:
    return float((classifier.logits(rows.embeddings_BD).argmax(axis=1) == rows.labels_B).mean())


def test_batches_take_unlabeled_rows_by_the_ratio_and_each_once_a_pass(monkeypatch):
    data, _ = clusters()
    observed = observed_steps(monkeypatch)
    method("fixmatch", epochs=2, batch_size=20, unlabeled_ratio=2, epoch_steps=9, patience=5).fit(Linear(), data, 0)
    assert [each.epoch for each in observed] == [0] * 9 + [1] * 9
    assert {len(each.ids_U) for each in observed} == {40}
    for start in (0, 9):
        seen = np.concatenate([each.ids_U for each in observed[start : start + 9]])
        assert len(np.unique(seen)) == 360
        assert seen.min() >= 4
    assert [each.ids_U.tolist() for each in observed[:9]] != [each.ids_U.tolist() for each in observed[9:]]


def test_a_pool_too_large_to_get_through_costs_a_step_its_own_rows_only(monkeypatch):
    """A permutation of all places would take 800 MB and many seconds for 100 million rows, and lie in checkpoints."""
    saved, observed = InMemory(), observed_steps(monkeypatch)
    given = dataclasses.replace(fit_data(4, 8, 3), unlabeled_ids_U=Huge())  # type: ignore[arg-type]
    given = dataclasses.replace(given, inputs=Endless())
    trainer = method("fixmatch", epochs=2, batch_size=4, unlabeled_ratio=2, epoch_steps=3)
    trainer.descend(torch.nn.Linear(4, 4), given, 0, checkpoints=saved)
    read = np.concatenate([each.ids_U for each in observed])
    assert len(np.unique(read)) == len(read) == 2 * 4 * 8
    assert read.max() > 10**9
    assert [len(state["waiting"]) for state in saved.states] == [4 * 8]  # none is written after the last epoch


class Huge:
    """So many unlabeled rows that no array of them fits."""

    def __len__(self) -> int:
        return 10**10

    def __getitem__(self, places: np.ndarray) -> np.ndarray:
        return places


class Endless:
    """Made-up rows at any place."""

    def labeled(self, places_B: np.ndarray, epoch: int) -> torch.Tensor:
        return torch.ones(len(places_B), 4)

    weak = strong = labeled


class InMemory:
    """Notes every checkpoint."""

    def __init__(self) -> None:
        self.states: list[dict] = []

    def load(self) -> None:
        return None

    def save(self, state: dict) -> None:
        self.states.append(state)


def test_mixed_precision_leaves_every_weight_a_gradient():
    given, device = fit_data(4, 3, 9), Device(precision="bfloat16")
    trainer, module = method("fixmatch", threshold=0.0), torch.nn.Linear(4, 4)
    at = dataclasses.replace(step(given, {}, np.arange(3), np.arange(5)), module=module, device=device)
    with device.autocast():
        loss = trainer.loss(at)
    loss.backward()
    assert module.weight.grad is not None
    assert module.weight.grad.abs().sum() > 0


def test_weak_and_strong_views_are_of_the_same_rows_and_turn_with_the_epoch():
    """Embeddings are (view, side, pool id); labeled rows come as weak views, and no unlabeled row is a labeled one."""
    pairs = tuple(
        np.array([[[view, side, row] for side in (0, 1)] for row in range(12)], np.float16) for view in range(3)
    )
    data, _ = clusters(dimensions=3)
    labeled = np.array([5, 0, 7, 9])
    unlabeled = np.setdiff1d(np.arange(12), labeled)
    inputs = dataclasses.replace(data.inputs, labeled_ids_L=labeled, unlabeled_ids_U=unlabeled, pairs=pairs)
    places = np.array([7, 0, 2])
    for epoch in (0, 2, 4):
        view = epoch % 3
        assert inputs.weak(places, epoch).tolist() == [[view, 0, row] for row in (11, 1, 3)]
        assert inputs.strong(places, epoch).tolist() == [[view, 1, row] for row in (11, 1, 3)]
        assert inputs.labeled(np.array([2, 0]), epoch).tolist() == [[view, 0, row] for row in (7, 5)]


@every_method
@pytest.mark.parametrize("unlabeled", [0, 1, 7])
def test_few_or_no_unlabeled_rows_and_two_classes_train(name: str, unlabeled: int):
    data, test = clusters(classes=2)
    ids = np.arange(2, 2 + unlabeled)
    few = dataclasses.replace(data, unlabeled_ids_U=ids, inputs=dataclasses.replace(data.inputs, unlabeled_ids_U=ids))
    fitted = method(name, **QUICK).fit(Linear(), few, 0)
    assert np.isfinite(fitted.logits(test.embeddings_BD)).all()


@every_method
@pytest.mark.parametrize("scale", [0.0, 40.0], ids=["none sure", "all sure"])
def test_finite_where_all_rows_or_none_are_sure(name: str, scale: float):
    grads, observed = gradients(fit_data(4, 3, 9, scale=scale), name)
    assert all(gradient.isfinite().all() for gradient in grads.values() if gradient is not None)
    assert np.isfinite(observed[0].weights_U).all()


@pytest.mark.parametrize("name", ["fixmatch", "softmatch"])
def test_a_loss_that_is_no_number_names_step_learning_rate_and_every_row(name: str):
    data, _ = clusters()
    for pair in data.inputs.pairs:
        pair[17] = np.nan
    with pytest.raises(
        FloatingPointError, match=r"loss nan at step \d+ \(epoch \d\), learning rate 0.003, labeled"
    ) as raised:
        method(name, **({"threshold": 0.0} if name == "fixmatch" else {})).fit(Linear(), data, 0)
    (note,) = raised.value.__notes__
    assert "labeled [" in note
    assert "17" in note.split("unlabeled")[1]


def test_settings_out_of_range_are_refused():
    for settings in ({"threshold": 1.5}, {"unlabeled_ratio": 0}, {"views": 0}, {"unlabeled_weight": -1}):
        with pytest.raises(ValueError, match=next(iter(settings))):
            method("flexmatch", **settings)


def test_what_becomes_of_the_rows_is_reported():
    data, _ = clusters()
    truth = np.arange(400) % 4
    stats = PseudoLabelStats(truth)
    method("fixmatch", learning_rate=0.03).fit(Linear(), dataclasses.replace(data, on_pseudo_labels=stats.add), 0)
    metrics = stats.metrics()
    assert 0 < metrics["Pseudo-Label Mask Rate"] <= 1
    assert metrics["Pseudo-Label Accuracy"] > 0.5


def test_views_are_wanted_as_many_as_the_settings_say():
    wanted = method("uda", views=3).wanted_views()
    assert (wanted.count, wanted.recipe["name"]) == (3, "images")
