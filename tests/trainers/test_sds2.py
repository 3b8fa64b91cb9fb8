"""Submodular sampling of older rows: greedy against brute force, and the features that it sees."""

from itertools import combinations

import numpy as np
import pytest

from labelbench_ray.trainers.sds2 import Sds2, greedy, seen, similarity
from tests.samples import softmax64
from tests.trainers.rounds import CLASSES, DIMENSIONS, data, model, previous, step

NOW = model(3, DIMENSIONS, CLASSES)


def candidates(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return similarity(rng.normal(size=(count, 3)), 0.5), rng.random(count)


def value(similarity_CC: np.ndarray, doubts_C: np.ndarray, uncertainty: float, taken: object) -> float:
    rows = list(taken)  # type: ignore[call-overload]
    return float(similarity_CC[:, rows].max(axis=1).sum() + uncertainty * np.log1p(doubts_C[rows].sum()))


@pytest.mark.parametrize("uncertainty", [0.0, 1.0, 10.0])
def test_4_greedy_takes_the_best_candidate_at_every_step(uncertainty: float):
    """Test 4 of continual training: 30 candidates, by recomputing the objective of every possible next set."""
    similarity_CC, doubts_C = candidates(30)
    taken: list[int] = []
    for _ in range(8):
        rest = [place for place in range(30) if place not in taken]
        taken.append(max(rest, key=lambda place: value(similarity_CC, doubts_C, uncertainty, [*taken, place])))
    assert greedy(similarity_CC, doubts_C, uncertainty, 8).tolist() == taken


def test_4_the_value_is_at_least_that_of_the_theorem():
    for seed in range(20):
        given = candidates(10, seed)
        best = max(value(*given, 1.0, taken) for taken in combinations(range(10), 3))
        assert value(*given, 1.0, greedy(*given, 1.0, 3)) >= (1 - 1 / np.e) * best


def test_4_with_much_weight_the_most_uncertain_rows_are_taken():
    similarity_CC, doubts_C = candidates(30)
    assert sorted(greedy(similarity_CC, doubts_C, 1e9, 5)) == sorted(np.argsort(-doubts_C)[:5])


def test_similarity_does_not_depend_on_the_scale_of_the_features():
    features = np.random.default_rng(1).normal(size=(12, 4))
    assert similarity(1000 * features, 0.5) == pytest.approx(similarity(features, 0.5))
    assert (similarity(np.ones((4, 2)), 0.5) == 1).all()


def test_the_model_is_seen_as_it_is_now():
    trainer = Sds2(mixup=0)
    given = data(9, previous(7, NOW), bought=np.zeros((7, CLASSES)))
    features, logits = seen(step(trainer, given, [7, 8], NOW), np.arange(7))
    inputs = given.inputs.labeled_LD[:7]
    assert features == pytest.approx(inputs)
    assert logits == pytest.approx(inputs @ NOW.layers[0][0] + NOW.layers[0][1], rel=1e-5)


@pytest.mark.parametrize("features", ["penultimate", "logits"])
def test_a_step_replays_what_greedy_takes(features: str):
    trainer = Sds2(mixup=0, features=features, older_per_newest=2, candidates_per_older=2.5)
    given = data(12, previous(10, NOW), bought=np.zeros((10, CLASSES)))
    found = trainer.replayed(step(trainer, given, [10, 11], NOW))  # 4 of all 10
    inputs = given.inputs.labeled_LD[:10].astype(np.float64)
    logits = inputs @ NOW.layers[0][0] + NOW.layers[0][1]
    similarity_CC = similarity(inputs if features == "penultimate" else logits, 0.5)
    doubts = 1 - softmax64(logits).max(axis=1)
    taken: list[int] = []
    for _ in range(4):
        rest = [place for place in range(10) if place not in taken]
        taken.append(max(rest, key=lambda place: value(similarity_CC, doubts, 1.0, [*taken, place])))
    assert sorted(found.tolist()) == sorted(taken)
