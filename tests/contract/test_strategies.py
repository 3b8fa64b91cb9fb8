"""What every strategy must do, whichever it is: a new file in `strategies/` is picked up by itself."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as draw
from scipy import stats

from labelbench_ray import strategies
from labelbench_ray.plugins import Part
from labelbench_ray.pool.blocks import LinearModel
from labelbench_ray.strategies.random import Random
from labelbench_ray.types import BLOCK_ROWS, PoolView
from tests.samples import Pool, make_pool, purchases_of, softmax64

USERS_OWN = "tests.contract.users_own"
VARIANTS = [
    Part.of("power", strategy="bald"),
    Part.of("power", strategy=USERS_OWN, coldness=3),
    Part.of("bald", passes=3, dropout=0.1),
    Part.of("most_likely_positive", classes=[1]),
    Part.of("class_balanced", strategy="direct"),
    Part.of("galaxy", parallel_annotators=4),
    Part.of("direct", parallel_annotators=2, minimum_class_budget=3),
    Part.of("partition", strategy="random", parts=3),
    Part.of("partition", strategy="galaxy", parts=2),
    Part.of("class_balanced", strategy="badge"),
    Part.of("class_balanced", strategy="direct"),
    Part.of("subsample", strategy="coreset", rows=40),
    Part.of("partition", strategy=Part.of("class_balanced", strategy="power_margin"), parts=2),
    Part.of("class_balanced", strategy="entropy"),
    Part.of("class_balanced", strategy="bald"),
    Part.of("subsample", strategy=USERS_OWN, rows=40),
    Part.of("nearest_to_labeled", neighbors=3),
    Part.of("nearest_to_labeled", strategy="random", neighbors=1),
]
"""Strategies with other settings than the default, other inner strategies above all: add yours."""

every_strategy = pytest.mark.parametrize("part", [Part(name=name) for name in strategies.names()] + VARIANTS, ids=str)
every_name = pytest.mark.parametrize("name", strategies.names())


def create(part: Part) -> strategies.Strategy:
    return strategies.create(part.name, **part.settings)


def choose(part: Part, view: PoolView, budget: int, truth: np.ndarray, seed: int = 0) -> np.ndarray:
    return create(part).select(view, budget, np.random.default_rng(seed), ask=lambda ids: truth[ids])


def assert_valid(chosen: np.ndarray, budget: int, unlabeled: np.ndarray) -> None:
    assert chosen.dtype == np.int64
    assert chosen.shape == (budget,)
    assert len(np.unique(chosen)) == budget
    assert np.isin(chosen, unlabeled).all()


def without_labels(pool: Pool) -> Pool:
    return replace(pool, labeled=np.empty(0, np.int64), labels=np.empty(0, np.int64))


def with_class_missing(pool: Pool) -> Pool:
    kept = pool.labels != 0
    return replace(pool, labeled=pool.labeled[kept], labels=pool.labels[kept])


def with_one_class(pool: Pool) -> Pool:
    return replace(pool, labels=np.zeros_like(pool.labels))


def one_hot(pool: Pool) -> Pool:
    return replace(pool, probabilities=np.eye(pool.probabilities.shape[1], dtype=np.float32)[pool.truth])


def identical_rows(rows: int, classes: int) -> Pool:
    pool = make_pool(rows, classes, labeled=0)
    return replace(
        pool,
        embeddings=np.repeat(pool.embeddings[:1], rows, axis=0),
        probabilities=np.repeat(pool.probabilities[:1], rows, axis=0),
        truth=np.zeros(rows, np.int64),
    )


def with_outlier(pool: Pool) -> Pool:
    scale = np.where(np.arange(len(pool.embeddings)) == pool.unlabeled[7], 1e6, 1)
    return replace(pool, embeddings=(pool.embeddings * scale[:, None]).astype(np.float32))


POOLS = {
    "plain": make_pool(150),
    "no labels yet": without_labels(make_pool(150)),
    "a class without labels": with_class_missing(make_pool(150)),
    "labels of one class": with_one_class(make_pool(150)),
    "two classes": make_pool(150, classes=2),
    "1,000 classes": make_pool(150, classes=1000, labeled=40),
    "every row identical": identical_rows(150, 3),
    "every row certain": one_hot(make_pool(150)),
    "float16": replace(make_pool(150), embeddings=make_pool(150).embeddings.astype(np.float16)),
    "one dimension": make_pool(150, dimensions=1),
    "an outlier": with_outlier(make_pool(150)),
    "an offset": replace(make_pool(150), embeddings=make_pool(150).embeddings + np.float32(1000)),
    "embeddings of zero": replace(make_pool(150), embeddings=np.zeros((150, 6), np.float32)),
}


@every_strategy
@pytest.mark.parametrize("pool", POOLS.values(), ids=list(POOLS))
def test_chooses_exactly_the_budget_of_distinct_unlabeled_rows(part: Part, pool: Pool):
    assert_valid(choose(part, pool.view(), 12, pool.truth), 12, pool.unlabeled)


@every_strategy
@settings(max_examples=25)
@given(data=draw.data())
def test_holds_for_any_small_pool(part: Part, data: draw.DataObject):
    rows = data.draw(draw.integers(1, 30), "rows")
    labeled = data.draw(draw.integers(0, rows), "labeled")
    pool = make_pool(
        rows,
        data.draw(draw.integers(2, 5), "classes"),
        data.draw(draw.integers(1, 4), "dimensions"),
        labeled,
        data.draw(draw.integers(0, 10_000), "seed"),
    )
    budget = data.draw(draw.integers(0, rows - labeled), "budget")
    assert_valid(choose(part, pool.view(), budget, pool.truth), budget, pool.unlabeled)


@every_strategy
def test_the_same_inputs_give_the_same_ids(part: Part):
    pool = make_pool(150)
    np.testing.assert_array_equal(choose(part, pool.view(), 20, pool.truth), choose(part, pool.view(), 20, pool.truth))


@every_strategy
def test_leaves_its_inputs_as_they_are(part: Part):
    pool = make_pool(150)
    arrays = [pool.embeddings, pool.probabilities, pool.labeled, pool.labels]
    before = [array.copy() for array in arrays]
    choose(part, pool.view(), 20, pool.truth)
    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)


@every_strategy
def test_takes_read_only_arrays(part: Part):
    pool = make_pool(150)
    for array in (pool.embeddings, pool.probabilities, pool.labeled, pool.labels):
        array.flags.writeable = False
    assert_valid(choose(part, pool.view(), 20, pool.truth), 20, pool.unlabeled)


@every_strategy
def test_the_order_of_the_rows_does_not_matter(part: Part):
    pool = make_pool(300)
    order = np.random.default_rng(1).permutation(300)
    shuffled = PoolView.from_arrays(
        pool.embeddings[order], pool.probabilities[order], pool.labeled, pool.labels, ids=order
    )
    np.testing.assert_array_equal(choose(part, shuffled, 25, pool.truth), choose(part, pool.view(), 25, pool.truth))


@every_strategy
def test_returns_the_pool_s_own_ids_not_positions(part: Part):
    pool = make_pool(100)
    ids = 1_000 + 7 * np.arange(100)
    view = PoolView.from_arrays(pool.embeddings, pool.probabilities, ids[pool.labeled], pool.labels, ids=ids)
    truth = np.zeros(2_000, np.int64)
    truth[ids] = pool.truth
    assert_valid(choose(part, view, 15, truth), 15, ids[pool.unlabeled])


@every_strategy
@pytest.mark.parametrize("ties", [False, True], ids=["distinct rows", "tied rows"])
def test_the_number_of_shards_does_not_matter(part: Part, ties: bool):
    rows = 7 * BLOCK_ROWS - 100
    pool = make_pool(rows, labeled=50)
    if ties:
        pool = replace(pool, embeddings=np.round(pool.embeddings), probabilities=np.full((rows, 4), 0.25, np.float32))
    views = {shards: pool.view(shards) for shards in (1, 2, 7)}
    assert [len(view.shards) for view in views.values()] == [1, 2, 7]
    chosen = {shards: choose(part, view, 30, pool.truth) for shards, view in views.items()}
    np.testing.assert_array_equal(chosen[1], chosen[2])
    np.testing.assert_array_equal(chosen[1], chosen[7])


@every_strategy
def test_a_linear_proxy_gives_what_its_explicit_softmax_gives(part: Part):
    """Scores differ by float noise of 1e-7 at most; the rows' scores lie much further apart."""
    pool = make_pool(200, classes=3, dimensions=4)
    rng = np.random.default_rng(2)
    weight, bias = rng.normal(size=(4, 3)).astype(np.float32) / 3, rng.normal(size=3).astype(np.float32)
    explicit = softmax64(pool.embeddings.astype(np.float64) @ weight + bias).astype(np.float32)
    linear = PoolView.from_linear(pool.embeddings, weight, bias, pool.labeled, pool.labels)
    arrays = PoolView.from_arrays(pool.embeddings, explicit, pool.labeled, pool.labels)
    np.testing.assert_array_equal(choose(part, linear, 20, pool.truth), choose(part, arrays, 20, pool.truth))


