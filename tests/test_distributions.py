"""What a view's probabilities mean: sigmoids of independent classes against plain formulas, and what is refused."""

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import entropy

from labelbench_ray import strategies, tasks
from labelbench_ray.pool.distributions import BERNOULLI, CATEGORICAL
from labelbench_ray.types import PoolView

ROWS, CLASSES = 200, 5


def arrays(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    probabilities = rng.random((ROWS, CLASSES)).astype(np.float32)
    labeled = rng.choice(ROWS, 20, replace=False)
    return rng.normal(size=(ROWS, 6)).astype(np.float32), probabilities, labeled, rng.integers(-1, 2, (20, CLASSES))


def test_sigmoids_equal_scipy_s_and_do_not_overflow():
    logits = np.array([[-200, -88, -1, 0, 1, 88, 200]], np.float32)
    np.testing.assert_allclose(BERNOULLI.of_logits(logits.copy()), expit(logits), rtol=1e-6)


def test_uncertainties_are_means_over_the_classes():
    _, probabilities, _, _ = arrays()
    exact = probabilities.astype(np.float64)
    distance = np.abs(exact - 0.5).mean(axis=1)
    np.testing.assert_allclose(BERNOULLI.least_confidence(probabilities), 0.5 - distance, rtol=1e-6)
    np.testing.assert_allclose(BERNOULLI.small_margin(probabilities), 1 - 2 * distance, rtol=1e-6)
    expected = entropy(np.stack([exact, 1 - exact])).mean(axis=1)
    np.testing.assert_allclose(BERNOULLI.entropy(probabilities), expected, rtol=1e-6)


def test_certain_answers_have_no_entropy():
    assert BERNOULLI.entropy(np.array([[0, 1], [1, 1]], np.float32)).tolist() == [0, 0]


def test_residuals_are_those_of_the_predicted_answers():
    _, probabilities, _, _ = arrays()
    np.testing.assert_allclose(BERNOULLI.residuals(probabilities), probabilities - (probabilities >= 0.5), atol=1e-7)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"probabilities": np.full((ROWS, CLASSES), 1.2, np.float32)},
            r"row 0 holds 1.2\d*; every entry must lie in 0 ",
        ),
        ({"probabilities": np.full((ROWS, CLASSES), np.nan, np.float32)}, "row 0 holds nan; every entry must lie in 0"),
        ({"probabilities": np.zeros((ROWS, CLASSES), np.int64)}, "dtype int64 must be float32"),
        ({"probabilities": np.zeros((3, CLASSES), np.float32)}, r"shape \(3, 5\) must be \(200, K\)"),
        ({"labels": np.zeros(20, np.int64)}, r"labels: shape \(20,\) must be \(20, 5\), a row for each labeled id"),
        ({"labels": np.full((20, CLASSES), 2)}, r"labels: 2 must be 1, 0 or -1 \(unknown\)"),
        ({"labels": np.zeros((20, CLASSES))}, "labels: dtype float64 must be an integer one"),
        ({"labeled": np.zeros(20, np.int64)}, "id 0 is repeated"),
    ],
)
def test_a_view_of_independent_classes_refuses_what_it_cannot_be(change: dict[str, np.ndarray], message: str):
    names = ("embeddings", "probabilities", "labeled", "labels")
    with pytest.raises(ValueError, match=message):
        PoolView.from_multi_label(**(dict(zip(names, arrays(), strict=True)) | change))


def test_a_view_states_whether_its_classes_are_independent():
    embeddings, probabilities, labeled, labels = arrays()
    view = PoolView.from_multi_label(embeddings, probabilities, labeled, labels)
    assert view.distribution == BERNOULLI
    assert view.labels_L.shape == (20, CLASSES)
    np.testing.assert_array_equal(view.probabilities(np.arange(ROWS)), probabilities)
    single = PoolView.from_arrays(embeddings, probabilities / probabilities.sum(axis=1, keepdims=True), [], [])
    assert single.distribution == CATEGORICAL


@pytest.mark.parametrize(
    ("name", "score"),
    [
        ("confidence", lambda p: np.abs(p - 0.5).mean(axis=1)),
        ("margin", lambda p: np.abs(p - 0.5).mean(axis=1)),
        ("entropy", lambda p: -entropy(np.stack([p, 1 - p])).mean(axis=1)),
    ],
)
def test_row_strategies_choose_the_least_certain_rows(name: str, score):
    embeddings, probabilities, labeled, labels = arrays()
    view = PoolView.from_multi_label(embeddings, probabilities, labeled, labels)
    chosen = strategies.create(name).select(view, 10, np.random.default_rng(0))
    order = [row for row in np.argsort(score(probabilities.astype(np.float64))) if row not in labeled]
    assert chosen.tolist() == order[:10]


def test_badge_begins_with_the_row_of_the_longest_gradient():
    embeddings, probabilities, labeled, labels = arrays()
    view = PoolView.from_multi_label(embeddings, probabilities, labeled, labels)
    chosen = strategies.create("badge").select(view, 10, np.random.default_rng(0))
    residuals = probabilities - (probabilities >= 0.5)
    lengths = np.linalg.norm(residuals, axis=1) * np.linalg.norm(embeddings, axis=1)
    assert chosen[0] == np.argmax(np.where(np.isin(np.arange(ROWS), labeled), -1, lengths))


SERVING = [
    *("badge", "confidence", "coreset", "entropy", "kmeans", "margin", "max_herding", "most_likely_positive", "random"),
    *("tailor", "typiclust", "uniform_mixture"),
]


def test_the_strategies_that_serve_several_labels_are_those_of_the_docs():
    assert tasks.serving(strategies.Strategy, strategies.PACKAGE, ["multi_label"]) == SERVING


@pytest.mark.parametrize("name", SERVING)
@pytest.mark.parametrize("labeled", [0, 20])
def test_strategies_that_serve_several_labels_keep_the_laws(name: str, labeled: int):
    rows = 9000  # three blocks, so that shards are cut
    rng = np.random.default_rng(1)
    embeddings, probabilities = rng.normal(size=(rows, 6)).astype(np.float32), rng.random((rows, 4), np.float32)
    bought = rng.choice(rows, labeled, replace=False)
    labels = rng.integers(-1, 2, (labeled, 4))

    def choose(order: np.ndarray, shards: int) -> np.ndarray:
        view = PoolView.from_multi_label(embeddings[order], probabilities[order], bought, labels, shards, ids=order)
        return strategies.create(name).select(view, 12, np.random.default_rng(0))

    chosen = choose(np.arange(rows), 1)
    assert len(np.unique(chosen)) == 12
    assert not np.isin(chosen, bought).any()
    np.testing.assert_array_equal(choose(np.arange(rows), 3), chosen)
    np.testing.assert_array_equal(choose(rng.permutation(rows), 2), chosen)


@pytest.mark.parametrize("name", sorted(set(strategies.names()) - set(SERVING)))
def test_every_other_strategy_refuses_independent_classes_and_names_those_that_fit(name: str):
    embeddings, probabilities, labeled, labels = arrays()
    view = PoolView.from_multi_label(embeddings, probabilities, labeled, labels)
    settings = {"power": {"strategy": "margin"}}.get(name, {})
    with pytest.raises(ValueError, match=f"classes of this one are independent; use one of: {', '.join(SERVING)}"):
        strategies.create(name, **settings).select(view, 5, np.random.default_rng(0), ask=lambda ids: ids * 0)
