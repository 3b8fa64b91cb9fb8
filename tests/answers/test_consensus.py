"""Consensus of several annotators: against crowd-kit, the truth of simulated crowds, and a dense reference."""

import tracemalloc
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from labelbench_ray.answers import consensus
from labelbench_ray.answers.consensus.majority import majority
from labelbench_ray.answers.consensus.one_coin import one_coin
from labelbench_ray.answers.consensus.votes import Votes
from labelbench_ray.errors import ConfigError, DataError

METHODS = [majority, one_coin]


@dataclass(frozen=True)
class Crowd:
    """Simulated votes, the true labels and how often each annotator is right."""

    rows: NDArray[np.int64]
    annotators: NDArray[np.int64]
    labels: NDArray[np.int64]
    truth_N: NDArray[np.int64]
    skills_W: NDArray[np.float64]
    classes: int

    def votes(self, order: NDArray[np.int64] | slice = slice(None)) -> Votes:
        arrays = (self.rows[order], self.annotators[order], self.labels[order])
        return Votes.of(*arrays, len(self.truth_N), self.classes)


def crowd(seed: int, rows: int = 10_000, classes: int = 10, overlap: int = 3, annotators: int = 30) -> Crowd:
    """Annotators of skill Beta(6, 2), each row answered by `overlap` of them."""
    draw = np.random.default_rng(seed)
    truth_N, skills_W = draw.integers(classes, size=rows), draw.beta(6, 2, annotators)
    who_NR = np.argsort(draw.random((rows, annotators)), axis=1)[:, :overlap]
    wrong_NR = (truth_N[:, None] + draw.integers(1, classes, size=who_NR.shape)) % classes
    labels_NR = np.where(draw.random(who_NR.shape) < skills_W[who_NR], truth_N[:, None], wrong_NR)
    return Crowd(np.repeat(np.arange(rows), overlap), who_NR.ravel(), labels_NR.ravel(), truth_N, skills_W, classes)


@pytest.fixture(scope="module")
def crowds() -> list[Crowd]:
    return [crowd(seed) for seed in range(3)]


def random_among_ties(votes: Votes, draw: np.random.Generator) -> NDArray[np.int64]:
    """The majority's labels, ties broken at random."""
    votes_NK = np.zeros((votes.num_rows, votes.num_classes))
    np.add.at(votes_NK, (votes.rows_V, votes.labels_V), 1)
    return np.argmax(votes_NK + draw.random(votes_NK.shape) / 2, axis=1)


def test_one_coin_is_two_points_better_than_majority_and_knows_how_good_it_is(crowds: list[Crowd]) -> None:
    gains, draw = [], np.random.default_rng(0)
    for each in crowds:
        votes = each.votes()
        found = one_coin(votes)
        accuracy = np.mean(found.labels_N == each.truth_N)
        gains.append(100 * (accuracy - np.mean(random_among_ties(votes, draw) == each.truth_N)))
        assert found.confidence_N.mean() == pytest.approx(accuracy, abs=0.02)
        assert found.skills_W == pytest.approx(each.skills_W, abs=0.05)
    assert np.mean(gains) >= 2.0


def test_confidence_is_calibrated_in_each_band(crowds: list[Crowd]) -> None:
    found = [one_coin(each.votes()) for each in crowds]
    confidence = np.concatenate([each.confidence_N for each in found])
    right = np.concatenate([a.labels_N == b.truth_N for a, b in zip(found, crowds, strict=True)])
    for low, high in ((0.3, 0.6), (0.6, 0.9), (0.9, 0.98), (0.98, 1.01)):
        band = (confidence >= low) & (confidence < high)
        error = 3 * np.sqrt(0.25 / band.sum())
        assert right[band].mean() == pytest.approx(confidence[band].mean(), abs=max(error, 0.02)), (low, band.sum())


