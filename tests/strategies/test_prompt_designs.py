"""The designs for prompts: scores of facts, quotas of tasks, prefixes, duplicates. Numbers are those of the issue."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from scipy.spatial.distance import cdist, pdist

from labelbench_ray import plugins, strategies
from labelbench_ray.plugins import Part
from labelbench_ray.strategies._task_quotas import deal
from labelbench_ray.types import PoolView

DESIGNS = [
    Part(name="random"),
    Part(name="mean_token_entropy"),
    Part(name="max_token_entropy"),
    Part.of("max_token_entropy", token="confidence"),
    Part(name="sequence_confidence"),
    Part.of("sequence_confidence", normalize=True),
    Part(name="mean_token_margin"),
    Part(name="min_token_margin"),
    Part(name="coreset"),
    Part(name="facility_location"),
    Part.of("facility_location", kernel="rbf"),
    Part(name="task_round_robin"),
    Part.of("task_round_robin", strategy="mean_token_entropy"),
    Part(name="task_confidence"),
    Part.of("task_confidence", strategy="min_token_margin"),
]


def view(facts: Mapping[str, object], shards: int = 1) -> PoolView:
    """A pool of prompts: two-dimensional embeddings, and these facts."""
    rows = len(next(iter(facts.values())))  # type: ignore[arg-type]
    embeddings = np.random.default_rng(0).normal(size=(rows, 2)).astype(np.float32)
    return PoolView.from_arrays(embeddings, np.full((rows, 2), 0.5, np.float32), [], [], shards, facts=facts)


def prompts(rows: int, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "mean_entropy": rng.random(rows),
        "max_entropy": rng.random(rows),
        "min_confidence": rng.random(rows),
        "neg_logprob": 9 * rng.random(rows),
        "num_new_tokens": rng.integers(1, 12, rows),
        "mean_margin": rng.random(rows),
        "min_margin": rng.random(rows),
        "task": rng.choice(7, rows, p=[0.4, 0.2, 0.15, 0.1, 0.08, 0.05, 0.02]),
    }


def chosen(part: Part, pool: PoolView, budget: int, seed: int = 0) -> list[int]:
    strategy = strategies.create(part.name, **part.settings)
    return strategy.select(pool, budget, np.random.default_rng(seed)).tolist()


@pytest.mark.parametrize("name", ["mean_token_entropy", "max_token_entropy"])
def test_bounds_of_the_20_likeliest_tokens_are_a_design_of_their_own_name(name: str):
    part = Part.of(name, top=20)
    assert str(part) == f"{name}(top=20)"
    facts = prompts(50) | {"mean_tail": np.full(50, 0.1)}
    assert chosen(part, view(facts), 10) == chosen(Part(name=name), view(facts), 10)
    with pytest.raises(ValueError, match="mean_tail"):
        chosen(part, view(prompts(50)), 10)
    assert plugins.recipe(name, strategies.create(name)) == plugins.recipe(name, strategies.create(name, top=None))
    assert "top" not in str(plugins.recipe(name, strategies.create(name)))


def test_scores_by_hand():
    facts = {
        "mean_entropy": [0.1, 0.9, 0.5],
        "max_entropy": [3.0, 1.0, 2.0],
        "min_confidence": [0.5, 0.2, 0.9],
        "neg_logprob": [1.0, 6.0, 4.0],
        "num_new_tokens": [1, 12, 2],
        "mean_margin": [0.3, 0.2, 0.1],
        "min_margin": [0.2, 0.1, 0.3],
    }
    orders = {
        "mean_token_entropy": [1, 2, 0],
        "max_token_entropy": [0, 2, 1],
        "sequence_confidence": [1, 2, 0],
        "mean_token_margin": [2, 1, 0],
        "min_token_margin": [1, 0, 2],
    }
    assert {name: chosen(Part(name=name), view(facts), 3) for name in orders} == orders
    assert chosen(Part.of("max_token_entropy", token="confidence"), view(facts), 3) == [1, 0, 2]
    assert chosen(Part.of("sequence_confidence", normalize=True), view(facts), 3) == [2, 0, 1]


@pytest.mark.parametrize("part", DESIGNS, ids=str)
def test_4_a_budget_s_selection_begins_with_that_of_a_smaller_one(part: Part):
    pool = view(prompts(300))
    many = chosen(part, pool, 40)
    for budget in (1, 7, 20):
        assert chosen(part, pool, budget) == many[:budget]


def test_4_quotas_never_shrink_as_the_budget_grows():
    """Largest remainders would: the Alabama paradox."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        weights, sizes = rng.random(6) + 0.01, rng.integers(1, 40, 6)
        hashes = rng.integers(2**63, size=6).astype(np.uint64)
        turns = deal(weights, sizes, int(sizes.sum()), hashes)
        np.testing.assert_array_equal(np.bincount(turns, minlength=6), sizes)
        np.testing.assert_array_equal(deal(weights, sizes, 10, hashes)[: sizes.sum()], turns[:10])


