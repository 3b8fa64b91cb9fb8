"""TAILOR and its control, the uniform mixture. The numbers in names are those of the acceptance tests that were asked
for: posterior, worth, law of the arms, a bandit with known arms, drift, no leak of labels, shards, several labels.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from labelbench_ray import plugins, strategies
from labelbench_ray.config import Part, vary
from labelbench_ray.contracts.pools import make_multi_label_pool
from labelbench_ray.ledger.records import RoundRecord
from labelbench_ray.ledger.trials import Ledger
from labelbench_ray.pool.distributions import BERNOULLI, CATEGORICAL
from labelbench_ray.strategies import NO_NOTE, ChosenRound, RowStrategy, tailor
from labelbench_ray.strategies._ranking import subkey
from labelbench_ray.strategies._rare_classes import worth
from labelbench_ray.strategies.tailor import Posterior, posterior
from labelbench_ray.types import BLOCK_ROWS, Block, PoolView
from tests.full_trials import DIGITS
from tests.samples import Pool, make_pool
from tests.test_facts import environment_of, run_locally
from tests.test_loop import untimed

MODULE = __name__
FIVE = tuple(Part.of(MODULE, arm=arm) for arm in range(5))
CHANCES = np.array([0.02, 0.05, 0.1, 0.2, 0.5])
"""How often a row of each arm is of the rare class."""
PER_ARM, BATCH, ROUNDS = 1200, 50, 20


class Dead(BaseException):
    """Stands for the end of a process: nothing of ours catches it."""


class OwnRows(RowStrategy):
    """The rows whose embedding names this arm: an arm of known quality."""

    arm: int = 0

    def score(self, block: Block) -> np.ndarray:
        return (block.embeddings_BD[:, 0] == self.arm).astype(np.float64)


def rounds_of(*rounds: tuple[list[int], list[int]]) -> list[ChosenRound]:
    return [
        ChosenRound(np.arange(len(labels)), np.array(labels), np.array(notes, np.int64)) for labels, notes in rounds
    ]


def test_1_the_posterior_is_a_fold_that_forgets():
    first = ([0, 1, 1, 2], [0, 0, 1, 1])
    once = posterior(rounds_of(first), np.arange(2), 3, CATEGORICAL, decay=0.9)
    np.testing.assert_allclose(once.there_AK, 0.9 + np.array([[1, 1, 0], [0, 1, 1]]))
    twice = posterior(rounds_of(first, ([2], [0])), np.arange(2), 3, CATEGORICAL, decay=0.9)
    np.testing.assert_allclose(once.means_AK[0], np.array([2.9, 2.9, 1.9]) / 7.7)
    np.testing.assert_allclose(twice.there_AK, 0.9 * once.there_AK + np.array([[0, 0, 1], [0, 0, 0]]))


def test_1_rows_without_a_note_change_nothing():
    without = posterior(rounds_of(([0, 1], [NO_NOTE, NO_NOTE])), np.arange(2), 3, CATEGORICAL, decay=0.9)
    np.testing.assert_array_equal(without.there_AK, np.ones((2, 3)))


@pytest.mark.parametrize("stop_after", [1, 2, 3])
def test_1_a_trial_that_was_interrupted_records_the_same_ids_and_notes(tmp_path, stop_after: int):
    trial = vary(DIGITS, strategy="tailor", rounds=4, budget=20)
    complete = run_locally(environment_of(tmp_path / "complete" / "runs", tmp_path), trial)
    assert [len(record.notes) for record in complete] == [0, 20, 20, 20]
    elsewhere = environment_of(tmp_path / "resumed" / "runs", tmp_path)
    for rounds in (stop_after, 4):
        resumed = run_locally(elsewhere, vary(trial, rounds=rounds))
    assert untimed(resumed) == untimed(complete)


def test_1_a_trial_that_is_killed_before_its_round_is_recorded_ends_with_an_equal_ledger(
    tmp_path, monkeypatch: pytest.MonkeyPatch
):
    trial = vary(DIGITS, strategy="tailor", rounds=4, budget=20)
    complete = run_locally(environment_of(tmp_path / "complete" / "runs", tmp_path), trial)
    elsewhere, publish = environment_of(tmp_path / "killed" / "runs", tmp_path), Ledger.publish

    def dying(ledger: Ledger, number: int, *given: Any, **named: Any) -> RoundRecord:
        if number == 2:
            raise Dead
        return publish(ledger, number, *given, **named)

    with monkeypatch.context() as deadly:
        deadly.setattr(Ledger, "publish", dying)
        with pytest.raises(Dead):
            run_locally(elsewhere, trial)
    assert untimed(run_locally(elsewhere, trial)) == untimed(complete)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [((60, 30, 10), (-1 / 60, 1 / 30, 1 / 10)), ((0, 5, 5), (1, 0.2, 0.2)), ((0, 0), (1, 1)), ((0, 4), (1, -0.25))],
)
def test_2_a_label_is_worth_the_inverse_of_its_class_s_labels_and_a_majority_costs(
    counts: tuple[int, ...], expected: tuple[float, ...]
):
    np.testing.assert_allclose(worth(np.array(counts), sum(counts)), expected)


def test_3_an_arm_is_played_as_often_as_its_draws_are_the_largest():
    there_AK = np.array([[3.0, 1.0, 9.0], [1.5, 4.0, 2.0], [1.0, 1.0, 1.0], [2.0, 7.5, 20.0]])
    worth_K = np.array([1.0, 0.25, -0.125])
    turns = Posterior(there_AK, None).turns(worth_K, 50_000, np.random.default_rng(0))
    rng = np.random.default_rng(1)
    draws = np.stack([rng.dirichlet(each + 1, 200_000) @ worth_K for each in there_AK])
    expected = np.bincount(draws.argmax(axis=0), minlength=4) / 200_000
    assert stats.chisquare(np.bincount(turns, minlength=4), 50_000 * expected).pvalue > 1e-3


def test_3_arms_that_are_alike_are_played_equally_often():
    turns = Posterior(np.full((5, 4), 2.5), None).turns(np.array([1, 0.5, 0.5, -0.1]), 50_000, np.random.default_rng(0))
    assert stats.chisquare(np.bincount(turns, minlength=5)).pvalue > 1e-3


def test_3_how_many_draws_are_held_at_a_time_does_not_matter(monkeypatch: pytest.MonkeyPatch):
    worth_K, frozen = np.array([1, 0.5, 0.25, -0.1]), Posterior(np.full((5, 4), 2.5), None)
    turns = frozen.turns(worth_K, 1000, np.random.default_rng(0))
    monkeypatch.setattr(tailor, "DRAWN", 60)
    np.testing.assert_array_equal(frozen.turns(worth_K, 1000, np.random.default_rng(0)), turns)


def bandit(strategy: strategies.Strategy, swap_at: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(rounds, arms) shares of the rows of each arm, and (rounds,) rare rows found, where arms 0 and 4 are exchanged
    from a round on.
    """
    rng = np.random.default_rng(seed)
    arm_N = np.repeat(np.arange(5), PER_ARM)
    early_N, late_N = (
        (rng.random(len(arm_N)) < chances[arm_N]).astype(int) for chances in (CHANCES, CHANCES[[4, 1, 2, 3, 0]])
    )
    embeddings = np.stack([arm_N, rng.random(len(arm_N))], axis=1).astype(np.float32)
    uniform = np.full((len(arm_N), 2), 0.5, np.float32)
    # The rare class is worth the same throughout: the view shows the first batch only.
    first = np.arange(0, len(arm_N), 120)
    view = PoolView.from_arrays(embeddings, uniform, first, early_N[first])
    left, history = np.setdiff1d(np.arange(len(arm_N)), first), []
    shares, found = np.empty((ROUNDS, 5)), np.empty(ROUNDS)
    for number in range(ROUNDS):
        rng = np.random.default_rng([seed, number])
        chosen = strategy.select_with_notes(view.only(left), BATCH, rng, history=tuple(history))
        labels = (early_N if number < swap_at else late_N)[chosen.ids]
        history.append(ChosenRound(chosen.ids, labels, chosen.notes))
        left = np.setdiff1d(left, chosen.ids)
        shares[number] = np.bincount(chosen.notes, minlength=5) / BATCH
        assert (arm_N[chosen.ids] == chosen.notes).all()
        found[number] = labels.sum()
    return shares, found


