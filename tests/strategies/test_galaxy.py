"""GALAXY against the algorithm run node by node, and its laws on toy pools."""

import gc
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as draw

from labelbench_ray import strategies
from labelbench_ray.strategies._class_orders import losses
from labelbench_ray.strategies._linear_graphs import Graph, Orders
from labelbench_ray.strategies._ranking import subkey, tie_hash
from labelbench_ray.types import PoolView
from tests.samples import Pool, make_pool, purchases_of


def galaxy(pool: Pool, budget: int, seed: int = 0, shards: int = 1, parallel_annotators: int = 1) -> list[int]:
    strategy = strategies.create("galaxy", parallel_annotators=parallel_annotators)
    purchases = purchases_of(pool, budget)
    return strategy.select(pool.view(shards), budget, np.random.default_rng(seed), ask=purchases.ask).tolist()


def scores64(probabilities: np.ndarray) -> np.ndarray:
    """The published score p_k - max p + 1e-8 max p, in float64; max p as what the others leave of 1."""
    exact = probabilities.astype(np.float64)
    exact /= exact.sum(axis=1, keepdims=True)
    top = exact.max(axis=1, keepdims=True)
    others = np.sort(exact, axis=1)[:, :-1].sum(axis=1, keepdims=True)
    return exact - top + 1e-8 * (1 - others)


def naive_galaxy(pool: Pool, budget: int, seed: int = 0, parallel_annotators: int = 1) -> list[int]:
    """Lists of nodes that are walked from end to end at every query."""
    key = int(np.random.default_rng(seed).integers(2**64, dtype=np.uint64))
    rows, classes = pool.probabilities.shape
    num_graphs = 1 if classes == 2 else classes
    hashes = tie_hash(subkey(key, "ties"), np.arange(rows))
    scores = scores64(pool.probabilities)
    graphs = [sorted(range(rows), key=lambda row: (-scores[row, graph], hashes[row])) for graph in range(num_graphs)]
    draws = np.random.default_rng(subkey(key, "queries"))
    which, random = draws.integers(num_graphs, size=budget), draws.random(budget) < 0.5
    shuffled = np.argsort(tie_hash(subkey(key, "random rows"), np.arange(rows))).tolist()
    answers = dict(zip(pool.labeled.tolist(), pool.labels.tolist(), strict=True))
    turns = [0] * num_graphs
    chosen: list[int] = []
    pending: list[int] = []
    for query in range(budget):
        graph = graphs[which[query]]
        nodes = [None if row not in answers else answers[row] == which[query] for row in graph]
        known = [place for place in range(rows) if nodes[place] is not None]
        signs = list(nodes)
        for place in range(rows):
            if graph[place] in pending:
                nearest = min(known, key=lambda other: (abs(other - place), other), default=None)
                signs[place] = False if nearest is None else nodes[nearest]
        place = next_node(signs, turns, which[query])
        if {True, False} - set(signs) and random[query]:
            row = next(row for row in shuffled if row not in answers and row not in pending)
        else:
            row = graph[place]
        chosen.append(row)
        pending.append(row)
        if len(pending) == parallel_annotators:
            answers |= {row: int(pool.truth[row]) for row in pending}
            pending = []
    return chosen


def next_node(signs: list[bool | None], turns: list[int], number: int) -> int:
    if True not in signs and False not in signs:
        return 0
    opened = [place for place, sign in enumerate(signs) if sign is None]
    if True not in signs:
        return opened[0]
    if False not in signs:
        return opened[-1]
    shortest, cuts, last = None, [], None
    for place, sign in enumerate(signs):
        if sign is None:
            continue
        if last is not None and signs[last] != sign:
            if place == last + 1:
                cuts.append(last)
            elif shortest is None or place - last < shortest[1] - shortest[0]:
                shortest = (last, place)
        last = place
    if shortest is not None:
        return (shortest[0] + shortest[1]) // 2
    lefts, rights = [], []
    for cut in cuts:
        left, right = cut, cut + 1
        while left >= 0 and signs[left] is not None:
            left -= 1
        while right < len(signs) and signs[right] is not None:
            right += 1
        lefts += [(cut - left, left)] if left >= 0 else []
        rights += [(right - cut, right)] if right < len(signs) else []
    first, second = (lefts, rights) if turns[number] % 2 == 0 else (rights, lefts)
    turns[number] += 1
    return min(first or second)[1]


POOLS = {
    "two classes": make_pool(120, classes=2, labeled=8),
    "five classes": make_pool(150, classes=5, labeled=10),
    "no labels yet": make_pool(60, classes=3, labeled=0),
    "one label": make_pool(60, classes=2, labeled=1),
    "labels of one class": replace(make_pool(60, labeled=10), labels=np.zeros(10, np.int64)),
    "ties": replace(
        make_pool(120, classes=3, labeled=12),
        probabilities=np.eye(3, dtype=np.float32)[make_pool(120, classes=3).truth] * 0.5 + np.float32(1 / 6),
    ),
    "noise": replace(make_pool(150, labeled=30), truth=np.random.default_rng(0).integers(0, 4, 150)),
}


