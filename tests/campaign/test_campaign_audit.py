"""Audit rows: a uniform sample that neither the order of the pool nor its growth changes, and that scores the model."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelbench_ray.campaign.audit import (
    audit_limit,
    audit_order,
    audit_reserve,
    audited_accuracy,
    default_reserve,
    next_audit_rows,
    training_rows,
)
from labelbench_ray.errors import ConfigError

ROWS = [f"photos/{number}.jpg" for number in range(2000)]


@given(st.sets(st.text(max_size=8), min_size=2, max_size=40), st.randoms(use_true_random=False), st.text(max_size=5))
def test_the_order_depends_on_the_rows_alone(rows, shuffler, key):
    order = audit_order(rows, key)
    assert sorted(order) == sorted(rows)
    assert audit_order(shuffler.sample(sorted(rows), len(rows)), key) == order
    some = shuffler.sample(sorted(rows), len(rows) // 2)
    assert audit_order(some, key) == [row for row in order if row in set(some)]


def test_another_key_gives_another_order():
    assert audit_order(ROWS, "a")[:100] != audit_order(ROWS, "b")[:100]


def test_the_order_is_uniform():
    """Over 400 keys each tenth of the pool has a tenth of the first 200 places."""
    counts = np.zeros(10)
    for key in range(400):
        counts += np.bincount([int(row[7:-4]) // 200 for row in audit_order(ROWS, str(key))[:200]], minlength=10)
    assert np.abs(counts / 8000 - 1).max() < 4 / np.sqrt(8000)


@given(st.integers(1, 100), st.integers(0, 300))
def test_rows_that_join_the_pool_move_none_in_or_out(reserve, new):
    limit = audit_limit(ROWS[:1000], "key", reserve)
    before = audit_reserve(ROWS[:1000], "key", limit)
    assert before == audit_order(ROWS[:1000], "key")[:reserve]
    after = audit_reserve(ROWS[: 1000 + new], "key", limit)
    assert [row for row in after if row in set(ROWS[:1000])] == before


@pytest.mark.parametrize(("rows", "reserve"), [(5, 0), (300, 30), (9_999, 999), (1_000_000, 1000)])
def test_the_default_reserve(rows, reserve):
    assert default_reserve(rows) == reserve


def test_no_reserve_has_no_rows():
    assert audit_reserve(ROWS, "key", audit_limit(ROWS, "key", 0)) == []


@pytest.mark.parametrize("reserve", [-1, 2000, 2001])
def test_a_reserve_that_leaves_no_rows_is_refused(reserve):
    with pytest.raises(ConfigError, match=r"of a pool of 2,000; .* the default is 200"):
        audit_limit(ROWS, "key", reserve)


def test_each_batch_asks_for_the_next_tenth_of_its_budget():
    order = audit_reserve(ROWS, "key", audit_limit(ROWS, "key", 25))
    asked: list[str] = []
    sizes = []
    for budget in (100, 100, 4, 5, 100, 100):
        rows = next_audit_rows(order, asked, budget)
        assert rows == order[len(asked) : len(asked) + len(rows)]
        asked += rows
        sizes.append(len(rows))
    assert sizes == [10, 10, 0, 1, 4, 0]


def test_audit_rows_are_trained_on_only_when_they_are_released():
    assert training_rows(["a", "b", "c"], ["b", "d"], release_audit=False) == ["a", "c"]
    assert training_rows(["a", "b", "c"], ["b", "d"], release_audit=True) == ["a", "b", "c"]


def test_answered_audit_rows_score_the_model():
    """Half of 200 audit rows have answers; other rows' answers do not count."""
    reserve = audit_order(ROWS, "key")[:200]
    rng = np.random.default_rng(0)
    confidence_R = rng.beta(4, 2, 200)
    predicted_R = np.ones(200, np.int64)
    labels = {row: int(rng.random() < confidence_R[place]) for place, row in enumerate(reserve[:100])}
    found = audited_accuracy(reserve, labels | {"elsewhere": 0}, predicted_R, confidence_R, 2000)
    assert found is not None
    assert (found.answered, found.errors) == (100, 100 - sum(labels.values()))
    assert found.method == "strata"
    assert audited_accuracy(reserve, {"elsewhere": 0}, predicted_R, confidence_R, 2000) is None