def five(name: str = "tailor", **settings: object) -> strategies.Strategy:
    return strategies.create(name, arms=FIVE, per_class=[], **settings)


def test_4_the_best_arm_is_found():
    runs = [bandit(five(), swap_at=ROUNDS, seed=seed) for seed in range(4)]
    shares = np.mean([shares for shares, _ in runs], axis=0)
    assert shares[-5:, 4].mean() > 0.6
    regret = 0.5 - np.mean([found for _, found in runs], axis=0) / BATCH
    assert regret[:2].mean() > 2 * regret[-5:].mean()


def test_4_the_mixture_plays_all_arms_alike():
    shares = np.mean([bandit(five("uniform_mixture"), swap_at=ROUNDS, seed=seed)[0] for seed in range(3)], axis=0)
    assert np.abs(shares.mean(axis=0) - 0.2).max() < 0.03


def test_5_forgetting_finds_the_arm_that_is_best_now():
    """Without forgetting it takes longer, but it happens: the arm that was best disappoints."""
    forgetting, remembering = (
        np.mean([bandit(five(decay=decay), swap_at=10, seed=seed)[0] for seed in range(6)], axis=0)
        for decay in (0.9, 1.0)
    )
    recovered = 10 + int(np.argmax(forgetting[10:, 0] > 0.4))
    assert recovered < 18
    assert remembering[recovered, 0] < 0.2