@pytest.mark.parametrize("parallel_annotators", [1, 2, 7])
@pytest.mark.parametrize("pool", POOLS.values(), ids=list(POOLS))
def test_picks_what_the_algorithm_run_node_by_node_picks(pool: Pool, parallel_annotators: int):
    for seed in range(3):
        budget = 45
        expected = naive_galaxy(pool, budget, seed, parallel_annotators)
        assert galaxy(pool, budget, seed, parallel_annotators=parallel_annotators) == expected


@settings(max_examples=40, deadline=None)
@given(draw.integers(0, 10_000), draw.integers(2, 4), draw.integers(1, 25), draw.integers(0, 12), draw.integers(1, 4))
def test_picks_what_the_naive_algorithm_picks_until_nothing_is_left(
    seed: int, classes: int, opened: int, labeled: int, parallel_annotators: int
):
    pool = make_pool(opened + labeled, classes, labeled=labeled, seed=seed)
    expected = naive_galaxy(pool, opened, seed, parallel_annotators)
    assert galaxy(pool, opened, seed, parallel_annotators=parallel_annotators) == expected


def toy(labeled: list[int], inverted: bool = False) -> Pool:
    """100 rows in the order of class 0, which ends behind row 49; inverted: which begins there."""
    first = np.linspace(0.99, 0.01, 100, dtype=np.float32)
    truth = (np.arange(100) > 49).astype(np.int64)
    truth = 1 - truth if inverted else truth
    probabilities = np.stack([first, 1 - first], axis=1)
    return Pool(np.zeros((100, 1), np.float32), probabilities, np.array(labeled), truth[labeled], truth)


@pytest.mark.parametrize("inverted", [False, True], ids=["as predicted", "the other way round"])
def test_bisects_the_cut_and_then_takes_the_rows_on_both_sides_of_it(inverted: bool):
    assert galaxy(toy([40, 60], inverted), 12) == [50, 45, 47, 48, 49, 46, 51, 44, 52, 43, 53, 42]


def test_of_two_stretches_bisects_the_shorter():
    pool = toy([10, 60, 90])
    pool = replace(pool, truth=np.where(np.arange(100) > 80, 0, pool.truth), labels=np.array([0, 1, 0]))
    assert galaxy(pool, 1) == [75]


def test_a_side_without_rows_leaves_its_turns_to_the_other():
    pool = toy([0, 1, 2])
    pool = replace(pool, truth=(np.arange(100) > 0).astype(np.int64), labels=np.array([0, 1, 1]))
    assert galaxy(pool, 4) == [3, 4, 5, 6]


def test_without_a_positive_every_other_query_takes_the_likeliest_row():
    pool = replace(toy([70, 80]), truth=np.ones(100, np.int64), labels=np.ones(2, np.int64))
    top = sum(row < 30 for row in galaxy(pool, 40))
    assert 17 < top < 40
    assert 0 in galaxy(pool, 5)


def test_without_a_negative_it_looks_at_the_other_end():
    pool = replace(toy([20, 30]), truth=np.zeros(100, np.int64), labels=np.zeros(2, np.int64))
    assert {99, 98} <= set(galaxy(pool, 10))


def test_every_class_is_visited_about_equally_often():
    classes = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [960, 25, 15]))
    pool = replace(make_pool(1000, classes=3, labeled=0), truth=classes)
    noise = np.random.default_rng(1).dirichlet(np.full(3, 2.0), 1000)
    probabilities = (0.6 * np.eye(3)[classes] + 0.4 * noise).astype(np.float32)
    labeled = np.concatenate([np.flatnonzero(classes == number)[:2] for number in range(3)])
    pool = replace(pool, probabilities=probabilities, labeled=labeled, labels=classes[labeled])
    counts = np.bincount(classes[galaxy(pool, 60)], minlength=3)
    assert counts[1] >= 15
    assert counts[2] >= 10


@pytest.mark.parametrize("parallel_annotators", [1, 4, 16])
def test_asks_for_each_chosen_row_in_order_and_no_more_than_that_many_at_a_time(parallel_annotators: int):
    pool = make_pool(150)
    asked: list[list[int]] = []

    def ask(ids: np.ndarray) -> np.ndarray:
        asked.append(ids.tolist())
        return pool.truth[ids]

    strategy = strategies.create("galaxy", parallel_annotators=parallel_annotators)
    chosen = strategy.select(pool.view(), 30, np.random.default_rng(0), ask=ask)
    assert list(chain.from_iterable(asked)) == chosen.tolist()
    assert {len(group) for group in asked[:-1]} <= {parallel_annotators}
    assert len(asked[-1]) <= parallel_annotators


def test_labels_that_were_not_asked_for_do_not_matter():
    pool = make_pool(150)
    chosen = galaxy(pool, 30)
    other = np.zeros_like(pool.truth)
    other[chosen] = pool.truth[chosen]
    assert galaxy(replace(pool, truth=other), 30) == chosen


