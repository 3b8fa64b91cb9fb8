"""Labels that count more or less than others."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from labelbench_ray.config import Part, Trial
from labelbench_ray.errors import ConfigError, DataError
from labelbench_ray.pool.distributions import BERNOULLI, CATEGORICAL
from labelbench_ray.proxies.linear import Linear
from labelbench_ray.trainers import EmbeddedInputs, FitData
from labelbench_ray.trainers.engine.data import embedded_data, ignore
from labelbench_ray.trainers.engine.device import ALONE
from labelbench_ray.trainers.engine.step import Step
from labelbench_ray.trainers.fixmatch import Fixmatch
from labelbench_ray.trainers.logistic import Logistic
from labelbench_ray.trainers.newest_only import NewestOnly
from labelbench_ray.trainers.ridge import Ridge
from labelbench_ray.trainers.supervised import Supervised
from labelbench_ray.trainers.uda import Uda
from labelbench_ray.trainers.warm_start import WarmStart
from labelbench_ray.trial import parts
from labelbench_ray.trial.fit_light import FitRequest, LightFitter, in_process
from labelbench_ray.trial.label_weights import check_weighs, refuse_weights
from tests.samples import make_embedded
from tests.trainers.made_up import clusters

EMBEDDED = make_embedded()
ROWS = np.random.default_rng(2).permutation(len(EMBEDDED.pool.labels_N))[:40]
FITS = {
    "logistic": {"trainer": "logistic"},
    "supervised": {"trainer": Part.of("supervised", epochs=3)},
    "warm_start": {"trainer": Part.of("warm_start", trainer={"name": "supervised", "settings": {"epochs": 2}})},
    "gradient_boosting": {"proxy": Part.of("gradient_boosting", iterations=5), "trainer": "none"},
}


def labeled(rows: int) -> FitData[EmbeddedInputs]:
    """Clusters with that many labels and no views."""
    data, more = clusters()
    return embedded_data(
        more.embeddings_BD[:rows],
        more.labels_B[:rows],
        data.inputs.validation,
        data.num_classes,
        data.inputs.standardization,
        np.arange(rows),
    )


def request(weights: object = None, rows: np.ndarray = ROWS) -> FitRequest:
    given = None if weights is None else np.asarray(weights, np.float64)
    return FitRequest(rows, EMBEDDED.pool.labels_N[rows], (), 0, ignore, weights_L=given)


def fitted(fit: str, asked: FitRequest) -> Mapping[str, Any]:
    trial = Trial(dataset="digits", encoder="pixels", strategy="margin", seed=0, rounds=3, budget=2, **FITS[fit])
    return LightFitter(parts.build(trial), EMBEDDED, (), in_process(EMBEDDED)).fit(asked)


def same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(np.asarray(one[name]).tobytes() == np.asarray(other[name]).tobytes() for name in one | other)


@pytest.mark.parametrize("fit", FITS)
def test_equal_weights_are_none_and_weight_0_is_a_row_left_out(fit: str) -> None:
    unweighted = fitted(fit, request())
    assert same(fitted(fit, request(np.full(40, 0.7))), unweighted)
    half = np.arange(40) % 2
    assert same(fitted(fit, request(half)), fitted(fit, request(rows=ROWS[1::2])))
    assert not same(fitted(fit, request(half + 0.5)), unweighted)


def test_a_label_of_weight_2_counts_as_two_in_a_logistic_regression() -> None:
    twice = np.arange(40) < 10
    found, repeated = (
        fitted("logistic", request(1.0 + twice)),
        fitted("logistic", request(rows=np.append(ROWS, ROWS[twice]))),
    )
    np.testing.assert_allclose(found["0.weight"], repeated["0.weight"], atol=2e-3)
    assert np.abs(found["0.weight"] - fitted("logistic", request())["0.weight"]).max() > 2e-2


def test_a_label_of_weight_2_counts_as_two_in_a_logistic_regression_a_class_and_in_a_ridge_regression() -> None:
    data = labeled(60)
    ids, twice = np.append(np.arange(60), np.arange(20)), 1.0 + (np.arange(60) < 20)
    more = replace(data.inputs, labeled_LD=data.inputs.labeled_LD[ids], labeled_ids_L=ids)
    answers = {
        Logistic(l2=0.1): np.eye(data.num_classes, dtype=np.int8)[data.answers_L],
        Ridge(): data.inputs.labeled_LD[:, 0] ** 2 + data.answers_L,
    }
    for trainer, answers_L in answers.items():
        (distribution,) = set(trainer.weighs) - {CATEGORICAL}
        task = type("AnyTask", (), {"distribution": distribution})()
        given = replace(data, answers_L=answers_L, task=task)
        found = trainer.fit(Linear(), replace(given, weights_L=twice / twice.mean()), 0)
        repeated = trainer.fit(Linear(), replace(given, inputs=more, answers_L=answers_L[ids]), 0)
        unweighted = trainer.fit(Linear(), given, 0)
        np.testing.assert_allclose(found.layers[0][0], repeated.layers[0][0], atol=2e-3)
        assert np.abs(found.layers[0][0] - unweighted.layers[0][0]).max() > 5e-3


@pytest.mark.parametrize("mixup", [0.0, 0.4])
def test_the_loss_of_supervised_is_the_weighted_mean_over_the_rows_that_were_mixed(mixup: float) -> None:
    data = labeled(30)
    weights = np.random.default_rng(0).uniform(0.1, 2, 30)
    module = torch.nn.Linear(data.inputs.labeled_LD.shape[1], data.num_classes)
    rows = np.arange(5, 25)
    step = Step(module, replace(data, weights_L=weights), ALONE, {}, rows, rows[:0], 0, 0.0, np.random.default_rng(4))
    found = Supervised(mixup=mixup, label_smoothing=0.1).loss(step).detach()
    share = np.random.default_rng(4).beta(mixup, mixup) if mixup else 1.0
    inputs = torch.from_numpy(data.inputs.labeled_LD[rows])
    logits = module(share * inputs + (1 - share) * inputs.flip(0))
    labels, weights_B = torch.from_numpy(data.answers_L[rows]), torch.from_numpy(weights[rows])
    first = weights_B * cross_entropy(logits, labels, reduction="none", label_smoothing=0.1)
    second = weights_B.flip(0) * cross_entropy(logits, labels.flip(0), reduction="none", label_smoothing=0.1)
    assert float(found) == pytest.approx(float((share * first + (1 - share) * second).mean().detach()), rel=1e-5)


@pytest.mark.parametrize("trainer", [Fixmatch(), Uda(annealing="linear")])
def test_the_labeled_loss_of_semi_supervised_training_is_the_weighted_mean(trainer: Fixmatch | Uda) -> None:
    data = labeled(30)
    weights, rows = np.random.default_rng(0).uniform(0.1, 2, 30), np.arange(20)
    step = Step(torch.nn.Identity(), data, ALONE, {}, rows, rows[:0], 0, 1.0, np.random.default_rng(4))
    logits = torch.randn(20, data.num_classes, generator=torch.Generator().manual_seed(0))
    plain = cross_entropy(logits, torch.from_numpy(data.answers_L[rows]), reduction="none")
    assert float(trainer.labeled_loss(logits, step)) == pytest.approx(float(plain.mean()), rel=1e-5)
    counted = replace(step, data=replace(data, weights_L=weights))
    expected = float((torch.from_numpy(weights[rows]) * plain).mean())
    assert float(trainer.labeled_loss(logits, counted)) == pytest.approx(expected, rel=1e-5)


def test_trainers_that_would_ignore_weights_refuse_them() -> None:
    weights = np.array([1.0, 0.5])
    check_weighs(Supervised(), CATEGORICAL, weights)
    check_weighs(WarmStart(), CATEGORICAL, weights)
    check_weighs(NewestOnly(), CATEGORICAL, None)
    for trainer, distribution in ((NewestOnly(), CATEGORICAL), (Supervised(), BERNOULLI)):
        with pytest.raises(ConfigError, match="does not weigh labels of this task, and these have weights; use"):
            check_weighs(trainer, distribution, weights)
    with pytest.raises(ConfigError, match="a full model does not weigh labels"):
        refuse_weights(np.linspace(0, 1, 40))
    refuse_weights(None)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0, 1.0], r"shape \(2,\) must be \(40,\), one a label"),
        ([1.0] * 39 + [-1.0], f"row {ROWS[39]} has the weight -1.0; it must be finite, at least 0"),
        ([np.nan] * 40, f"row {ROWS[0]} has the weight nan"),
        ([0.0] * 40, "all 40 are 0, so nothing can be learned"),
    ],
)
def test_weights_that_cannot_be(weights: list[float], message: str) -> None:
    with pytest.raises(DataError, match=message):
        request(weights).counted()
