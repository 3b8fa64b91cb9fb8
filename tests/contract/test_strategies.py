"""What every strategy must do, whichever it is: a new file in `strategies/` is picked up by itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as draw

from labelbench_ray import strategies
from labelbench_ray.contracts.checking import laws_of
from labelbench_ray.contracts.law import Law, NotApplicable
from labelbench_ray.contracts.trying import chosen_on, wanted, with_facts
from labelbench_ray.plugins import Part
from labelbench_ray.strategies import MemoryStrategy
from labelbench_ray.strategies._arms import _asks
from labelbench_ray.types import PoolView
from tests.samples import make_pool

USERS_OWN = "tests.contract.users_own"
VARIANTS = [
    Part.of("facility_location", kernel="rbf"),
    Part.of("max_token_entropy", token="confidence"),
    Part.of("sequence_confidence", normalize=True),
    Part.of("task_round_robin", strategy="mean_token_entropy"),
    Part.of("task_confidence", strategy="margin", probes=3),
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
    Part.of("tailor", arms=["random", "badge", Part.of("class_balanced", strategy="entropy")], objective="balance"),
    Part.of("tailor", arms=["galaxy", "direct", "margin"], per_class=[], decay=0.5),
    Part.of("uniform_mixture", arms=["similar", USERS_OWN], max_arms=3),
    Part.of("similar", queries=3, relevance=0.0),
    Part.of("nearest_to_labeled", neighbors=3),
    Part.of("nearest_to_labeled", strategy="random", neighbors=1),
]
"""Strategies with other settings than the default, other inner strategies above all: add yours."""

every_strategy = pytest.mark.parametrize("part", [Part(name=name) for name in strategies.names()] + VARIANTS, ids=str)
every_name = pytest.mark.parametrize("name", strategies.names())
NOT_ABOUT = {
    "refuses a row of NaN": lambda strategy: not wanted(strategy) & {"embeddings", "probabilities"},
    "reads only what `wants` names": lambda strategy: {"embeddings", "probabilities"} <= wanted(strategy),
    "asks only for rows that it chooses": lambda strategy: not _asks(strategy),
    "chooses the first batch, if `cold_start` states that it can": lambda strategy: not strategy.cold_start,
    "remembers by its notes alone, if it has memory": lambda strategy: not isinstance(strategy, MemoryStrategy),
    "its settings cannot be assigned": lambda strategy: not type(strategy).model_fields,
}
"""Laws that are not about every strategy: which ones they may leave out."""


def create(part: Part) -> strategies.Strategy:
    return strategies.create(part.name, **part.settings)


@every_strategy
@pytest.mark.parametrize("law", laws_of("Strategy"), ids=str)
def test_every_strategy_keeps_every_law(part: Part, law: Law[strategies.Strategy]):
    strategy = create(part)
    try:
        law.holds(strategy)
    except NotApplicable:
        assert NOT_ABOUT[law.statement](strategy)
    else:
        assert law.statement not in NOT_ABOUT or not NOT_ABOUT[law.statement](strategy)


@every_strategy
@settings(max_examples=25)
@given(data=draw.data())
def test_holds_for_any_small_pool(part: Part, data: draw.DataObject):
    rows = data.draw(draw.integers(1, 30), "rows")
    labeled = data.draw(draw.integers(0, rows), "labeled")
    strategy = create(part)
    pool = make_pool(
        rows,
        data.draw(draw.integers(2, 5), "classes"),
        data.draw(draw.integers(1, 4), "dimensions"),
        labeled,
        data.draw(draw.integers(0, 10_000), "seed"),
    )
    chosen_on("any", strategy, with_facts(pool, strategy), data.draw(draw.integers(0, rows - labeled), "budget"))


@every_strategy
def test_the_order_of_the_rows_does_not_matter(part: Part):
    """A law of views, which sort their rows: a strategy cannot break it."""
    strategy = create(part)
    pool = with_facts(make_pool(300), strategy)
    order = np.random.default_rng(1).permutation(300)
    shuffled = PoolView.from_arrays(
        pool.embeddings[order],
        pool.probabilities[order],
        pool.labeled,
        pool.labels,
        ids=order,
        facts={name: values[order] for name, values in pool.facts.items()},
    )
    expected = chosen_on("in order", strategy, pool, 25)
    np.testing.assert_array_equal(chosen_on("shuffled", strategy, pool, 25, shuffled), expected)


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
