"""The upper bound that sees labels: what it chooses, what it may not be used for, and that nothing ranks it."""

from collections.abc import Callable

import numpy as np
import pytest

from labelbench_ray import strategies
from labelbench_ray.config import Part, vary
from labelbench_ray.contracts.checking import check
from labelbench_ray.errors import ConfigError
from labelbench_ray.strategies.oracle_batch import OracleBatch
from labelbench_ray.tasks import serving
from labelbench_ray.trial import parts
from labelbench_ray.trial.upper_bounds import check_upper_bound
from labelbench_ray.types import Ids, PoolView
from tests.samples import make_pool
from tests.test_loop import BASE, EMBEDDED, run, untimed

SMALL = OracleBatch(strategies=(Part(name="margin"), Part(name="random")), candidates=6)
TRIAL = vary(
    BASE,
    strategy=Part.of("oracle_batch", strategies=("margin", "random"), candidates=6),
    trainer="logistic",
    rounds=3,
)


def choose(strategy: OracleBatch, view: PoolView, worth: Callable[[Ids], float], budget: int = 12) -> Ids:
    return strategy.select_by_worth(view, budget, np.random.default_rng(3), worth).ids


def test_it_chooses_the_candidate_that_is_worth_most_the_first_of_equal_ones() -> None:
    view, seen = make_pool(300, seed=1).view(), list[Ids]()

    def worth(ids_B: Ids) -> float:
        seen.append(ids_B)
        return float(len(seen) in (3, 5))

    chosen = choose(SMALL, view, worth)
    assert len(seen) == 6
    np.testing.assert_array_equal(chosen, seen[2])
    np.testing.assert_array_equal(seen[0], strategies.create("margin").select(view, 12, np.random.default_rng(0)))
    assert len({tuple(sorted(ids_B.tolist())) for ids_B in seen}) == 6  # samples make deterministic ones differ
    assert all(len(np.unique(ids_B)) == 12 and not np.isin(ids_B, view.labeled_L).any() for ids_B in seen)


def test_it_chooses_the_same_on_more_shards() -> None:
    pool = make_pool(5000, seed=2)
    found = [choose(SMALL, pool.view(shards=shards), lambda ids_B: float(ids_B.sum() % 97)) for shards in (1, 3)]
    np.testing.assert_array_equal(*found)


def test_a_trial_buys_the_batch_that_its_own_fit_finds_best(tmp_path) -> None:
    """The validation accuracy of each round is the best that any of its candidates reaches, and it can be continued."""
    records = run(tmp_path / "whole", TRIAL)
    run(tmp_path / "parts", TRIAL, stop_after=2)
    assert untimed(records) == untimed(run(tmp_path / "parts", TRIAL))
    alone = {
        name: run(tmp_path / name, vary(TRIAL, strategy=name, rounds=2))[1].metrics["Validation Accuracy"]
        for name in ("margin", "random")
    }
    assert records[1].metrics["Validation Accuracy"] >= alone["margin"]
    assert records[0].chosen == run(tmp_path / "margin", vary(TRIAL, strategy="margin", rounds=2))[0].chosen


def test_candidates_are_fitted_with_the_answers_of_the_oracle(tmp_path) -> None:
    noisy = vary(TRIAL, corrupter=Part.of("uniform_noise", fraction=0.5), rounds=2)
    found = run(tmp_path, noisy)[1]
    assert list(found.labels) != EMBEDDED.pool.labels_N[list(found.chosen)].tolist()


def test_it_is_in_no_list_of_strategies() -> None:
    assert "oracle_batch" not in strategies.names()
    assert "oracle_batch" not in serving(strategies.Strategy, strategies.PACKAGE, ["single_label"])
    with pytest.raises(ConfigError, match="one of") as refused:
        parts.build(vary(BASE, strategy="margin", proxy="gradient_boosting", first_batch="coreset", trainer="none"))
    assert "oracle_batch" not in str(refused.value)


@pytest.mark.parametrize(
    ("strategy", "rule"),
    [
        ({"strategies": ("galaxy",)}, "asks for labels while it chooses"),
        ({"strategies": ("tailor",)}, "keeps notes"),
        ({"strategies": ("oracle_batch",)}, "sees labels of the pool"),
        ({"strategies": ()}, "strategies"),
        ({"candidates": 0}, "candidates"),
    ],
)
def test_settings_that_cannot_be(strategy: dict[str, object], rule: str) -> None:
    with pytest.raises(ConfigError, match=rule):
        strategies.create("oracle_batch", **strategy)


def test_no_other_strategy_may_use_it() -> None:
    with pytest.raises(ConfigError, match="sees labels of the pool, which no other strategy may use"):
        strategies.create("subsample", strategy="oracle_batch")


def test_outside_of_a_trial_it_is_refused() -> None:
    with pytest.raises(ConfigError, match="only a trial whose labels are all known can use it"):
        SMALL.select(make_pool(100).view(), 5, np.random.default_rng(0))


def test_a_check_tries_what_is_about_it() -> None:
    found = check("labelbench_ray.strategies.oracle_batch")
    assert found.passed
    assert found.findings


def test_it_never_chooses_a_first_batch() -> None:
    assert not OracleBatch(strategies=(Part(name="random"),)).cold_start
    with pytest.raises(ConfigError, match="first_batch"):
        parts.build(vary(BASE, first_batch="oracle_batch"))


@pytest.mark.parametrize(
    ("fields", "validation", "rule"),
    [
        ({"oracle": "files"}, 40, "answers without the data set's"),
        ({}, 0, "has none; give it a validation split"),
    ],
)
def test_trials_that_do_not_know_labels_are_refused(fields: dict[str, str], validation: int, rule: str) -> None:
    built = parts.build(vary(TRIAL, **fields))
    with pytest.raises(ConfigError, match=rule):
        check_upper_bound(built, validation)
    check_upper_bound(parts.build(vary(TRIAL, strategy="margin", **fields)), validation)
    check_upper_bound(parts.build(TRIAL), None)
