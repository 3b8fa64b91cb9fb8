"""Each kind of label noise against its law, at 10,000 rows: rates and transition matrices within 3 sigma."""

import json
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import softmax

from labelbench_ray import corrupters, plugins
from labelbench_ray.config import Trial, vary
from labelbench_ray.corrupters import TruePool
from labelbench_ray.corrupters._reference_probe import confusions, fitted_probe
from labelbench_ray.corrupters.annotators import Annotators
from labelbench_ray.corrupters.instance_dependent import flip_probabilities
from labelbench_ray.errors import ConfigError, DataError
from labelbench_ray.plugins import Part
from labelbench_ray.trial import parts

ROWS = 10_000
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
MATRIX = [[0.7, 0.2, 0.1], [0.05, 0.9, 0.05], [0.0, 0.5, 0.5]]


def make(name: str, **settings: object) -> corrupters.Corrupter:
    return plugins.build(corrupters.Corrupter, corrupters.PACKAGE, Part.of(name, **settings))


def a_pool(classes: tuple[str, ...] = CIFAR10, seed: int = 0, rows: int = ROWS) -> TruePool:
    """Classes of different sizes, whose embeddings overlap."""
    rng = np.random.default_rng(7)
    labels = np.minimum(rng.integers(0, len(classes) + 3, rows), len(classes) - 1)
    centers = rng.normal(size=(len(classes), 16))
    return TruePool(
        labels, classes, seed, embeddings=(centers[labels] + rng.normal(size=(rows, 16))).astype(np.float16)
    )


