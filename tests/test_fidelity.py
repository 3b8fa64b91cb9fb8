"""Fidelity by hand: Jaccard of the batches, Spearman of the scores, of models whose probabilities are written down."""

import numpy as np
import pytest
from scipy.stats import rankdata

from labelbench_ray import plugins, strategies
from labelbench_ray.config import Part
from labelbench_ray.strategies import Strategy
from labelbench_ray.trial import fidelity as fidelity_module
from labelbench_ray.trial.fidelity import Question, fidelity
from labelbench_ray.types import PoolView

LABELED, LABELS = np.array([0, 5]), np.array([0, 1])
ROWS = 30
OVERLAP, CORRELATION = "Fidelity Batch Overlap", "Fidelity Score Correlation"


def probabilities(seed: int) -> np.ndarray:
    made = np.random.default_rng(seed).dirichlet(np.ones(3), ROWS)
    return made.astype(np.float32)


def view(said: np.ndarray, labeled: np.ndarray = LABELED) -> PoolView:
    features = np.random.default_rng(9).normal(size=(len(said), 4)).astype(np.float32)
    return PoolView.from_arrays(features, said, labeled, np.arange(len(labeled)) % 2)


def question(name: str = "margin", budget: int = 6, **settings: object) -> Question:
    strategy = plugins.build(Strategy, strategies.PACKAGE, Part.of(name, **settings))  # type: ignore[arg-type]
    return Question(strategy, budget, 0, 1, np.arange(ROWS) % 3)


def margins(said: np.ndarray) -> np.ndarray:
    ordered = np.sort(said.astype(np.float64), axis=1)
    return np.delete(ordered[:, -1] - ordered[:, -2], LABELED)


@pytest.mark.parametrize("seeds", [(1, 2), (3, 4), (5, 6)])
def test_overlap_and_correlation_are_those_of_the_textbook(seeds: tuple[int, int]):
    one, other = (probabilities(seed) for seed in seeds)
    rest = np.setdiff1d(np.arange(ROWS), LABELED)
    batches = [set(rest[np.argsort(margins(said))[:6]].tolist()) for said in (one, other)]
    ranks = [rankdata(margins(said)) for said in (one, other)]
    found = fidelity(question(), view(one), view(other))
    assert found == {
        OVERLAP: pytest.approx(len(batches[0] & batches[1]) / len(batches[0] | batches[1])),
        CORRELATION: pytest.approx(np.corrcoef(*ranks)[0, 1]),
    }


def test_opposite_orders_share_nothing():
    said = np.linspace(0.51, 0.99, ROWS)
    one, other = (np.stack([each, 1 - each], axis=1).astype(np.float32) for each in (said, said[::-1]))
    found = fidelity(question(), view(one), view(other))
    assert found[OVERLAP] == 0
    assert found[CORRELATION] < -0.9


@pytest.mark.parametrize(
    "name",
    ["margin", "entropy", "confidence", "badge", "coreset", "galaxy", "direct", "kmeans", "power_margin", "typiclust"],
)
def test_a_model_agrees_with_itself(name: str):
    said = probabilities(1)
    assert fidelity(question(name), view(said), view(said)) == {OVERLAP: 1.0, CORRELATION: pytest.approx(1.0)}


def test_the_same_score_everywhere_has_no_rank(recwarn):
    said = np.full((ROWS, 3), 1 / 3, np.float32)
    assert CORRELATION not in fidelity(question(), view(said), view(probabilities(1)))
    assert CORRELATION not in fidelity(question("random"), view(probabilities(1)), view(probabilities(2)))
    assert not recwarn


@pytest.mark.parametrize(("budget", "keys"), [(28, {OVERLAP, CORRELATION}), (29, set())])
def test_with_too_little_left_to_buy_there_is_nothing_to_compare(budget: int, keys: set[str]):
    found = fidelity(question(budget=budget), view(probabilities(1)), view(probabilities(2)))
    assert set(found) == keys
    if keys:
        assert found[OVERLAP] == 1, "both take all that is left"


def test_one_row_left_has_no_rank():
    labeled = np.arange(ROWS - 1)
    found = fidelity(question(budget=1), view(probabilities(1), labeled), view(probabilities(2), labeled))
    assert found == {OVERLAP: 1.0}


def test_ranks_of_a_large_pool_are_compared_on_a_sample_that_is_the_same_for_both(monkeypatch):
    monkeypatch.setattr(fidelity_module, "SAMPLE", 10)
    one, other = probabilities(1), probabilities(2)
    first = fidelity(question(), view(one), view(other))
    assert first == fidelity(question(), view(one), view(other))
    assert fidelity(question(), view(one), view(one))[CORRELATION] == pytest.approx(1)
    monkeypatch.setattr(fidelity_module, "SAMPLE", 10**5)
    whole = fidelity(question(), view(one), view(other))
    assert whole[OVERLAP] == first[OVERLAP]
    assert whole[CORRELATION] != first[CORRELATION]