def test_6_labels_of_this_batch_are_not_seen():
    pool = make_pool(200)
    for name in ("tailor", "uniform_mixture"):
        chosen = [
            strategies.create(name).select_with_notes(pool.view(), 30, np.random.default_rng(0), ask=ask)
            for ask in (None, lambda ids: pytest.fail(f"asked for {ids}"))
        ]
        np.testing.assert_array_equal(chosen[0].ids, chosen[1].ids)


def test_6_an_arm_that_asks_gets_answers_for_its_own_rows_only():
    pool, asked = make_pool(300), []
    strategy = strategies.create("tailor", arms=["galaxy", "margin", Part.of("direct", minimum_class_budget=3)])

    def ask(ids: np.ndarray) -> np.ndarray:
        asked.extend(ids.tolist())
        return pool.truth[ids]

    chosen = strategy.select_with_notes(pool.view(), 40, np.random.default_rng(0), ask=ask)
    galaxys = chosen.ids[chosen.notes == 0]
    assert set(galaxys.tolist()) <= set(asked) <= set(chosen.ids[np.isin(chosen.notes, [0, 2])].tolist())


def test_6_without_answers_an_arm_that_asks_chooses_by_the_labels_known_before():
    pool = make_pool(300)
    asking = ["galaxy", Part.of("direct", minimum_class_budget=3)]
    strategy = strategies.create("uniform_mixture", arms=[*asking, "margin"], per_class=[])
    assert not strategy.needs_ask
    chosen = strategy.select_with_notes(pool.view(), 60, np.random.default_rng(0))
    assert set(chosen.notes.tolist()) == {0, 1, 2}
    # Nothing is asked for: the same rows, whatever the answers are.
    rows = chosen.ids[chosen.notes == 0]
    relabeled = replace(pool, truth=np.zeros_like(pool.truth))
    again = strategy.select_with_notes(relabeled.view(), 60, np.random.default_rng(0))
    np.testing.assert_array_equal(again.ids[again.notes == 0], rows)
    # The first arm chooses from the complete view: its batch is that of GALAXY whose answers all arrive at the end.
    key = int(np.random.default_rng(0).integers(2**64, dtype=np.uint64))
    at_end = strategies.create("galaxy", parallel_annotators=len(rows))
    expected = at_end.select(
        pool.view(), len(rows), np.random.default_rng(subkey(key, "arm 0")), ask=lambda ids: pool.truth[ids]
    )
    np.testing.assert_array_equal(rows, expected)