def test_one_coin_agrees_with_crowd_kit(crowds: list[Crowd]) -> None:
    pandas, crowdkit = pytest.importorskip("pandas"), pytest.importorskip("crowdkit.aggregation")
    table = pandas.DataFrame({"task": crowds[0].rows, "worker": crowds[0].annotators, "label": crowds[0].labels})
    theirs = crowdkit.OneCoinDawidSkene(100).fit(table)
    ours = one_coin(crowds[0].votes())
    assert np.mean(ours.labels_N == theirs.labels_.sort_index().to_numpy()) >= 0.995
    assert ours.skills_W == pytest.approx(theirs.skills_.sort_index().to_numpy(), abs=0.02)


def dense_one_coin(votes: Votes) -> NDArray[np.float64]:
    """(N, K) the same model written down row by row and class by class."""
    by_row = [np.flatnonzero(votes.rows_V == row) for row in range(votes.num_rows)]
    posterior_NK = np.array([[np.mean(votes.labels_V[v] == k) for k in range(votes.num_classes)] for v in by_row])
    known_N = np.full(votes.num_rows, -1) if votes.known_N is None else votes.known_N
    posterior_NK[known_N >= 0] = np.eye(votes.num_classes)[known_N[known_N >= 0]]
    teaches_N = (votes.answers_N > 1) | (known_N >= 0)
    for _ in range(300):
        skills = []
        for annotator in range(votes.num_annotators):
            mine = [v for v in np.flatnonzero(votes.annotators_V == annotator) if teaches_N[votes.rows_V[v]]]
            right = sum(posterior_NK[votes.rows_V[v], votes.labels_V[v]] for v in mine)
            skills.append(max((right + 2) / (len(mine) + 3), 1 / votes.num_classes))
        for row, of_row in enumerate(by_row):
            likelihood_K = np.ones(votes.num_classes)
            for v in of_row:
                skill = skills[votes.annotators_V[v]]
                for k in range(votes.num_classes):
                    likelihood_K[k] *= skill if votes.labels_V[v] == k else (1 - skill) / (votes.num_classes - 1)
            posterior_NK[row] = likelihood_K / likelihood_K.sum()
        posterior_NK[known_N >= 0] = np.eye(votes.num_classes)[known_N[known_N >= 0]]
    return posterior_NK


@pytest.mark.parametrize("known", [0, 3, 8])
def test_one_coin_with_references_is_the_dense_model(known: int) -> None:
    each = crowd(3, rows=12, classes=4, overlap=2, annotators=5)
    known_N = np.where(np.arange(12) < known, each.truth_N, -1)
    votes = Votes.of(each.rows, each.annotators, each.labels, 12, 4, known_N)
    found, dense_NK = one_coin(votes), dense_one_coin(votes)
    assert found.posterior.probabilities_P == pytest.approx(dense_NK[votes.rows_P, votes.labels_P], abs=1e-4)
    if not known:
        assert found.confidence_N.tobytes() == one_coin(each.votes()).confidence_N.tobytes()


def test_references_make_skills_right() -> None:
    """Known labels of a third of the rows: skills come closer to the truth."""
    errors = []
    for each in (crowd(seed, rows=300, classes=4, overlap=2, annotators=15) for seed in range(5)):
        known_N = np.where(np.arange(300) % 3 == 0, each.truth_N, -1)
        votes = each.votes()
        with_gold = one_coin(Votes.of(each.rows, each.annotators, each.labels, 300, 4, known_N))
        errors.append([np.abs(found.skills_W - each.skills_W).mean() for found in (one_coin(votes), with_gold)])
    without, with_references = np.mean(errors, axis=0)
    assert with_references < 0.9 * without


