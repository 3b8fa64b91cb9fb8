"""Scorers choose what one process chooses, with any number of actors, and when one of them dies."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
from numpy.typing import NDArray

from labelbench_ray import strategies
from labelbench_ray.cluster.jobs import RayProcesses
from labelbench_ray.cluster.scorers import Scorers, ScorerView
from labelbench_ray.datasets import SPLITS
from labelbench_ray.embeddings.shards import ShardRows
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.pool.blocks import LinearModel
from labelbench_ray.pool.facts import Facts
from labelbench_ray.proxies.multitask.fit import one_by_one
from labelbench_ray.proxies.multitask.moments import TaskRows, task_moments
from labelbench_ray.strategies import ChosenRound
from labelbench_ray.trial.fit_light import StoredInputs, in_process
from labelbench_ray.types import PoolView, Shard
from tests.samples import write_module, write_store

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("cluster")]
PAGE = Path(__file__).parents[2] / "docs" / "plugins.md"
ROWS, DIMENSIONS, CLASSES = 20_000, 16, 5
FACTS = sorted({fact for name in strategies.names() for fact in strategies.create(name).facts})
"""What any strategy reads."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> EmbeddingStore:
    """A finished store of random embeddings: five blocks and a bit."""
    rng = np.random.default_rng(0)
    made_up = {name: rng.integers(1, 100, ROWS).astype(np.float64) for name in FACTS}
    splits = {
        split: [
            ShardRows(
                [f"{row:05d}" for row in range(rows)],
                rng.integers(0, CLASSES, rows),
                rng.normal(size=(rows, DIMENSIONS)).astype(np.float16),
                {},
                facts=Facts(number=np.arange(rows, dtype=np.float64), **made_up) if split == "pool" else Facts(),
            )
        ]
        for split, rows in zip(SPLITS, (ROWS, 10, 10), strict=True)
    }
    directory = tmp_path_factory.mktemp("store") / "synthetic"
    return write_store(
        directory,
        splits,
        classes=tuple("abcde"),
        dimensions=DIMENSIONS,
        facts={"number": "a hash"} | dict.fromkeys(FACTS, "a hash"),
    )


def model() -> LinearModel:
    rng = np.random.default_rng(1)
    return LinearModel(rng.normal(size=(DIMENSIONS, CLASSES)).astype(np.float32), np.zeros(CLASSES, np.float32))


def choose(view: PoolView, name: str, truth: NDArray[np.int64], budget: int = 100) -> list[int]:
    rng = np.random.default_rng(2)
    return strategies.create(name).select(view, budget, rng, ask=lambda ids: truth[ids]).tolist()


def test_the_sums_of_each_task_are_a_ray_task_of_their_own(store: EmbeddingStore) -> None:
    """Six tasks, at most two at a time; `multitask_linear` fits the same model from them."""
    embedded = store.arrays()
    answers_N = embedded.pool.embeddings_ND[:, 0].astype(np.float64)
    tasks = [TaskRows(ids_L, answers_N[ids_L]) for ids_L in np.array_split(np.arange(3000), 6)]
    moments = partial(task_moments, StoredInputs(embedded))
    there, here = RayProcesses(scorers=2).map(moments, tasks), one_by_one(moments, tasks)
    assert len(there) == 6
    for found, expected in zip(there, here, strict=True):
        for half in ("first", "second"):
            one, other = getattr(found, half), getattr(expected, half)
            assert (one.rows, one.answers) == (other.rows, other.answers)
            np.testing.assert_array_equal(one.squares_DD, other.squares_DD)
            np.testing.assert_array_equal(one.products_D, other.products_D)


@pytest.mark.parametrize("actors", [1, 3])  # two are next
def test_the_number_of_scorers_does_not_matter(store: EmbeddingStore, actors: int) -> None:
    truth = store.arrays().pool.labels_N
    labeled = np.arange(0, ROWS, 7)
    scorers = Scorers(store, actors)
    try:
        for name in ("margin", "badge", "coreset"):
            views = [some(model(), labeled, truth[labeled]) for some in (scorers, in_process(store.arrays()))]
            assert choose(views[0], name, truth, 500) == choose(views[1], name, truth, 500)
    finally:
        scorers.close()