def test_goes_by_the_oracle_s_noisy_answer():
    pool = toy([40, 60])
    noisy = pool.truth.copy()
    noisy[50] = 0
    assert galaxy(replace(pool, truth=noisy), 2) == [50, 55]


def test_without_ask_says_what_is_missing():
    with pytest.raises(ValueError, match=r"ask: galaxy needs answers .* pass ask="):
        strategies.create("galaxy").select(make_pool(50).view(), 3, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("answers", "message"),
    [([0, 1], "shape"), ([0.5], "float64"), ([4], r"4 \.\. 4; labels must lie in 0 \.\. 3"), ([-1], "-1")],
)
def test_answers_that_are_no_labels_are_refused(answers: list[float], message: str):
    with pytest.raises(ValueError, match=f"ask: answered .*{message}"):
        strategies.create("galaxy").select(
            make_pool(50).view(), 3, np.random.default_rng(0), ask=lambda ids: np.array(answers)
        )


@dataclass(frozen=True, slots=True, eq=False)
class ReadOnlyView(PoolView):
    """A view whose maps return read-only arrays, as those from Ray's object store are."""

    def map(self, function, *each):
        results = PoolView.map(self, function, *each)
        for result in results:
            if isinstance(result, np.ndarray):
                result.flags.writeable = False
        return results


def test_results_that_cannot_be_overwritten_are_copied():
    pool = make_pool(9000, labeled=50)
    read_only = ReadOnlyView.from_arrays(pool.embeddings, pool.probabilities, pool.labeled, pool.labels, shards=3)
    strategy = strategies.create("galaxy")
    chosen = strategy.select(read_only, 30, np.random.default_rng(0), ask=lambda ids: pool.truth[ids])
    assert chosen.tolist() == galaxy(pool, 30) == galaxy(pool, 30, shards=2)


@pytest.mark.parametrize("name", ["galaxy", "direct"])
def test_chooses_among_the_rows_that_a_view_is_restricted_to(name: str):
    pool = make_pool(150)
    some = pool.unlabeled[::3]
    chosen = strategies.create(name).select(
        pool.view().only(some), 20, np.random.default_rng(0), ask=lambda ids: pool.truth[ids]
    )
    assert np.isin(chosen, some).all()


@pytest.mark.parametrize("classes", [2, 3, 40])
def test_losses_order_rows_as_the_published_score_does(classes: int):
    probabilities = np.random.default_rng(0).dirichlet(np.full(classes, 0.5), 300).astype(np.float32)
    view = PoolView.from_arrays(np.zeros((300, 1), np.float32), probabilities, [], [])
    (block,) = view.shards[0].blocks()
    found = losses(block, np.arange(classes))
    assert found.min() >= 0
    for number, scores in enumerate(scores64(block.probabilities_BK).T):
        np.testing.assert_array_less(-1e-7, np.diff(scores[np.argsort(found[number])]) * -1)
        predicted = block.probabilities_BK.argmax(axis=1) == number
        assert predicted[np.argsort(found[number])[: predicted.sum()]].all()


def test_rows_whose_largest_probability_reads_one_keep_their_order_for_the_class_and_against_it():
    rest = np.random.default_rng(0).permutation(np.logspace(-9, -25, 50)).astype(np.float32)
    view = PoolView.from_arrays(np.zeros((50, 1), np.float32), np.stack([np.ones_like(rest), rest], axis=1), [], [])
    (block,) = view.shards[0].blocks()
    found = losses(block, np.arange(2))
    np.testing.assert_array_equal(np.argsort(found[0]), np.argsort(rest))
    np.testing.assert_array_equal(np.argsort(found[1]), np.argsort(-rest))


def test_a_diverged_proxy_is_refused_by_row():
    weight = np.full((1, 2), 3e38, np.float32)
    view = PoolView.from_linear(np.array([[0.0], [9.0]], np.float32), weight, [0, 0], [], [])
    with pytest.raises(ValueError, match="row 1 holds NaN"), np.errstate(all="ignore"):
        strategies.create("galaxy").select(view, 1, np.random.default_rng(0), ask=np.zeros_like)


def test_a_row_that_awaits_an_answer_counts_as_its_nearest_neighbor():
    graph = Graph.of(100, np.array([10, 50]), np.array([True, False]))
    pending = graph.with_pending(np.array([20, 30, 31, 80, 2]))
    assert dict(zip(pending.ranks_A.tolist(), pending.positive_A.tolist(), strict=True)) == {
        2: True, 10: True, 20: True, 30: True, 31: False, 50: False, 80: False,
    }  # fmt: skip


def test_leaves_nothing_in_memory():
    pool = make_pool(150)
    gc.collect()
    gc.disable()
    try:
        galaxy(pool, 10)
        assert not [held for held in gc.get_objects() if isinstance(held, Orders)]
    finally:
        gc.enable()