def test_one_coin_is_the_dense_model() -> None:
    small = crowd(1, rows=8, classes=4, overlap=3, annotators=5).votes()
    posterior = one_coin(small).posterior
    dense_NK = dense_one_coin(small)
    assert posterior.probabilities_P == pytest.approx(dense_NK[posterior.rows_P, posterior.labels_P], abs=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_any_order_of_the_votes_gives_the_same_bytes(method: consensus.Method) -> None:
    each = crowd(5, rows=500)
    first = method(each.votes())
    for seed in range(3):
        again = method(each.votes(np.random.default_rng(seed).permutation(len(each.rows))))
        for name in ("labels_N", "confidence_N", "disputed_N", "answers_N"):
            assert getattr(first, name).tobytes() == getattr(again, name).tobytes()
        assert first.posterior.probabilities_P.tobytes() == again.posterior.probabilities_P.tobytes()


@pytest.mark.parametrize("method", METHODS)
def test_ties_are_disputed_and_rows_without_votes_have_no_label(method: consensus.Method) -> None:
    found = method(Votes.of([0, 0, 1, 1], [0, 1, 0, 1], [2, 1, 0, 0], 3, 3))
    assert found.labels_N.tolist() == [-1, 0, -1]
    assert found.disputed_N.tolist() == [True, False, False]
    assert found.confidence_N[2] == 0
    assert found.answers_N.tolist() == [2, 2, 0]


def test_majority_is_the_most_frequent_label_and_its_share() -> None:
    found = majority(Votes.of([1, 0, 0, 0, 1], [4, 0, 1, 2, 0], [1, 2, 2, 0, 1], 2, 3))
    assert found.labels_N.tolist() == [2, 1]
    assert found.confidence_N.tolist() == [2 / 3, 1]
    assert found.posterior.probabilities_P.tolist() == [1 / 3, 2 / 3, 1]


@pytest.mark.parametrize("classes", [1, 2, 77])
def test_answers_that_nobody_repeated_have_the_prior_s_confidence(classes: int) -> None:
    found = one_coin(Votes.of(np.arange(50), np.zeros(50), np.arange(50) % classes, 50, classes))
    assert (found.labels_N == np.arange(50) % classes).all()
    assert found.confidence_N == pytest.approx(2 / 3)
    assert found.skills_W is not None
    assert found.skills_W.tolist() == [pytest.approx(2 / 3)]


def test_an_annotator_at_chance_neither_decides_nor_counts_against() -> None:
    draw = np.random.default_rng(0)
    truth = draw.integers(2, size=300)
    labels = np.stack([truth, truth, draw.integers(2, size=300), 1 - truth])
    rows, annotators = np.tile(np.arange(300), 4), np.repeat(np.arange(4), 300)
    found = one_coin(Votes.of(rows, annotators, labels.ravel(), 300, 2))
    assert (found.labels_N == truth).all()
    assert found.skills_W is not None
    assert found.skills_W[3] == 0.5


def test_memory_grows_with_the_votes_not_with_rows_times_classes() -> None:
    rows = 100_000
    draw = np.random.default_rng(0)
    labels = np.repeat(draw.integers(1000, size=rows), 2)
    labels = np.where(draw.random(2 * rows) < 0.8, labels, draw.integers(1000, size=2 * rows))
    votes = Votes.of(np.repeat(np.arange(rows), 2), np.tile([0, 1], rows), labels, rows, 1000)
    tracemalloc.start()
    one_coin(votes)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 * 2 * rows  # 100 bytes a vote; one byte for each row and class would be 100 MB


def test_no_vote_at_all() -> None:
    for method in METHODS:
        assert method(Votes.of([], [], [], 2, 3)).labels_N.tolist() == [-1, -1]


@pytest.mark.parametrize(
    ("votes", "message"),
    [
        (([0], [0, 1], [0]), "shapes"),
        (([3], [0], [0]), "row 3 is out of range; it must be 0 .. 2"),
        (([0], [0], [-1]), "label -1 is out of range; it must be 0 .. 4"),
        (([0], [-2], [1]), "annotator -2 is out of range; it must be at least 0"),
        (([1, 1], [7, 7], [0, 2]), "annotator 7 has several votes on row 1; keep the latest"),
    ],
)
def test_votes_that_cannot_be(votes: tuple[list[int], ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Votes.of(*votes, 3, 5)


def test_methods_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert consensus.of("majority") is majority
    assert consensus.of("one_coin") is one_coin
    with pytest.raises(ConfigError, match="consensus: no method called 'one-coin'; did you mean 'one_coin'"):
        consensus.of("one-coin")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    hint = r"'crowdlab' needs the package 'cleanlab': pip install 'labelbench-ray\[crowd\]'"
    with pytest.raises(ConfigError, match=hint):
        consensus.of("crowdlab")