def test_4_quotas_are_webster_s():
    """Each turn goes to the largest weight / (2 * got + 1), found here by trying every task."""
    rng = np.random.default_rng(1)
    weights, sizes, got = rng.random(5) + 0.1, np.array([2, 40, 40, 5, 40]), np.zeros(5)
    for turn in deal(weights, sizes, 60, np.arange(5).astype(np.uint64)):
        quotients = np.where(got < sizes, weights / (2 * got + 1), -1)
        assert turn == quotients.argmax()
        got[turn] += 1


def test_5_task_round_robin_gives_equal_quotas_capped_by_what_a_task_has():
    task = np.repeat([0, 1, 2], [2, 50, 50])
    ids = chosen(Part(name="task_round_robin"), view({"task": task}), 30)
    assert np.bincount(task[ids]).tolist() == [2, 14, 14]


def test_5_task_confidence_gives_quotas_of_one_over_the_confidence():
    task = np.repeat([0, 1, 2], 100)
    tokens = np.random.default_rng(0).integers(1, 9, 300)
    facts = {"task": task, "num_new_tokens": tokens, "neg_logprob": -tokens * np.log([0.9, 0.45, 0.3])[task]}
    ids = chosen(Part(name="task_confidence"), view(facts), 60)
    assert np.bincount(task[ids]).tolist() == [10, 20, 30]


def test_task_confidence_is_measured_on_a_few_prompts_of_a_task():
    facts = prompts(500)
    part = Part.of("task_confidence", probes=3)
    assert chosen(part, view(facts), 40) == chosen(part, view(facts), 40) != chosen(part, view(facts), 40, seed=1)


def test_tasks_of_equal_weight_begin_by_a_hash_and_not_by_their_number():
    task = np.repeat(np.arange(5), 20)
    firsts = {task[chosen(Part(name="task_round_robin"), view({"task": task}), 1, seed)[0]] for seed in range(40)}
    assert firsts == set(range(5))


def test_the_notes_of_a_task_design_are_the_tasks():
    facts = prompts(200)
    strategy = strategies.create("task_round_robin")
    found = strategy.select_with_notes(view(facts), 25, np.random.default_rng(0))
    assert found.notes is not None
    np.testing.assert_array_equal(found.notes, facts["task"][found.ids])


@pytest.mark.parametrize("wrong", [0.5, -1, 2.0**40])
def test_a_task_that_is_not_a_small_whole_number_is_refused(wrong: float):
    with pytest.raises(ValueError, match=rf"the fact 'task': row 1 has {wrong}.*number the tasks".replace("+", r"\+")):
        chosen(Part(name="task_round_robin"), view({"task": [0, wrong, 1]}), 1)


@pytest.mark.parametrize("part", DESIGNS, ids=str)
def test_9_no_design_chooses_an_exact_duplicate(part: Part):
    repeats = np.full(100, -1)
    repeats[90:] = np.arange(10)
    pool = view({**prompts(100), "duplicate_of": repeats}, shards=2)
    assert sorted(chosen(part, pool, 90)) == list(range(90))
    with pytest.raises(ValueError, match="90 of the pool's 100 are unlabeled and no duplicates"):
        chosen(part, pool, 91)