@pytest.fixture(scope="module")
def two(cluster: None, store: EmbeddingStore) -> Iterator[Scorers]:
    """Two scorers."""
    scorers = Scorers(store, 2)
    yield scorers
    scorers.close()


@pytest.mark.parametrize("name", strategies.names())
def test_every_strategy_chooses_the_same_ids_as_in_process(store: EmbeddingStore, two: Scorers, name: str) -> None:
    truth = store.arrays().pool.labels_N
    labeled = np.arange(0, ROWS, 40)
    alone = in_process(store.arrays())(model(), labeled, truth[labeled])
    assert choose(two(model(), labeled, truth[labeled]), name, truth) == choose(alone, name, truth)


def test_a_strategy_with_memory_writes_the_same_notes(
    store: EmbeddingStore, two: Scorers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (text,) = (text for text in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL) if "class Arms" in text)
    strategy = strategies.create(write_module(tmp_path, "arms", text, monkeypatch))
    labeled, truth = np.arange(0, ROWS, 40), store.arrays().pool.labels_N
    earlier = ChosenRound(labeled, truth[labeled], np.arange(len(labeled)) // 100)
    chosen = [
        strategy.select_with_notes(
            some(model(), labeled, truth[labeled]), 100, np.random.default_rng(2), None, (earlier,)
        )
        for some in (two, in_process(store.arrays()))
    ]
    assert chosen[0].ids.tolist() == chosen[1].ids.tolist()
    assert chosen[0].notes.tolist() == chosen[1].notes.tolist()
    assert set(chosen[0].notes.tolist()) == {0, 1}


def facts_of(shard: Shard) -> NDArray[np.float64]:
    return shard.facts["number"]


def ids_of(shard: Shard) -> NDArray[np.int64]:
    return shard.ids_S


def test_a_restricted_view_has_only_the_rows_it_names(store: EmbeddingStore, two: Scorers) -> None:
    nothing = np.empty(0, np.int64)
    some = np.arange(0, ROWS, 3)[::-1]
    view = two(model(), nothing, nothing)
    only = view.only(some)
    np.testing.assert_array_equal(only.open_ids(), np.sort(some))
    assert only.num_unlabeled == len(some)
    assert only.fact_names == tuple(sorted(["number", *FACTS]))
    assert [facts_S.tolist() for facts_S in only.map(facts_of)] == [ids_S.tolist() for ids_S in view.map(ids_of)]
    np.testing.assert_array_equal(view.open_ids(), np.arange(ROWS))
    np.testing.assert_array_equal(
        only.only(some[:5]).embeddings(some[:5]),
        in_process(store.arrays())(model(), nothing, nothing).embeddings(some[:5]),
    )


@pytest.mark.parametrize(
    ("mistake", "states"),
    [
        ("score", r"tests/ray/raising\.py, line \d+: UnfitToTravel: planned in score"),
        ("nan", r"RaisingScores\.score returned nan for row \d+; scores must be finite \(did .*\)"),
    ],
)
def test_what_an_own_strategy_does_wrong_in_a_scorer_is_one_line(two: Scorers, mistake: str, states: str) -> None:
    nothing = np.empty(0, np.int64)
    strategy = strategies.create("tests.ray.raising", mistake=mistake)
    with pytest.raises(ValueError, match=rf"^{states}$"):
        strategy.select(two(model(), nothing, nothing), 10, np.random.default_rng(0))


@pytest.mark.parametrize(("name", "actor"), [("coreset", 0), ("galaxy", 1)])  # many calls of two kinds
def test_a_scorer_that_dies_in_a_selection_is_rebuilt_and_the_choice_is_the_same(
    store: EmbeddingStore, two: Scorers, name: str, actor: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = store.arrays().pool.labels_N
    labeled = np.arange(0, ROWS, 40)
    calls = 0
    map_of_all = ScorerView.map

    def counted(view: ScorerView, *arguments: Any) -> list[Any]:
        nonlocal calls
        calls += 1
        if calls == deadly:
            ray.kill(view.actors[actor], no_restart=False)
        return map_of_all(view, *arguments)

    monkeypatch.setattr(ScorerView, "map", counted)
    deadly = 0
    before = choose(two(model(), labeled, truth[labeled]), name, truth)
    deadly = calls + (calls + 1) // 2
    assert choose(two(model(), labeled, truth[labeled]), name, truth) == before
    assert calls >= deadly, "no scorer died"