@every_strategy
@pytest.mark.parametrize("shards", [2, 7])
def test_a_linear_proxy_gives_the_same_on_any_number_of_shards(part: Part, shards: int):
    pool = make_pool(7 * BLOCK_ROWS - 1, labeled=50)
    weight = np.random.default_rng(3).normal(size=(6, 4)).astype(np.float32)
    one, many = (
        PoolView.from_linear(pool.embeddings, weight, np.zeros(4), pool.labeled, pool.labels, shards=count)
        for count in (1, shards)
    )
    np.testing.assert_array_equal(choose(part, one, 30, pool.truth), choose(part, many, 30, pool.truth))


@every_strategy
def test_float16_embeddings_give_what_their_values_in_float32_give(part: Part):
    pool = make_pool(200)
    half = replace(pool, embeddings=pool.embeddings.astype(np.float16))
    full = replace(pool, embeddings=half.embeddings.astype(np.float32))
    np.testing.assert_array_equal(choose(part, half.view(), 20, pool.truth), choose(part, full.view(), 20, pool.truth))


@every_strategy
@pytest.mark.parametrize("scale", [1, 30, 1000])
@pytest.mark.parametrize("budget", [12, 65, 130])
def test_a_linear_proxy_however_sure_gives_distinct_rows(part: Part, scale: float, budget: int):
    """Probabilities of exactly 0 and 1, whose bits depend on the rows that they are computed with."""
    pool = make_pool(150)
    weight = scale * np.random.default_rng(4).normal(size=(6, 4))
    view = PoolView.from_linear(pool.embeddings, weight, np.zeros(4), pool.labeled, pool.labels)
    assert_valid(choose(part, view, budget, pool.truth), budget, pool.unlabeled)