def counted(true: NDArray[np.int64], answers: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    found = np.zeros((classes, classes))
    np.add.at(found, (true, answers), 1)
    return found


def within_three_sigma(counts: NDArray[np.float64], matrix: NDArray[np.float64]) -> None:
    """Every entry of a row of counts is binomial; one with probability 0 never occurs."""
    rows = counts.sum(axis=1, keepdims=True)
    sigma = np.sqrt(rows * matrix * (1 - matrix))
    assert (np.abs(counts - rows * matrix) <= 3 * sigma + 1e-9).all()


def asymmetric(rate: float) -> NDArray[np.float64]:
    matrix = np.eye(10)
    for label, answer in ((9, 1), (2, 0), (4, 7), (3, 5), (5, 3)):
        matrix[label, label], matrix[label, answer] = 1 - rate, rate
    return matrix


def pair_flip(rate: float) -> NDArray[np.float64]:
    matrix = np.eye(10) * (1 - rate)
    for label in range(10):
        matrix[label, (label + 1) % 10] = rate
    return matrix


@pytest.mark.parametrize(
    ("name", "settings", "classes", "matrix"),
    [
        ("class_conditional", {"matrix": MATRIX}, ("a", "b", "c"), np.array(MATRIX)),
        ("pair_flip", {"rate": 0.2}, CIFAR10, pair_flip(0.2)),
        ("pair_flip", {"rate": 0.45}, CIFAR10, pair_flip(0.45)),
        ("asymmetric", {"rate": 0.4}, CIFAR10, asymmetric(0.4)),
        (
            "asymmetric",
            {"rate": 0.3, "flips": {"c": "a"}},
            ("a", "b", "c"),
            np.array([[1, 0, 0], [0, 1, 0], [0.3, 0, 0.7]]),
        ),
    ],
)
def test_the_transition_matrix_is_recovered(name: str, settings: dict, classes: tuple[str, ...], matrix: np.ndarray):
    pool = a_pool(classes)
    found = counted(pool.labels_N, make(name, **settings).answers(pool), len(classes))
    within_three_sigma(found, matrix)


@pytest.mark.parametrize("rate", [0.0, 0.2, 0.4])
def test_instance_dependent_noise_has_its_rate_and_flips_to_the_runner_up_alone(rate: float):
    pool = a_pool()
    answers, (runner_up, log_ease) = make("instance_dependent", rate=rate).answers(pool), confusions(pool)
    flipped = answers != pool.labels_N
    probabilities = flip_probabilities(log_ease, rate)
    assert probabilities.mean() == pytest.approx(rate, abs=1e-6)
    assert abs(flipped.sum() - ROWS * rate) <= 3 * np.sqrt((probabilities * (1 - probabilities)).sum())
    assert (runner_up != pool.labels_N).all()
    np.testing.assert_array_equal(answers[flipped], runner_up[flipped])


def test_instance_dependent_noise_is_proportional_to_one_less_the_margin():
    """The margin is computed here from the probe's own probabilities; rows are counted by tenths of their ease."""
    pool = a_pool()
    probe = fitted_probe(pool)
    probabilities = softmax(probe.scores(np.asarray(pool.embeddings, np.float32)) / probe.temperature, axis=1)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    rows = np.arange(ROWS)
    others = probabilities.copy()
    others[rows, pool.labels_N] = -1
    ease = 1 - probabilities[rows, pool.labels_N] + others.max(axis=1)
    law = flip_probabilities(np.log(ease), 0.2)
    below = law < 1
    assert 0.9 < below.mean() < 1, "some rows are cut off at 1"
    np.testing.assert_allclose((law / ease)[below], (law / ease)[0])
    flipped = make("instance_dependent", rate=0.2).answers(pool) != pool.labels_N
    for tenth in np.array_split(np.argsort(ease), 10):
        assert abs(flipped[tenth].sum() - law[tenth].sum()) <= 3 * np.sqrt((law[tenth] * (1 - law[tenth])).sum())


@pytest.mark.parametrize("rate", [0.2, 0.4, 0.8])
@pytest.mark.parametrize("distance", [6.0, 30.0])
def test_the_rate_is_reached_however_well_classes_separate(distance: float, rate: float):
    """The probe is so sure here that 1 less the margin, computed by subtraction, is exactly 0 for most rows."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 4000)
    embeddings = (rng.normal(size=(10, 64)) * distance / 4)[labels] + rng.normal(size=(4000, 64))
    pool = TruePool(labels, CIFAR10, 3, embeddings=embeddings.astype(np.float16))
    _, log_ease = confusions(pool)
    assert np.isfinite(log_ease).all()
    assert flip_probabilities(log_ease, rate).mean() == pytest.approx(rate, abs=1e-6)
    wrong = (make("instance_dependent", rate=rate).answers(pool) != labels).mean()
    assert wrong == pytest.approx(rate, abs=3 * np.sqrt(rate * (1 - rate) / 4000))


def test_a_rate_that_cannot_be_reached_is_refused_with_the_one_that_can():
    pool = TruePool(np.zeros(50, np.int64), ("alone",), embeddings=np.ones((50, 2), np.float16))
    with pytest.raises(DataError, match=r"rate=0.2 cannot be reached with these embeddings, only 0.000; use a smaller"):
        make("instance_dependent", rate=0.2).answers(pool)


def test_the_reference_probe_knows_the_classes_and_is_the_same_anywhere():
    pool = a_pool()
    probe = fitted_probe(pool)
    right = probe.scores(np.asarray(pool.embeddings, np.float32)).argmax(axis=1) == pool.labels_N
    assert right.mean() > 0.85  # classes overlap
    again = fitted_probe(a_pool(seed=5))
    np.testing.assert_array_equal(probe.weight_DK, again.weight_DK)
    assert probe.temperature == again.temperature


def test_rows_that_the_probe_is_given_are_those_of_the_labels():
    """A pool of which some rows have no class: their embeddings are left out with them."""
    pool = a_pool()
    kept = np.flatnonzero(pool.labels_N != 3)
    part = TruePool(pool.labels_N[kept], pool.classes, 0, kept, pool.embeddings)
    alone = TruePool(pool.labels_N[kept], pool.classes, 0, None, np.asarray(pool.embeddings)[kept])
    noise = make("instance_dependent")
    np.testing.assert_array_equal(noise.answers(part), noise.answers(alone))


def test_annotators_have_the_rates_and_confusions_of_their_panel():
    pool, noise = a_pool(), Annotators(annotators=4, ability=0.7, ability_concentration=5)
    matrices = noise.panel(pool).matrices()
    np.testing.assert_allclose(matrices.sum(axis=2), 1)
    within_three_sigma(counted(pool.labels_N, noise.answers(pool), 10), matrices.mean(axis=0))


@pytest.mark.parametrize("votes", [1, 3])
def test_annotators_answer_each_row_as_its_own_draw_states(votes: int):
    labels = np.random.default_rng(0).integers(0, 50, 5000)
    pool = TruePool(labels, tuple(map(str, range(50))), 3)
    wanted = np.empty_like(labels)
    noise = Annotators(votes=votes)
    for time in range(votes):
        panel = noise.panel(pool)
        who = (noise.stream(pool, purpose="assignment").integers(5, size=5000) + time) % 5
        draws, matrices = noise.stream(pool, time).random(5000), panel.matrices()
        for row in range(5000):
            cumulative = matrices[who[row], labels[row]].cumsum()
            wanted[row] = np.searchsorted(cumulative / cumulative[-1], draws[row], side="right")
        np.testing.assert_array_equal(noise.asked(pool, time), wanted)


def test_abilities_follow_their_beta_distribution():
    noise = Annotators(annotators=2000, ability=0.8, ability_concentration=10)
    abilities = noise.panel(a_pool(rows=10)).abilities_W
    spread = np.sqrt(0.8 * 0.2 / 11)
    assert abs(abilities.mean() - 0.8) <= 3 * spread / np.sqrt(2000)
    assert abilities.std() == pytest.approx(spread, rel=0.1)


def test_an_annotator_asked_again_may_answer_otherwise_and_is_another_one():
    """Two asks agree as often as two annotators of the panel do who answer independently."""
    pool, noise = a_pool(), Annotators(annotators=3, ability=0.6)
    first, second = noise.asked(pool, 0), noise.asked(pool, 1)
    matrices = noise.panel(pool).matrices()
    pairs = [(matrices[who] * matrices[(who + 1) % 3]).sum(axis=1) for who in range(3)]
    agree = np.mean(pairs, axis=0)[pool.labels_N]
    assert abs((first == second).sum() - agree.sum()) <= 3 * np.sqrt((agree * (1 - agree)).sum())
    np.testing.assert_array_equal(first, noise.asked(pool, 0))


def test_votes_of_several_annotators_are_better_than_one_and_ties_go_to_the_earliest():
    pool = a_pool()
    errors = [
        (Annotators(annotators=5, ability=0.7, votes=votes).answers(pool) != pool.labels_N).mean()
        for votes in (1, 2, 5)
    ]
    assert errors[2] < 0.6 * errors[0]
    assert errors[1] == errors[0], "of two votes that differ the first counts"


NOISES: dict[str, Callable[..., corrupters.Corrupter]] = {
    "uniform_noise": lambda **fixed: make("uniform_noise", fraction=0.3, **fixed),
    "class_conditional": lambda **fixed: make(
        "class_conditional", matrix=(np.full((10, 10), 0.02) + 0.8 * np.eye(10)).tolist(), **fixed
    ),
    "pair_flip": lambda **fixed: make("pair_flip", **fixed),
    "asymmetric": lambda **fixed: make("asymmetric", **fixed),
    "instance_dependent": lambda **fixed: make("instance_dependent", **fixed),
    "annotators": lambda **fixed: make("annotators", **fixed),
}


@pytest.mark.parametrize("name", NOISES)
def test_noise_is_another_for_every_seed_of_the_trial_unless_it_is_fixed(name: str):
    one, other = a_pool(seed=1), a_pool(seed=2)
    assert (NOISES[name]().answers(one) != NOISES[name]().answers(other)).any()
    fixed = NOISES[name](seed=321)
    np.testing.assert_array_equal(fixed.answers(one), fixed.answers(other))
    assert (fixed.answers(one) != one.labels_N).any()


def test_every_kind_of_noise_is_tried_here():
    assert set(NOISES) | {"clean"} == set(plugins.names(corrupters.PACKAGE))


def test_seed_321_flips_the_rows_that_labelbench_flips():
    """NumPy's generator of that seed: rows without replacement, then a shift of 1 .. K-1 for each."""
    pool, rng = a_pool(), np.random.default_rng(321)
    rows = rng.choice(ROWS, 1000, replace=False)
    expected = pool.labels_N.copy()
    expected[rows] = (expected[rows] + rng.integers(1, 10, 1000)) % 10
    np.testing.assert_array_equal(make("uniform_noise", seed=321).answers(pool), expected)


def test_trials_with_the_seed_of_version_1_keep_a_fingerprint_of_their_own():
    base = Trial(dataset="digits", encoder="pixels", strategy="random", seed=0, rounds=1, budget=5)
    noisy = {
        fixed: parts.build(vary(base, corrupter=Part.of("uniform_noise", **fixed_settings)))
        for fixed, fixed_settings in {"per trial": {}, "fixed": {"seed": 321}}.items()
    }
    recipes = {what: plugins.recipe("uniform_noise", built.corrupter) for what, built in noisy.items()}
    assert {recipe["version"] for recipe in recipes.values()} == {2}
    assert len({built.fingerprint for built in noisy.values()}) == 2
    assert "321" not in json.dumps(recipes["per trial"])


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("class_conditional", {"matrix": [[0.5, 0.4], [0, 1]]}, "matrix: row 0 sums to 0.9; divide it by its sum"),
        ("class_conditional", {"matrix": [[1.0], [0, 1]]}, "matrix: row 0 has 1 entries, and there are 2 rows"),
        ("class_conditional", {"matrix": [[1.5, -0.5], [0, 1]]}, "matrix"),
        ("class_conditional", {}, "matrix"),
        ("asymmetric", {"flips": {"cat": "cat"}}, "flips: 'cat' is taken for itself; name two classes"),
        ("asymmetric", {"flips": {}}, "flips: no class is named"),
        ("asymmetric", {"flips": "cifar100"}, "flips"),
        ("annotators", {"annotators": 2, "votes": 3}, "votes: 3 is more than annotators=2"),
        ("pair_flip", {"rate": 1.5}, r"rate: .* \(was 1.5\)"),
    ],
)
def test_settings_that_cannot_be_are_refused(name: str, settings: dict, message: str):
    with pytest.raises(ConfigError, match=message):
        make(name, **settings)


@pytest.mark.parametrize(
    ("noise", "message"),
    [
        (make("class_conditional", matrix=MATRIX), "matrix: 3 rows, and the data set has 10 classes; give one row"),
        (make("asymmetric", flips={"cat": "hound"}), "flips: no class called 'hound'.*have: airplane, automobile"),
    ],
)
def test_classes_that_do_not_fit_are_refused(noise: corrupters.Corrupter, message: str):
    with pytest.raises(ConfigError, match=message):
        noise.check(CIFAR10)
    with pytest.raises(ConfigError, match=message):
        noise.answers(a_pool())


def test_noise_that_needs_embeddings_refuses_labels_alone():
    with pytest.raises(ConfigError, match="depends on embeddings, and only labels are given"):
        make("instance_dependent").corrupt(np.arange(10) % 2, 2)