def test_6_an_arm_of_an_arm_is_asked_where_there_are_answers():
    pool, asked = make_pool(300), []

    def ask(ids: np.ndarray) -> np.ndarray:
        asked.extend(ids.tolist())
        return pool.truth[ids]

    inner = Part.of("uniform_mixture", arms=["galaxy"], per_class=[])
    strategy = strategies.create("tailor", arms=[inner, "margin"], per_class=[])
    chosen = strategy.select_with_notes(pool.view(), 30, np.random.default_rng(0), ask=ask)
    assert asked == chosen.ids[chosen.notes == 0].tolist()


@pytest.mark.parametrize("name", ["tailor", "uniform_mixture"])
def test_7_one_shard_or_seven_give_the_same_ids_and_notes(name: str):
    pool = make_pool(7 * BLOCK_ROWS - 100, labeled=50)
    history = rounds_of((pool.labels[:30].tolist(), [0] * 15 + [3] * 15))
    one, seven = (
        strategies.create(name).select_with_notes(pool.view(shards), 60, np.random.default_rng(0), None, history)
        for shards in (1, 7)
    )
    np.testing.assert_array_equal(one.ids, seven.ids)
    np.testing.assert_array_equal(one.notes, seven.notes)


def test_8_of_independent_classes_rows_without_the_class_count_too():
    labels = np.array([[1, 0, -1], [0, 0, 1], [1, 1, 0]], np.int8)
    found = posterior([ChosenRound(np.arange(3), labels, np.array([0, 0, 1]))], np.arange(2), 3, BERNOULLI, decay=0.9)
    np.testing.assert_allclose(found.there_AK, 0.9 + np.array([[1, 0, 1], [1, 1, 0]]))
    np.testing.assert_allclose(found.means_AK[0], [1.9 / 3.8, 0.9 / 3.8, 1.9 / 2.8])
    np.testing.assert_allclose(found.absent_AK, 0.9 + np.array([[1, 2, 0], [0, 0, 1]]))


def test_8_independent_classes_are_drawn_from_beta_distributions():
    there_AK, absent_AK = np.array([[2.0, 5.0], [4.0, 1.0]]), np.array([[3.0, 1.0], [1.5, 6.0]])
    turns = Posterior(there_AK, absent_AK).turns(np.array([1.0, 0.5]), 50_000, np.random.default_rng(0))
    rng = np.random.default_rng(1)
    draws = rng.beta(there_AK, absent_AK, (200_000, 2, 2)) @ [1.0, 0.5]
    share = (draws.argmax(axis=1) == 1).mean()
    assert stats.binomtest(int(turns.sum()), 50_000, share).pvalue > 1e-3


def test_8_positives_are_an_objective_of_rows_with_several_labels_only():
    strategy = strategies.create("tailor", objective="positives")
    pool = make_multi_label_pool(100)
    assert len(strategy.select(pool.view(), 10, np.random.default_rng(0))) == 10
    with pytest.raises(ValueError, match=r"'positives' is for rows with several labels; .* use 'balance'"):
        strategy.select(make_pool(100).view(), 10, np.random.default_rng(0))


