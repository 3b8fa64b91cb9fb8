"""BAIT against its definition: explicit Fisher matrices, direct inverses, one pick at a time, in float64."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as draw
from scipy import stats

from labelbench_ray import strategies
from labelbench_ray.strategies import _bait_scalar
from labelbench_ray.strategies._bait_ahead import Candidates, Inverse, inverse_root, pick_ahead
from labelbench_ray.strategies._bait_design import Design, factors, information, uncertainty
from labelbench_ray.strategies._ranking import tie_hash
from labelbench_ray.types import BLOCK_ROWS, PoolView
from tests.samples import Pool, make_pool

RIDGE = 1e-2
both = pytest.mark.parametrize("fisher", ["scalar", "exact"])


def choose(view: PoolView, budget: int, seed: int = 0, **given: object) -> np.ndarray:
    return strategies.create("bait", **given).select(view, budget, np.random.default_rng(seed))


def as_given(pool: Pool) -> tuple[np.ndarray, np.ndarray]:
    """Features and probabilities in float64."""
    p = pool.probabilities.astype(np.float64)
    return pool.embeddings.astype(np.float64), p / p.sum(axis=1, keepdims=True)


def row_information(pool: Pool, fisher: str) -> np.ndarray:
    """One explicit matrix a row, from the paper's formula."""
    h, p = as_given(pool)
    outer = h[:, :, None] * h[:, None, :]
    if fisher == "scalar":
        return (1 - (p**2).sum(axis=1))[:, None, None] * outer
    classes = np.eye(p.shape[1]) * p[:, :, None] - p[:, :, None] * p[:, None, :]
    return np.stack([np.kron(one, other) for one, other in zip(classes, outer, strict=True)])


class Definition:
    """The published objective with explicit matrices."""

    def __init__(self, pool: Pool, budget: int, fisher: str, ridge: float = RIDGE) -> None:
        self.rows = row_information(pool, fisher)
        self.target = self.rows.mean(axis=0)
        labeled = len(pool.labeled)
        self.start = np.eye(len(self.target)) * ridge * np.trace(self.target) / len(self.target)
        self.start = self.start + self.rows[pool.labeled].sum(axis=0) / (labeled + budget)
        self.scale = budget / (labeled + budget)

    def matrix(self, chosen: list[int] | np.ndarray) -> np.ndarray:
        return self.start + self.scale * self.rows[np.asarray(chosen, np.int64)].sum(axis=0)

    def objective(self, chosen: list[int] | np.ndarray) -> float:
        return self.objectives(self.matrix(chosen)[None])[0]

    def objectives(self, matrices: np.ndarray) -> np.ndarray:
        return np.einsum("nij,ji->n", np.linalg.inv(matrices), self.target)

    def forward(self, open_rows: np.ndarray, count: int) -> list[int]:
        chosen: list[int] = []
        for _ in range(count):
            rest = np.setdiff1d(open_rows, chosen)
            values = self.objectives(self.matrix(chosen) + self.scale * self.rows[rest])
            chosen.append(int(rest[values.argmin()]))
        return chosen

    def backward(self, chosen: list[int], count: int) -> list[int]:
        kept = list(chosen)
        for _ in range(count):
            values = self.objectives(self.matrix(kept) - self.scale * self.rows[kept])
            del kept[int(values.argmin())]
        return kept


def plain_greedy(pool: Pool, budget: int) -> tuple[list[int], list[int]]:
    """Forward and final picks of the scalar objective, with a fresh inverse at every pick."""
    h, p = as_given(pool)
    u = 1 - (p**2).sum(axis=1)
    target = (h * u[:, None]).T @ h / len(h)
    matrix = RIDGE * np.trace(target) / len(target) * np.eye(len(target))
    labeled = pool.labeled
    matrix += (h[labeled] * u[labeled, None]).T @ h[labeled] / (len(labeled) + budget)
    w = u * budget / (len(labeled) + budget)

    def best(rows: np.ndarray, sign: int) -> int:
        inverse = np.linalg.inv(matrix)
        s = np.einsum("nd,de,ne->n", h[rows], inverse, h[rows])
        t = np.einsum("nd,de,ne->n", h[rows], inverse @ target @ inverse, h[rows])
        return int(rows[(sign * w[rows] * t / (1 + sign * w[rows] * s)).argmax()])

    forward: list[int] = []
    for _ in range(2 * budget):
        forward.append(best(np.setdiff1d(pool.unlabeled, forward), 1))
        matrix += w[forward[-1]] * np.outer(h[forward[-1]], h[forward[-1]])
    kept = list(forward)
    for _ in range(budget):
        worst = best(np.array(kept), -1)
        matrix -= w[worst] * np.outer(h[worst], h[worst])
        kept.remove(worst)
    return forward, kept


