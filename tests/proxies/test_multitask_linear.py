"""The proxy `multitask_linear`: its parts by independent references, acceptance test 8, and classes by their logits."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from labelbench_ray.datasets.synthetic_tasks import instance
from labelbench_ray.errors import ConfigError
from labelbench_ray.pool.distributions import CATEGORICAL, REAL
from labelbench_ray.pool.facts import Facts
from labelbench_ray.pool.standardization import Standardization
from labelbench_ray.proxies.multitask import shared_basis
from labelbench_ray.proxies.multitask.fit import Tasks, chosen_rank, one_by_one, solve
from labelbench_ray.proxies.multitask.moments import TaskRows, block_moments, task_moments
from labelbench_ray.proxies.multitask_linear import MultitaskClassifier, MultitaskLinear
from labelbench_ray.types import BLOCK_ROWS
from tests.multitask_rounds import Bought


def drawn(rows: int = 30, sources: int = 12, noise: float = 0.3, seed: int = 0, classes: bool = False) -> Bought:
    made, rng = instance("sparse", seed, 8, 2, sources), np.random.default_rng(seed)
    tasks_N = rng.permutation(np.repeat(np.arange(sources + 1), rows))
    inputs_ND = rng.normal(size=(len(tasks_N), 8)).astype(np.float32).astype(np.float64)
    answers_N = (
        1.5 + np.einsum("nd,dn->n", inputs_ND, made.weights_DT[:, tasks_N]) + noise * rng.normal(size=len(tasks_N))
    )
    return Bought(inputs_ND, (answers_N > 1.5).astype(np.int64) if classes else answers_N, tasks_N)


def fitted(data: Bought, proxy: MultitaskLinear, classes: bool = False) -> MultitaskClassifier:
    identity = Standardization(np.zeros(8, np.float32), np.ones(8, np.float32))
    facts = Facts({"task": data.tasks_N.astype(np.float64)})
    ids_L = np.arange(len(data.answers_N))
    distribution = CATEGORICAL if classes else REAL
    classifier, _ = proxy.fit(data, identity, ids_L, data.answers_N, facts, distribution, one_by_one)
    assert isinstance(classifier, MultitaskClassifier)
    return classifier


@pytest.mark.parametrize("seed", range(5))
def test_8_alternating_ridge_recovers_the_subspace_without_noise(seed: int):
    made, rng = instance("sparse", seed), np.random.default_rng(seed)
    moments = []
    for head_R in made.heads_RM.T:
        inputs_ND = rng.normal(size=(12, 16))
        moments.append(block_moments(inputs_ND, inputs_ND @ made.basis_DR @ head_R, np.ones(12)))
    problem = shared_basis.Problem(
        np.stack([each.squares_DD for each in moments]),
        np.stack([each.products_D for each in moments]),
        np.full(24, 12.0),
    )

    def beyond(sweeps: int) -> float:
        basis_DR = shared_basis.shared_basis(problem, shared_basis.first_basis(problem, 3), 1e-10, sweeps, moved=0)
        return float(np.linalg.norm(made.basis_DR - basis_DR @ (basis_DR.T @ made.basis_DR)))

    assert beyond(15) < 5e-5
    assert beyond(60) < 1e-10


def test_conjugate_gradients_find_the_basis_that_the_dense_system_has(monkeypatch: pytest.MonkeyPatch):
    data = drawn(rows=60)
    halves = [task_moments(data, each) for each in data.tasks(12).sources]
    problem = shared_basis.Problem.of([each.first + each.second for each in halves])
    first_DR = shared_basis.first_basis(problem, 2)
    dense_DR = shared_basis.shared_basis(problem, first_DR, 1e-3)
    monkeypatch.setattr(shared_basis, "DENSE", 0)
    steps_DR = shared_basis.shared_basis(problem, first_DR, 1e-3)
    np.testing.assert_allclose(steps_DR @ steps_DR.T, dense_DR @ dense_DR.T, atol=1e-6)


def test_moments_are_sums_over_rows_in_any_cut_and_center_like_a_free_bias():
    data = drawn(rows=2 * BLOCK_ROWS, sources=2)
    rows = data.tasks(2).sources[0]
    halves = task_moments(data, rows)
    total = halves.first + halves.second
    inputs_LD, answers_L = data.standardized(rows.ids_L).astype(np.float64), rows.answers_L
    assert (halves.first.rows, total.rows, total.weight) == (BLOCK_ROWS, 2 * BLOCK_ROWS, 2 * BLOCK_ROWS)
    np.testing.assert_allclose(total.squares_DD, inputs_LD.T @ inputs_LD, rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(total.products_D, inputs_LD.T @ answers_L, rtol=1e-9, atol=1e-6)
    squares_DD, products_D = total.centered()
    around_LD, around_L = inputs_LD - inputs_LD.mean(axis=0), answers_L - answers_L.mean()
    np.testing.assert_allclose(squares_DD, around_LD.T @ around_LD, rtol=1e-7, atol=1e-6)
    np.testing.assert_allclose(products_D, around_LD.T @ around_L, rtol=1e-7, atol=1e-6)


def test_without_a_target_it_is_ridge_regression():
    data = drawn()
    classifier = fitted(data, MultitaskLinear(l2=0.2))
    model = Ridge(alpha=0.2 * len(data.answers_N)).fit(data.inputs_ND, data.answers_N)
    predicted_NK = classifier.probabilities(data.inputs_ND.astype(np.float32))
    np.testing.assert_allclose(predicted_NK[:, 0], model.predict(data.inputs_ND), atol=1e-4)
    assert classifier.task_heads is None


def test_the_target_learns_from_the_other_tasks():
    data, made = drawn(rows=30), instance("sparse", 0, 8, 2, 12)
    few = np.flatnonzero((data.tasks_N != 12) | (np.cumsum(data.tasks_N == 12) <= 9))
    less = Bought(data.inputs_ND[few], data.answers_N[few], data.tasks_N[few])
    classifier = fitted(less, MultitaskLinear(target=12, rank=2))
    test_ND = np.random.default_rng(9).normal(size=(500, 8)).astype(np.float32)
    truth_N = 1.5 + test_ND.astype(np.float64) @ made.basis_DR @ made.target_R
    assert classifier.alone is not None
    shared, alone = (
        np.square(model.probabilities(test_ND)[:, 0] - truth_N).mean() for model in (classifier, classifier.alone)
    )
    assert shared < alone / 3


def test_heads_and_their_halves_travel_as_tensors():
    classifier = fitted(drawn(), MultitaskLinear(target=12, rank=2))
    again = MultitaskClassifier.of_tensors(classifier.tensors(), REAL)
    before, after = classifier.task_heads, again.task_heads
    assert before is not None
    assert after is not None
    assert (after.target, after.tasks_M.tolist()) == (12, list(range(12)))
    for one, other in zip((before.all_rows, *before.halves), (after.all_rows, *after.halves), strict=True):
        np.testing.assert_array_equal(one.heads_RM, other.heads_RM)
        np.testing.assert_array_equal(one.target_R, other.target_R)
    assert one.heads_RM.shape == (2, 12)
    rows_ND = drawn().inputs_ND.astype(np.float32)
    np.testing.assert_array_equal(classifier.probabilities(rows_ND), again.probabilities(rows_ND))
    first, second = before.halves
    assert not np.allclose(first.heads_RM, second.heads_RM)


def test_two_classes_are_fitted_by_their_logits_as_logistic_regression_does():
    data = drawn(rows=80, classes=True)
    alone = fitted(data, MultitaskLinear(l2=0.02), classes=True)
    count = len(data.answers_N)
    model = LogisticRegression(C=1 / (0.02 * count), tol=1e-8, max_iter=1000).fit(data.inputs_ND, data.answers_N)
    logits_N = alone.logits(data.inputs_ND.astype(np.float32)) @ np.array([-1, 1])
    np.testing.assert_allclose(logits_N, model.decision_function(data.inputs_ND), rtol=1e-3, atol=1e-3)
    classifier = fitted(data, MultitaskLinear(target=12, rank=2), classes=True)
    mine = data.tasks_N == 12
    right = classifier.probabilities(data.inputs_ND[mine].astype(np.float32)).argmax(axis=1) == data.answers_N[mine]
    assert right.mean() > 0.85


def test_separable_classes_stay_finite():
    inputs_ND = np.array([[-1.0] * 8, [1.0] * 8] * 10)
    data = Bought(inputs_ND, np.array([0, 1] * 10), np.repeat([0, 1], 10))
    classifier = fitted(data, MultitaskLinear(target=1, rank=1), classes=True)
    probabilities = classifier.probabilities(inputs_ND.astype(np.float32))
    assert np.isfinite(probabilities).all()
    assert (probabilities.argmax(axis=1) == data.answers_N).all()


def test_a_task_with_a_single_row_is_no_hindrance():
    data = drawn(rows=20)
    kept = np.flatnonzero((data.tasks_N != 3) | (np.cumsum(data.tasks_N == 3) <= 1))
    classifier = fitted(
        Bought(data.inputs_ND[kept], data.answers_N[kept], data.tasks_N[kept]), MultitaskLinear(target=12, rank=2)
    )
    assert classifier.task_heads is not None
    for each in (classifier.task_heads.all_rows, *classifier.task_heads.halves):
        assert np.isfinite(each.heads_RM).all()


@pytest.mark.parametrize(("rank", "expected"), [(None, 3), ("elbow", 2), (5, 5)])
def test_the_rank_is_given_or_found(rank, expected: int):
    data = drawn(rows=200, noise=0.05)
    halves = [task_moments(data, each) for each in data.tasks(12).sources]
    problem = shared_basis.Problem.of([each.first + each.second for each in halves])
    assert chosen_rank(problem, rank, 200, 1e-3) == expected


def test_a_target_with_too_few_rows_is_refused_with_the_numbers():
    data = drawn(rows=5)
    with pytest.raises(ConfigError, match=r"target 12 has 5 labeled rows, and rank=4 needs 8; lower `rank`"):
        fitted(data, MultitaskLinear(target=12, rank=4))


def test_the_moments_of_tasks_may_be_computed_in_any_order_and_place():
    data = drawn()

    def backwards(function, items):
        return [function(item) for item in reversed(items)][::-1]

    tasks = Tasks(12, *_target_and_sources(data))
    here, there = (solve(data, tasks, 2, 1e-3, False, each) for each in (one_by_one, backwards))
    np.testing.assert_array_equal(here.weight_D, there.weight_D)


def _target_and_sources(data: Bought) -> tuple[TaskRows, np.ndarray, tuple[TaskRows, ...]]:
    tasks = data.tasks(12)
    return tasks.target_rows, tasks.numbers_M, tasks.sources