@every_strategy
def test_a_row_of_nan_is_refused(part: Part):
    """Arrays are refused at the door; a proxy that overflows is met inside."""
    pool = make_pool(150)
    broken = pool.embeddings.copy()
    broken[pool.unlabeled[7]] = np.nan
    model = LinearModel(np.ones((6, 4), np.float32), np.zeros(4, np.float32))
    view = PoolView.from_model(broken, model, pool.labeled, pool.labels)
    if not reads_the_pool(create(part)):
        return
    with pytest.raises(ValueError, match=r"row \d+ .*(NaN|nan)"):
        choose(part, view, 130, pool.truth)


def reads_the_pool(strategy: strategies.Strategy) -> bool:
    """Whether the strategy looks at embeddings or probabilities, or one inside it does."""
    return not isinstance(strategy, Random) and all(map(reads_the_pool, strategy.inner_plugins().values()))


@every_strategy
def test_a_budget_of_nothing_gives_nothing(part: Part):
    pool = make_pool(50)
    assert_valid(choose(part, pool.view(), 0, pool.truth), 0, pool.unlabeled)


@every_strategy
def test_a_budget_of_all_that_is_left_gives_all_that_is_left(part: Part):
    pool = make_pool(50)
    np.testing.assert_array_equal(np.sort(choose(part, pool.view(), 30, pool.truth)), pool.unlabeled)


@every_strategy
@pytest.mark.parametrize("budget", [31, 1000, -1])
def test_a_budget_that_cannot_be_met_is_refused(part: Part, budget: int):
    pool = make_pool(50)
    with pytest.raises(ValueError, match=f"budget: {budget} .* 30 "):
        choose(part, pool.view(), budget, pool.truth)


@every_strategy
@pytest.mark.parametrize("budget", [2.5, 3.0, True, None, "3"])
def test_a_budget_that_is_no_whole_number_is_refused(part: Part, budget: object):
    pool = make_pool(50)
    with pytest.raises(ValueError, match=re.escape(f"budget: {budget!r} is not an integer")):
        choose(part, pool.view(), budget, pool.truth)


@every_strategy
@pytest.mark.parametrize(("rows", "classes"), [(60, 3), (200, 1000)])
def test_rows_that_tie_are_chosen_uniformly(part: Part, rows: int, classes: int):
    pool = identical_rows(rows, classes)
    view = pool.view()
    budget, draws = rows // 10, 100
    picks = [choose(part, view, budget, pool.truth, seed) for seed in range(draws)]
    counts = np.bincount(np.concatenate(picks), minlength=rows)
    assert stats.chisquare(counts).pvalue > 1e-3
    assert len({tuple(chosen) for chosen in picks}) > draws / 2
    assert sum((np.diff(chosen) > 0).all() for chosen in picks) < draws / 2


@every_strategy
def test_asks_only_for_rows_that_it_chooses(part: Part):
    pool = make_pool(120)
    purchases = purchases_of(pool, 15)
    chosen = create(part).select(pool.view(), 15, np.random.default_rng(0), ask=purchases.ask)
    assert purchases.bought <= set(chosen.tolist()) | set(pool.labeled.tolist())


@every_strategy
def test_works_without_ask_or_says_that_it_is_needed(part: Part):
    pool = make_pool(120)
    refusal = None
    try:
        chosen = create(part).select(pool.view(), 15, np.random.default_rng(0))
    except ValueError as error:
        refusal = str(error)
    if refusal is None:
        assert_valid(chosen, 15, pool.unlabeled)
    else:
        assert "ask" in refusal


@every_name
def test_an_unknown_setting_is_refused_by_name(name: str):
    with pytest.raises(ValueError, match="no_such_setting"):
        strategies.create(name, no_such_setting=1)


@every_name
def test_a_misspelt_setting_is_answered_with_the_nearest(name: str):
    for setting in type(strategies.create(name)).model_fields:
        with pytest.raises(ValueError, match=f"{setting}x.*did you mean '{setting}'"):
            strategies.create(name, **{f"{setting}x": 1})


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="no strategy called 'margn'; did you mean 'margin'"):
        strategies.create("margn")


def test_the_names_are_sorted_and_each_can_be_made():
    assert strategies.names() == sorted(strategies.names())
    assert {"random", "confidence", "margin", "entropy"} <= set(strategies.names())
    for name in strategies.names():
        strategies.create(name)
