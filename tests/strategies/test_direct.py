"""DIRECT against the algorithm written from the paper, and its parts against their definitions."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as draw

from labelbench_ray import strategies
from labelbench_ray.strategies import _nearest_rows, direct
from labelbench_ray.strategies._class_orders import midway
from labelbench_ray.strategies._ranking import subkey, tie_hash
from labelbench_ray.strategies._separation import Separation
from tests.samples import Pool, make_pool, purchases_of


def choose(pool: Pool, budget: int, seed: int = 0, shards: int = 1, **given: int) -> list[int]:
    purchases = purchases_of(pool, budget)
    strategy = strategies.create("direct", **given)
    return strategy.select(pool.view(shards), budget, np.random.default_rng(seed), ask=purchases.ask).tolist()


def losses64(probabilities: np.ndarray) -> np.ndarray:
    """1e-8 less the published score, in float64: max p - p_k + 1e-8 (1 - max p)."""
    exact = probabilities.astype(np.float64)
    exact /= exact.sum(axis=1, keepdims=True)
    others = np.sort(exact, axis=1)[:, :-1].sum(axis=1, keepdims=True)
    return exact.max(axis=1, keepdims=True) - exact + 1e-8 * others


def errors(threshold: float, answered: list[tuple[float, bool]]) -> int:
    """What a threshold gets wrong: positives beyond it, and negatives up to it."""
    return sum((loss <= threshold) != positive for loss, positive in answered)


def middle(items: list) -> object:
    return items[(len(items) - 1) // 2]


def naive_interval(answered: list[tuple[float, bool]]) -> tuple[float, float]:
    positives = [loss for loss, positive in answered if positive]
    negatives = [loss for loss, positive in answered if not positive]
    first_negative = min(negatives, default=np.inf)
    last_positive = max(positives, default=-np.inf)
    low = max((loss for loss in positives if loss < first_negative), default=-np.inf)
    high = min((loss for loss in negatives if loss > last_positive), default=np.inf)
    return low, high


def naive_threshold(answered: list[tuple[float, bool]]) -> float:
    ends = [-np.inf, *sorted({loss for loss, _ in answered}), np.inf]
    stretches = list(pairwise(ends))
    counts = [errors(low, answered) for low, _ in stretches]
    low, high = middle([stretch for stretch, count in zip(stretches, counts, strict=True) if count == min(counts)])
    if low == -np.inf:
        return -np.inf
    return high if high == np.inf else (low + high) / 2


def naive_direct(pool: Pool, budget: int, seed: int, parallel_annotators: int, minimum_class_budget: int) -> list[int]:
    key = int(np.random.default_rng(seed).integers(2**64, dtype=np.uint64))
    rows, classes = pool.probabilities.shape
    losses = losses64(pool.probabilities)
    answers = dict(zip(pool.labeled.tolist(), pool.labels.tolist(), strict=True))
    chosen: list[int] = []

    def answered(number: int) -> list[tuple[float, bool]]:
        return sorted((losses[row, number], label == number) for row, label in answers.items())

    visited, share = direct.shares(np.bincount(pool.labels, minlength=classes), budget, minimum_class_budget, key)
    for number in visited.tolist():
        low, high = naive_interval(answered(number))
        inside = [row for row in range(rows) if row not in answers and low <= losses[row, number] <= high]
        rounds = -(-share // parallel_annotators)
        shrink = len(inside) ** (1 / max(rounds, 1))
        for asked in range(0, share, parallel_annotators):
            if asked and inside:
                width = max(int(np.ceil(len(inside) / shrink)), min(len(inside), share - asked))
                ends = sorted(losses[row, number] for row in inside)
                stretches = [(ends[place], ends[place + width - 1]) for place in range(len(ends) - width + 1)]
                worse = [max(errors(low, answered(number)), errors(high, answered(number))) for low, high in stretches]
                low, high = middle([stretches[place] for place, count in enumerate(worse) if count == min(worse)])
                inside = [row for row in inside if low <= losses[row, number] <= high]
            hashes = tie_hash(subkey(subkey(key, f"samples of class {number}"), f"{asked}"), np.arange(rows))
            sample = sorted(inside, key=lambda row: hashes[row])[: min(parallel_annotators, share - asked)]
            chosen += sample
            answers |= {row: int(pool.truth[row]) for row in sample}
            inside = [row for row in inside if row not in answers]

    left = budget - len(chosen)
    hashes = tie_hash(subkey(key, "ties"), np.arange(rows))
    order = np.random.default_rng(subkey(key, "order of the classes")).permutation(classes)
    for place, number in enumerate(order.tolist()):
        threshold = naive_threshold(answered(number))
        quota = left * (place + 1) // classes - left * place // classes
        opened = [row for row in range(rows) if row not in answers and row not in chosen]
        lower = [row for row in opened if losses[row, number] <= threshold]
        upper = [row for row in opened if losses[row, number] > threshold]
        lower.sort(key=lambda row: (-losses[row, number], hashes[row]))
        upper.sort(key=lambda row: (losses[row, number], hashes[row]))
        for turn in range(quota):
            sides = (lower, upper) if turn % 2 == 0 else (upper, lower)
            chosen.append((sides[0] or sides[1]).pop(0))
    return chosen


POOLS = {
    "two classes": make_pool(200, classes=2, labeled=12),
    "four classes": make_pool(300, labeled=25),
    "ten classes": make_pool(300, classes=10, labeled=30),
    "no labels yet": make_pool(90, classes=3, labeled=0),
    "labels of one class": replace(make_pool(90, labeled=10), labels=np.zeros(10, np.int64)),
    "noise": replace(make_pool(300, labeled=60), truth=np.random.default_rng(0).integers(0, 4, 300)),
    "ties": replace(
        make_pool(200, classes=3, labeled=15),
        probabilities=np.eye(3, dtype=np.float32)[make_pool(200, classes=3).truth] * 0.5 + np.float32(1 / 6),
    ),
}


@pytest.mark.parametrize("pool", POOLS.values(), ids=list(POOLS))
@pytest.mark.parametrize(("parallel_annotators", "minimum_class_budget"), [(20, 60), (3, 7), (1, 2), (4, 30)])
def test_picks_what_the_algorithm_of_the_paper_picks(pool: Pool, parallel_annotators: int, minimum_class_budget: int):
    for seed in range(2):
        expected = naive_direct(pool, 60, seed, parallel_annotators, minimum_class_budget)
        settings = {"parallel_annotators": parallel_annotators, "minimum_class_budget": minimum_class_budget}
        assert choose(pool, 60, seed, **settings) == expected


@settings(max_examples=40, deadline=None)
@given(
    seed=draw.integers(0, 10_000),
    classes=draw.integers(2, 5),
    opened=draw.integers(1, 30),
    labeled=draw.integers(0, 12),
    parallel_annotators=draw.integers(1, 4),
    minimum_class_budget=draw.integers(1, 8),
)
def test_picks_what_the_naive_algorithm_picks_until_nothing_is_left(
    seed: int, classes: int, opened: int, labeled: int, parallel_annotators: int, minimum_class_budget: int
):
    pool = make_pool(opened + labeled, classes, labeled=labeled, seed=seed)
    expected = naive_direct(pool, opened, seed, parallel_annotators, minimum_class_budget)
    settings = {"parallel_annotators": parallel_annotators, "minimum_class_budget": minimum_class_budget}
    assert choose(pool, opened, seed, **settings) == expected


answered_rows = draw.lists(draw.tuples(draw.sampled_from([0.0, 1e-9, 3e-9, 0.1, 0.2, 0.4, 0.7, 3.0]), draw.booleans()))


@given(answered_rows, draw.permutations(range(20)))
def test_a_separation_counts_errors_and_finds_its_stretches_as_defined(
    answered: list[tuple[float, bool]], order: list[int]
):
    answered = [answered[place] for place in order if place < len(answered)]
    losses = np.array([loss for loss, _ in answered], np.float32)
    positive = np.array([sign for _, sign in answered], np.bool_)
    exact = [(float(loss), sign) for loss, (_, sign) in zip(losses, answered, strict=True)]
    separation = Separation.of(losses, positive)
    thresholds = np.array([0.0, 2e-9, 0.1, 0.3, 5.0], np.float32)
    assert separation.errors(thresholds).tolist() == [errors(threshold, exact) for threshold in thresholds]
    assert separation.uncertain() == naive_interval(exact)
    assert errors(separation.threshold(), exact) == min(
        errors(threshold, exact) for threshold in [-1.0, *losses.tolist()]
    )


@given(answered_rows, draw.lists(draw.floats(0, 1, width=32), min_size=1, max_size=30), draw.data())
def test_narrows_to_where_the_worse_end_errs_least(
    answered: list[tuple[float, bool]], inside: list[float], data: draw.DataObject
):
    width = data.draw(draw.integers(1, len(inside)))
    losses, signs = [loss for loss, _ in answered], [sign for _, sign in answered]
    separation = Separation.of(np.array(losses, np.float32), np.array(signs, np.bool_))
    low, high = separation.narrowed(np.sort(np.array(inside, np.float32)), width)
    assert sum(low <= loss <= high for loss in inside) >= width
    exact = [(float(np.float32(loss)), sign) for loss, sign in answered]
    ends = sorted(inside)
    found = max(errors(low, exact), errors(high, exact))
    assert found == min(
        max(errors(ends[place], exact), errors(ends[place + width - 1], exact))
        for place in range(len(ends) - width + 1)
    )


@pytest.mark.parametrize("first", [0.0, 1e-20, 0.1, 0.49, 0.5, 1.0, 1e9, 1e30])
def test_the_midpoint_is_that_of_the_differences_of_probabilities(first: float):
    def difference(loss: float) -> float:
        return loss if loss < 0.5 else 1 - 0.25 / loss

    for second in (0.2, 0.5, 2.0, 1e9, 1e36):
        if second > first:
            found = midway(first, second)
            assert first <= found <= second
            assert difference(found) == pytest.approx((difference(first) + difference(second)) / 2)


def test_an_open_end_of_the_best_stretch_is_the_threshold():
    losses = np.array([0.1, 0.2], np.float32)
    assert Separation.of(losses, np.array([False, False])).threshold() == -np.inf
    assert Separation.of(losses, np.array([True, True])).threshold() == np.inf
    assert Separation.of(losses, np.array([True, False])).threshold() == pytest.approx(0.15)


def test_the_rarest_classes_come_first_where_there_is_not_enough_for_all():
    counts = np.random.default_rng(0).permutation(1000)
    visited, share = direct.shares(counts, 50_000, 60, key=1)
    assert share == 60
    np.testing.assert_array_equal(counts[visited], np.arange(416))
    visited, share = direct.shares(np.arange(10), 5000, 60, key=1)
    assert (len(visited), share) == (10, 250)
    visited, share = direct.shares(np.arange(10), 50, 60, key=1)
    assert (visited.tolist(), share) == ([0], 25)


def test_classes_without_difference_in_labels_are_visited_in_any_order():
    first = [int(direct.shares(np.zeros(5, np.int64), 10, 60, key)[0][0]) for key in range(100)]
    assert np.bincount(first, minlength=5).min() > 5


def mixed(rows: int, classes: int, labeled: int) -> Pool:
    """Rows whose class the proxy cannot predict, so that there is much to separate."""
    pool = make_pool(rows, classes, labeled=labeled)
    noise = np.random.default_rng(0).dirichlet(np.full(classes, 1.0), rows)
    return replace(pool, probabilities=(0.3 * np.eye(classes)[pool.truth] + 0.7 * noise).astype(np.float32))


def test_half_of_the_budget_goes_to_separating_the_classes():
    pool = mixed(20_000, 10, 200)
    asked: list[int] = []

    def ask(ids: np.ndarray) -> np.ndarray:
        asked.append(len(ids))
        return pool.truth[ids]

    strategies.create("direct").select(pool.view(), 5000, np.random.default_rng(0), ask=ask)
    assert 2400 <= sum(asked) <= 2500
    assert max(asked) == 20


def test_asks_for_nothing_that_it_does_not_choose_and_in_order():
    pool = mixed(500, 4, 40)
    asked: list[int] = []

    def ask(ids: np.ndarray) -> np.ndarray:
        asked.extend(ids.tolist())
        assert len(ids) <= 5
        return pool.truth[ids]

    strategy = strategies.create("direct", parallel_annotators=5, minimum_class_budget=10)
    chosen = strategy.select(pool.view(), 100, np.random.default_rng(0), ask=ask).tolist()
    assert asked == chosen[: len(asked)]
    assert 30 < len(asked) <= 50


def test_labels_that_were_not_asked_for_do_not_matter():
    pool = mixed(500, 4, 40)
    chosen = choose(pool, 100, minimum_class_budget=10)
    other = np.zeros_like(pool.truth)
    other[chosen] = pool.truth[chosen]
    assert choose(replace(pool, truth=other), 100, minimum_class_budget=10) == chosen


def cut_off(name: str, wrong: float, seed: int) -> float:
    """How far from the true threshold, as a share of the pool, lies the median of the last half of what is chosen."""
    rng = np.random.default_rng(seed)
    first = rng.permutation(np.linspace(0.001, 0.999, 4000)).astype(np.float32)
    truth = (first < 0.7).astype(np.int64)  # the proxy's own boundary lies at 0.5
    answers = np.where(rng.random(4000) < wrong, 1 - truth, truth)
    labeled = rng.choice(4000, 40, replace=False)
    pool = Pool(np.zeros((4000, 1)), np.stack([first, 1 - first], axis=1), labeled, answers[labeled], answers)
    ask = purchases_of(pool, 400).ask
    chosen = strategies.create(name).select(pool.view(), 400, np.random.default_rng(0), ask=ask)
    return abs(float(np.median(first[chosen[200:]])) - 0.7)


@pytest.mark.parametrize("name", ["direct", "galaxy"])
def test_2_5_10_a_threshold_without_noise_is_found(name: str):
    assert max(cut_off(name, 0.0, seed) for seed in range(3)) < 0.02


def test_2_5_10_with_a_fifth_of_the_answers_wrong_direct_finds_the_threshold_and_galaxy_does_not():
    assert max(cut_off("direct", 0.2, seed) for seed in range(6)) < 0.05
    assert max(cut_off("galaxy", 0.2, seed) for seed in range(6)) > 0.1


def test_as_an_arm_without_answers_it_samples_the_first_half_at_once_and_takes_the_thresholds_of_before():
    pool = mixed(500, 4, 40)
    strategy = strategies.create("direct", minimum_class_budget=10)
    chosen = strategy.choose_batched(pool.view(), 100, key=7)
    assert len(set(chosen.tolist()) - set(pool.labeled.tolist())) == 100
    # The first sample of each class is that of the algorithm with answers, before the first of them arrives.
    at_once = strategies.create("direct", minimum_class_budget=10, parallel_annotators=100)
    asked: list[int] = []

    def ask(ids: np.ndarray) -> np.ndarray:
        asked.extend(ids.tolist())
        return pool.truth[ids]

    at_once.choose(pool.view(), 100, 7, ask)
    assert chosen[:12].tolist() == asked[:12]
    with pytest.raises(ValueError, match="ask: direct needs answers"):
        strategy.choose(pool.view(), 100, 7, None)


@pytest.mark.parametrize("name", ["SPARE", "MOST_HELD", "COLUMNS"])
def test_how_many_rows_and_classes_are_held_does_not_matter(name: str, monkeypatch: pytest.MonkeyPatch):
    pool = mixed(9000, 12, 60)
    expected = choose(pool, 200, minimum_class_budget=10)
    monkeypatch.setattr(direct if name == "COLUMNS" else _nearest_rows, name, 1)
    for shards in (1, 3):
        assert choose(pool, 200, shards=shards, minimum_class_budget=10) == expected


def test_classes_that_want_the_same_rows_take_the_next_ones():
    pool = make_pool(300, classes=40, labeled=0)
    pool = replace(pool, probabilities=np.full((300, 40), 1 / 40, np.float32))
    assert len(set(choose(pool, 280))) == 280


def test_without_ask_says_what_is_missing():
    with pytest.raises(ValueError, match=r"ask: direct needs answers .* pass ask="):
        strategies.create("direct").select(make_pool(50).view(), 3, np.random.default_rng(0))