@both
@pytest.mark.parametrize("labeled", [0, 8])
@pytest.mark.parametrize("seed", range(4))
def test_is_the_published_forward_backward_greedy(fisher: str, labeled: int, seed: int):
    pool = make_pool(40, classes=3, dimensions=3, labeled=labeled, seed=seed)
    definition = Definition(pool, 5, fisher)
    forward = definition.forward(pool.unlabeled, 10)
    np.testing.assert_array_equal(choose(pool.view(), 5, fisher=fisher), definition.backward(forward, 5))
    np.testing.assert_array_equal(
        choose(pool.view(), 10, fisher=fisher, oversample=1), Definition(pool, 10, fisher).forward(pool.unlabeled, 10)
    )


@both
@settings(max_examples=30, deadline=None)
@given(data=draw.data())
def test_each_pick_lowers_the_objective_most_and_each_removal_raises_it_least(fisher: str, data: draw.DataObject):
    """By values of the objective, so that ties may fall either way."""
    rows, labeled = data.draw(draw.integers(6, 25), "rows"), data.draw(draw.integers(0, 4), "labeled")
    pool = make_pool(
        rows, data.draw(draw.integers(2, 4)), data.draw(draw.integers(1, 4)), labeled, data.draw(draw.integers(0, 999))
    )
    budget = data.draw(draw.integers(1, rows - labeled), "budget")
    definition = Definition(pool, budget, fisher)
    forward = choose(pool.view(), budget, fisher=fisher, oversample=1)
    values = [definition.objective(forward[:count]) for count in range(budget + 1)]
    for count, (before, after) in enumerate(pairwise(values)):
        rest = np.setdiff1d(pool.unlabeled, forward[:count])
        best = definition.objectives(definition.matrix(forward[:count]) + definition.scale * definition.rows[rest])
        assert after <= before
        assert after == pytest.approx(best.min(), rel=1e-6)
    count = min(2 * budget, rows - labeled)
    published = definition.backward(definition.forward(pool.unlabeled, count), count - budget)
    kept = choose(pool.view(), budget, fisher=fisher)
    assert definition.objective(kept) == pytest.approx(definition.objective(published), rel=1e-5)


@pytest.mark.parametrize("labeled", [0, 60])
@pytest.mark.parametrize("shards", [1, 2])
def test_picking_ahead_gives_the_plain_greedy_picks(labeled: int, shards: int, monkeypatch: pytest.MonkeyPatch):
    """With few candidates, so that the other rows often find a better one and the picks after it are given up."""
    pool = make_pool(BLOCK_ROWS + 900, classes=5, dimensions=12, labeled=labeled, seed=3)
    monkeypatch.setattr(_bait_scalar, "LEADING", 40)
    monkeypatch.setattr(_bait_scalar, "OTHERS", 5)
    given_up, check = [], _bait_scalar._check

    def counted(*arguments):
        steps, terms = check(*arguments)
        given_up.append(len(arguments[4].places_J) - len(steps.places_J))
        return steps, terms

    monkeypatch.setattr(_bait_scalar, "_check", counted)
    forward, kept = plain_greedy(pool, 60)
    np.testing.assert_array_equal(choose(pool.view(shards), 60), kept)
    assert np.count_nonzero(given_up) > 3
    assert np.count_nonzero(np.equal(given_up, 0)) > 3
    pool_of_120 = Definition(pool, 120, "scalar")
    ahead = choose(pool.view(shards), 120, oversample=1)
    monkeypatch.setattr(_bait_scalar, "LEADING", BLOCK_ROWS)
    np.testing.assert_array_equal(ahead, choose(pool.view(shards), 120, oversample=1))
    assert pool_of_120.objective(ahead) < pool_of_120.objective(forward[:100])


@pytest.mark.parametrize("shards", [1, 2])
def test_rows_whose_gains_are_known_badly_are_evaluated_exactly(shards: int, monkeypatch: pytest.MonkeyPatch):
    """Errors of 0.3 % in what all rows know, more than float32 leaves at D = 1,280, change no pick."""
    pool = make_pool(BLOCK_ROWS + 900, classes=5, dimensions=12, labeled=60, seed=3)
    monkeypatch.setattr(_bait_scalar, "LEADING", 40)
    monkeypatch.setattr(_bait_scalar, "OTHERS", 5)
    errors, known = 3e-3 * np.random.default_rng(0).uniform(-1, 1, len(pool.embeddings)), _bait_scalar._known

    def with_errors(view, rows, open_rows, both):
        found = known(view, rows, open_rows, both)
        pull = found.terms.pull_U * (1 + errors[rows.ids_U])
        return replace(found, terms=replace(found.terms, pull_U=pull))

    monkeypatch.setattr(_bait_scalar, "_known", with_errors)
    _, kept = plain_greedy(pool, 60)
    np.testing.assert_array_equal(choose(pool.view(shards), 60), kept)