@pytest.mark.parametrize("name", ["tailor", "uniform_mixture"])
def test_9_arms_that_propose_the_same_rows_give_each_once(name: str):
    pool = make_pool(100)
    strategy = strategies.create(name, arms=["margin", "margin", "margin"], per_class=[])
    chosen = strategy.select_with_notes(pool.view(), 40, np.random.default_rng(0))
    margin = strategies.create("margin").select(pool.view(), 40, np.random.default_rng(5))
    assert chosen.ids.tolist() == margin.tolist(), "one order, whichever of them is played"
    assert set(chosen.notes.tolist()) == {0, 1, 2}


def rank(order: np.ndarray) -> Callable[[int], int]:
    return {row: place for place, row in enumerate(order.tolist())}.__getitem__


def test_an_arm_gives_its_best_rows_first_and_the_default_arms_are_seven_where_three_classes_are_rare():
    pool = with_rare_classes()
    chosen = strategies.create("uniform_mixture").select_with_notes(pool.view(), 70, np.random.default_rng(0))
    assert set(chosen.notes.tolist()) == {0, 1, 2, 3, 4, 5, 6}
    names = strategies.create("uniform_mixture").arm_names(4)  # type: ignore[attr-defined]
    assert names[3:5] == ("entropy", "most_likely_positive(classes=[0])")
    everything = len(pool.unlabeled)
    for note, part in [(2, Part(name="margin")), (5, Part.of("most_likely_positive", classes=[1]))]:
        order = plugins.build(strategies.Strategy, strategies.PACKAGE, part).select(
            pool.view(), everything, np.random.default_rng(1)
        )
        places = list(map(rank(order), chosen.ids[chosen.notes == note].tolist()))
        assert places == sorted(places)


def with_rare_classes() -> Pool:
    """Classes 0, 1 and 2 have one label in all, class 3 the other 19."""
    pool = make_pool(300)
    return replace(pool, labels=np.array([0] + [3] * 19))


def test_arms_of_the_classes_with_the_most_labels_are_left_out_beyond_the_largest_number():
    pool = with_rare_classes()
    few = strategies.create("uniform_mixture", arms=["margin"], max_arms=3)
    chosen = few.select_with_notes(pool.view(), 60, np.random.default_rng(0))
    assert set(chosen.notes.tolist()) == {0, 2, 3}, "class 0 has a label, classes 1 and 2 have none"


@pytest.mark.parametrize(
    ("settings", "states"),
    [
        ({"arms": []}, "arms: there is none"),
        ({"arms": ["margn"]}, "no strategy called 'margn'; did you mean 'margin'"),
        ({"arms": ["margin", "tailor"]}, r"arms\.1: 'tailor' keeps notes from round to round"),
        ({"per_class": ["margin"]}, "'margin' has no setting 'classes'"),
        ({"max_arms": 3}, "max_arms: 3 is less than the 4 arms"),
        ({"decay": 0}, "decay"),
    ],
)
def test_arms_that_cannot_be_played_are_refused(settings: dict[str, object], states: str):
    with pytest.raises(ValueError, match=states):
        strategies.create("tailor", **settings)


def test_an_arm_that_does_not_serve_the_pool_is_named():
    strategy = strategies.create("tailor", arms=["margin", "power_margin"])
    with pytest.raises(ValueError, match="PowerMargin serves pools of one label a row"):
        strategy.select(make_multi_label_pool(200).view(), 100, np.random.default_rng(0))


def test_the_recipe_holds_the_recipes_of_the_arms():
    part = Part.of("tailor", arms=["random", Part.of("most_likely_positive", classes=[2])], per_class=[])
    assert str(part) == "tailor(arms=[random, most_likely_positive(classes=[2])], per_class=[])"
    recipe = plugins.recipe("tailor", strategies.create("tailor", **part.settings))
    assert recipe["settings"]["arms"] == [  # type: ignore[index, call-overload]
        {"name": "random", "version": 1, "settings": {}},
        {"name": "most_likely_positive", "version": 1, "settings": {"classes": [2]}},
    ]