def small(seed: int) -> tuple[np.ndarray, PoolView]:
    rows_ND = np.random.default_rng(seed).normal(size=(12, 3)).astype(np.float32) * [[3, 1, 0.2]]
    rows_ND = rows_ND.astype(np.float32)
    return rows_ND.astype(np.float64), PoolView.from_arrays(rows_ND, np.full((12, 2), 0.5, np.float32), [], [])


def similarity(rows_ND: np.ndarray, kernel: str, gamma: float) -> np.ndarray:
    """(N, N) by the formulas of the designs."""
    if kernel == "cosine":
        units_ND = rows_ND / np.linalg.norm(rows_ND, axis=1, keepdims=True)
        return (1 + units_ND @ units_ND.T) / 2
    return np.exp(-cdist(rows_ND, rows_ND, "sqeuclidean") / (gamma * np.median(pdist(rows_ND, "sqeuclidean"))))


@pytest.mark.parametrize(("kernel", "gamma"), [("cosine", 1.0), ("rbf", 1.0), ("rbf", 0.3)])
@pytest.mark.parametrize("seed", range(5))
def test_6_facility_location_is_greedy_and_near_the_best(kernel: str, gamma: float, seed: int):
    rows_ND, pool = small(seed)
    similar_NN = similarity(rows_ND, kernel, gamma)
    first = similar_NN.sum(axis=0).argmax()
    gains_N = np.maximum(similar_NN, similar_NN[:, [first]]).sum(axis=0)
    gains_N[first] = -1
    part = Part.of("facility_location", kernel=kernel, gamma=gamma)
    assert chosen(part, pool, 2) == [first, gains_N.argmax()]
    rng = np.random.default_rng(seed)
    best = max(similar_NN[:, rng.choice(12, 3, replace=False)].max(axis=1).sum() for _ in range(200))
    assert similar_NN[:, chosen(part, pool, 3)].max(axis=1).sum() >= (1 - 1 / np.e) * best


@pytest.mark.parametrize("seed", range(5))
def test_6_the_radius_of_k_center_is_at_most_twice_the_best(seed: int):
    rows_ND, pool = small(seed)
    distances_NN = cdist(rows_ND, rows_ND)

    def radius(ids: Sequence[int]) -> float:
        return float(distances_NN[:, list(ids)].min(axis=1).max())

    best = min(radius(ids) for ids in itertools.combinations(range(12), 3))
    assert radius(chosen(Part(name="coreset"), pool, 3)) <= 2 * best


def test_rbf_of_rows_far_from_the_others_is_exact():
    """In float32 the distances among them would be lost."""
    rng = np.random.default_rng(0)
    rows_ND = np.concatenate([rng.normal(size=(60, 4)), 3e3 + rng.normal(size=(20, 4))]).astype(np.float32)
    pool = PoolView.from_arrays(rows_ND, np.full((80, 2), 0.5, np.float32), [], [])
    similar_NN = similarity(rows_ND.astype(np.float64), "rbf", 1.0)
    covered_N, expected = np.zeros(80), []
    for _ in range(12):
        gains_N = np.maximum(similar_NN - covered_N[:, None], 0).sum(axis=0)
        gains_N[expected] = -1
        expected.append(int(gains_N.argmax()))
        covered_N = np.maximum(covered_N, similar_NN[:, expected[-1]])
    assert chosen(Part.of("facility_location", kernel="rbf"), pool, 12) == expected


@pytest.mark.parametrize(
    ("gamma", "words"), [(1e-3, "unlike one another; choose a larger"), (50, "are alike; choose a sma")]
)
def test_a_width_that_distinguishes_nothing_is_warned_of(gamma: float, words: str):
    with pytest.warns(UserWarning, match=words):
        chosen(Part.of("facility_location", kernel="rbf", gamma=gamma), view(prompts(200)), 3)


def test_a_pool_without_the_facts_is_refused_by_name():
    with pytest.raises(ValueError, match="TaskConfidence needs the facts 'neg_logprob', 'num_new_tokens'"):
        chosen(Part(name="task_confidence"), view({"task": np.zeros(9)}), 1)