def test_errors_of_what_all_rows_know_stay_below_the_measured_one(monkeypatch: pytest.MonkeyPatch):
    """Of rows outside the candidates, before and after each check; they exceed what float32 leaves of fresh terms."""
    rng = np.random.default_rng(0)
    features = (rng.normal(size=(3000, 200)) * np.logspace(0, -1.5, 200)).astype(np.float32)
    probabilities = rng.dirichlet(np.ones(5), 3000).astype(np.float32)
    monkeypatch.setattr(_bait_scalar, "LEADING", 500)
    shares, drifts, check = [], [], _bait_scalar._check

    def advanced(inverse, steps):
        moved = inverse.inverse_DD - steps.sign * steps.v_JD.T @ steps.v_JD
        return Inverse(moved, moved @ np.linalg.solve(inverse.inverse_DD, inverse.pulling_DD))

    def noted(view, rows, terms, outside, steps, error, inverse):
        kept, after = check(view, rows, terms, outside, steps, error, inverse)
        places = np.flatnonzero(outside)
        others = _bait_scalar._candidates(view, rows, places, inverse, None)
        pairs = ((others, terms), (_bait_scalar._candidates(view, rows, places, advanced(inverse, kept), None), after))
        shares.extend(np.abs(known.gains()[places] - exact.gains()).max() / error for exact, known in pairs)
        drifts.append(np.abs(terms.gains()[places] - others.gains()).max() / abs(steps.gains_J[0]))
        return kept, after

    monkeypatch.setattr(_bait_scalar, "_check", noted)
    choose(PoolView.from_arrays(features, probabilities, [], []), 150, oversample=1)
    assert max(shares) < 1
    assert max(drifts) > 10 * _bait_scalar.ROUNDING


def test_what_all_rows_know_stays_right_while_gains_fall_by_orders_of_magnitude(monkeypatch: pytest.MonkeyPatch):
    """s and t after updates by float32 products, against direct inverses, in units of the gains that they decide."""
    pool = make_pool(3000, classes=5, dimensions=20, labeled=0)
    h, p = as_given(pool)
    monkeypatch.setattr(_bait_scalar, "LEADING", 500)
    seen, check = [], _bait_scalar._check

    def noted(view, rows, terms, outside, steps, *exact):
        kept, after = check(view, rows, terms, outside, steps, *exact)
        seen.append((terms, outside, rows.weights_U, steps.gains_J, kept.places_J))
        return kept, after

    monkeypatch.setattr(_bait_scalar, "_check", noted)
    choose(pool.view(), 600, oversample=1)
    assert seen[0][3][0] > 1e3 * seen[-1][3][-1]
    design = information(pool.view(), exact=False).design(RIDGE, labeled=0, budget=600)
    for terms, outside, weights, gains, places in seen:
        inverse = np.linalg.inv(design.matrix_EE)
        s = np.einsum("nd,de,ne->n", h, inverse, h)
        t = np.einsum("nd,de,ne->n", h, inverse @ design.target_EE @ inverse, h)
        np.testing.assert_allclose(weights, 1 - (p**2).sum(axis=1), rtol=1e-5, atol=1e-12)
        right = weights * t / (1 + weights * s)
        np.testing.assert_allclose(terms.gains()[outside], right[outside], rtol=0, atol=1e-5 * gains[0])
        design = design.plus((h[places].T * weights[places]) @ h[places])


@pytest.mark.parametrize("sign", [1, -1])
def test_what_picks_do_to_the_inverse_and_to_candidates_is_that_of_the_design_with_them(sign: int):
    rng = np.random.default_rng(0)
    features, weights = rng.normal(size=(90, 7)), sign * rng.uniform(0.01, 0.1, size=90)
    root = rng.normal(size=(7, 7))
    design = Design(root @ root.T, 40 * np.eye(7))
    inverse = Inverse.of(inverse_root(design), root)
    places = np.arange(100, 190)
    candidates = Candidates.of(places, weights, tie_hash(0, places), features, inverse)
    for ahead in (1, 50, 8):
        picks = pick_ahead(candidates, inverse, ahead, 0.0).until(40)
        taken = features[picks.steps.places_J - 100]
        before, design = design, design.plus((taken.T * weights[picks.steps.places_J - 100]) @ taken)
        inverse, candidates = inverse.after(picks), candidates.after(picks)
        fresh = Inverse.of(inverse_root(design), root)
        np.testing.assert_allclose(inverse.inverse_DD, fresh.inverse_DD, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(candidates.pulled_CD, features @ fresh.inverse_DD @ root, rtol=1e-9, atol=1e-12)
        fall = np.trace((np.linalg.inv(before.matrix_EE) - fresh.inverse_DD) @ design.target_EE)
        assert picks.steps.gains_J.sum() == pytest.approx(fall, rel=1e-9)


@settings(max_examples=50, deadline=None)
@given(seed=draw.integers(0, 10_000), sign=draw.sampled_from([1, -1]))
def test_a_gain_is_the_fall_of_the_objective(seed: int, sign: int):
    rng = np.random.default_rng(seed)
    rows, weight = rng.normal(size=(8, 4)), rng.uniform(0.1, 2)
    matrix, target = rows.T @ rows + np.eye(4), np.cov(rng.normal(size=(9, 4)).T)
    h, inverse = rows[0] / np.sqrt(weight), np.linalg.inv(rows.T @ rows + np.eye(4))
    whole, pull = 1 + sign * weight * h @ inverse @ h, sign * weight * h @ inverse @ target @ inverse @ h
    found = _bait_scalar.Terms(np.array([whole]), np.array([pull])).gains()
    moved = np.linalg.inv(matrix + sign * weight * np.outer(h, h))
    assert found[0] == pytest.approx(np.trace((inverse - moved) @ target), rel=1e-8)


def test_with_two_classes_scalar_and_exact_are_the_same_design():
    """diag p - p p^T has one direction then. The mean diagonal entry is half as large in twice the dimensions."""
    pool = make_pool(300, classes=2, dimensions=5, labeled=10)
    scalar = choose(pool.view(), 20, ridge=0.01)
    np.testing.assert_array_equal(choose(pool.view(), 20, ridge=0.02, fisher="exact"), scalar)


@both
def test_what_a_wrapper_leaves_out_is_not_chosen_and_not_aimed_at(fisher: str):
    pool = make_pool(200, classes=3, dimensions=3, labeled=10)
    kept = pool.unlabeled[::3]
    rows = np.sort(np.concatenate([pool.labeled, kept]))
    smaller = PoolView.from_arrays(pool.embeddings[rows], pool.probabilities[rows], pool.labeled, pool.labels, ids=rows)
    chosen = choose(pool.view().only(kept), 8, fisher=fisher)
    assert np.isin(chosen, kept).all()
    np.testing.assert_array_equal(chosen, choose(smaller, 8, fisher=fisher))


@pytest.mark.parametrize("exact", [False, True])
def test_sums_of_information_have_the_same_bits_on_any_number_of_shards(exact: bool):
    pool = make_pool(6 * BLOCK_ROWS - 5, classes=3, dimensions=4, labeled=70)
    one, *more = (information(pool.view(shards), exact) for shards in (1, 2, 3, 6))
    rows = row_information(pool, "exact" if exact else "scalar")
    np.testing.assert_allclose(one.open_EE, rows[pool.unlabeled].sum(axis=0), rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(one.labeled_EE, rows[pool.labeled].sum(axis=0), rtol=1e-5, atol=1e-5)
    for other in more:
        np.testing.assert_array_equal(one.open_EE, other.open_EE)
        np.testing.assert_array_equal(one.labeled_EE, other.labeled_EE)
        assert one.rows == other.rows == len(rows)


@both
def test_chooses_the_same_on_any_number_of_shards_and_in_any_order(fisher: str):
    pool = make_pool(2 * BLOCK_ROWS + 77, classes=3, dimensions=3, labeled=20)
    order = np.random.default_rng(1).permutation(len(pool.embeddings))
    shuffled = PoolView.from_arrays(
        pool.embeddings[order], pool.probabilities[order], pool.labeled, pool.labels, ids=order
    )
    one = choose(pool.view(), 6, fisher=fisher)
    np.testing.assert_array_equal(one, choose(pool.view(3), 6, fisher=fisher))
    np.testing.assert_array_equal(one, choose(shuffled, 6, fisher=fisher))


@both
@pytest.mark.parametrize("labeled", [0, 10])
def test_rows_without_information_come_last(fisher: str, labeled: int):
    pool = make_pool(60, classes=3, dimensions=3, labeled=labeled)
    certain = np.eye(3, dtype=np.float32)[pool.truth]
    probabilities = np.where(np.arange(60)[:, None] % 2, certain, pool.probabilities)
    informative = np.setdiff1d(np.arange(0, 60, 2), pool.labeled)
    chosen = choose(replace(pool, probabilities=probabilities).view(), len(informative) + 3, fisher=fisher)
    assert np.isin(informative, chosen).all()


@both
def test_rows_that_tie_beyond_the_candidates_are_chosen_uniformly(fisher: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_bait_scalar, "LEADING", 12)
    monkeypatch.setattr(_bait_scalar, "OTHERS", 4)
    pool = make_pool(2, classes=3, dimensions=4, labeled=0)
    twins = replace(
        pool,
        embeddings=np.repeat(pool.embeddings, 40, axis=0),
        probabilities=np.repeat(pool.probabilities, 40, axis=0),
    )
    picks = np.array([choose(twins.view(), 10, seed, fisher=fisher) for seed in range(120)])
    twins_of = np.bincount(picks.ravel(), minlength=80).reshape(2, 40)
    for counts in twins_of[twins_of.any(axis=1)]:
        assert stats.chisquare(counts).pvalue > 1e-3
    assert len({tuple(sorted(chosen)) for chosen in picks}) > 100


def test_thousands_of_equal_rows_do_not_make_every_pick_a_check_of_all_rows(monkeypatch: pytest.MonkeyPatch):
    """The leading rows all equal the first pick, and gain little once it is taken."""
    features = np.repeat(np.random.default_rng(0).normal(size=(10, 20)).astype(np.float32), 2000, axis=0)
    view = PoolView.from_arrays(features, np.full((20_000, 3), 1 / 3, np.float32), [], [])
    checks, check = [], _bait_scalar._check
    monkeypatch.setattr(_bait_scalar, "_check", lambda *arguments: checks.append(1) or check(*arguments))
    chosen = choose(view, 50, oversample=1)
    assert len(checks) < 15
    assert set(np.bincount(chosen // 2000, minlength=10)) <= {4, 5, 6}


def test_uncertainty_keeps_its_digits_where_the_largest_probability_reads_one():
    rest = np.logspace(-3, -30, 60).astype(np.float32)
    probabilities = np.stack([rest / 4, 1 - rest, rest], axis=1)
    total = rest.astype(np.float64) * 1.25
    expected = 2 * total - total**2 - (1 + 1 / 16) * rest.astype(np.float64) ** 2
    np.testing.assert_allclose(uncertainty(probabilities), expected, rtol=2e-3)
    small = rest < 1e-9
    np.testing.assert_allclose(uncertainty(probabilities)[small], 2 * total[small], rtol=1e-6)


def test_factors_times_their_transpose_are_the_information_of_the_logits():
    probabilities = make_pool(50, classes=4).probabilities
    p = probabilities.astype(np.float64)
    p /= p.sum(axis=1, keepdims=True)
    found = factors(probabilities)
    expected = np.eye(4) * p[:, :, None] - p[:, :, None] * p[:, None, :]
    np.testing.assert_allclose(found @ found.transpose(0, 2, 1), expected, atol=1e-8)
    np.testing.assert_allclose(np.square(found).sum(axis=(1, 2)), uncertainty(probabilities), rtol=1e-6)


@both
@pytest.mark.parametrize("factor", [1e-8, 1e8])
def test_the_scale_of_the_embeddings_does_not_matter(fisher: str, factor: float):
    pool = make_pool(200, classes=3, dimensions=3)
    scaled = replace(pool, embeddings=pool.embeddings * np.float32(factor))
    np.testing.assert_array_equal(choose(scaled.view(), 10, fisher=fisher), choose(pool.view(), 10, fisher=fisher))


def test_more_picks_to_take_back_give_no_worse_a_design():
    pool = make_pool(400, dimensions=8, labeled=30)
    definition = Definition(pool, 20, "scalar")
    once, twice = (definition.objective(choose(pool.view(), 20, oversample=times)) for times in (1, 2))
    assert twice <= once
    random = [
        definition.objective(np.random.default_rng(seed).choice(pool.unlabeled, 20, replace=False))
        for seed in range(20)
    ]
    assert once < min(random)


def test_exact_refuses_what_would_not_fit():
    pool = make_pool(30, classes=101, dimensions=50)
    with pytest.raises(ValueError, match=r"101 classes x 50 dimensions = 5050; use fisher='scalar'"):
        choose(pool.view(), 3, fisher="exact")


@pytest.mark.parametrize("wrong", [{"oversample": 0.5}, {"ridge": 0}, {"fisher": "diagonal"}])
def test_settings_out_of_range_are_refused_by_name(wrong: dict[str, object]):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        strategies.create("bait", **wrong)
