"""Audit rows: a uniform sample that neither the order of the pool nor its growth changes, and that scores the model."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelbench_ray.campaign.audit import (
    AuditRows,
    audit_limit,
    audit_order,
    audit_reserve,
    audit_rows,
    default_reserve,
    next_audit_rows,
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


def of_one_version(reserve, asked, labels, population) -> AuditRows:
    return audit_rows(reserve, np.zeros(len(reserve), np.int64), np.array([population]), asked, labels)


def test_answered_audit_rows_score_the_model():
    """Half of 200 audit rows have answers; other rows' answers do not count."""
    reserve = audit_order(ROWS, "key")[:200]
    rng = np.random.default_rng(0)
    confidence_R = rng.beta(4, 2, 200)
    predicted_R = np.ones(200, np.int64)
    labels = {row: int(rng.random() < confidence_R[place]) for place, row in enumerate(reserve[:100])}
    rows = of_one_version(reserve, reserve[:100], labels | {"elsewhere": 0}, 2000)
    found = rows.estimate(predicted_R, confidence_R)
    assert found is not None
    assert (len(rows), found.answered, found.errors) == (100, 100, 100 - sum(labels.values()))
    assert found.method == "strata"
    assert of_one_version(reserve, reserve[:100], {"elsewhere": 0}, 2000).estimate(predicted_R, confidence_R) is None


def rows_with_labels(asked, labeled) -> list[str]:
    """Which of the audit rows a to f score models."""
    rows = audit_rows([*"abcdef"], np.array([0, 0, 0, 1, 1, 1]), np.array([9, 9]), asked, dict.fromkeys(labeled, 0))
    return [row for row, label in zip("abcdef", rows.labels_R, strict=True) if label >= 0]


def test_a_label_that_no_batch_asked_for_counts_where_the_order_has_come_to_its_row():
    assert rows_with_labels("b", "abc") == ["a", "b"]
    assert rows_with_labels("be", "bcdef") == ["b", "d", "e"]
    assert rows_with_labels("", "abcdef") == []
    assert rows_with_labels("c", "") == []


def simulated(repeats, old, gained, batches, extra=lambda reserve, correct: []):
    """The mean error of the estimate, and how often its interval holds the truth; of a pool that gained rows.

    Args:
        repeats: other pools.
        old: the model's accuracy on the pool's 600 rows.
        gained: its accuracy on each later row.
        batches: budgets before the pool gained rows, and after it.
        extra: labeled rows that no batch asked for, given the reserve, and whether the model is right by row.
    """
    errors, held = [], []
    for seed in range(repeats):
        rng = np.random.default_rng(seed)
        before, later = ROWS[:600], ROWS[600 : 600 + len(gained)]
        limit, every = audit_limit(before, str(seed), 200), [*before, *later]
        correct = dict(zip(every, (rng.random(len(every)) < [old] * 600 + gained).tolist(), strict=True))
        labeled, asked = [*extra(audit_reserve(before, str(seed), limit), correct)], []
        for budget, pool in zip(batches, (before, every), strict=True):
            asked += next_audit_rows(audit_reserve(pool, str(seed), limit), [*asked, *labeled], budget)
        reserve = audit_reserve(every, str(seed), limit)
        labels = {row: int(correct[row]) for row in [*asked, *labeled]}
        version_R = np.isin(reserve, later).astype(np.int64)
        rows_V = np.array([600, len(later)])[: 1 + bool(later)]
        rows = audit_rows(reserve, version_R, rows_V, asked, labels)
        found = rows.estimate(np.ones(len(reserve), np.int64), rng.uniform(0.6, 1, len(reserve)))
        scored = set(np.flatnonzero(np.isin([0, 1], rows.scored_V)))
        truth = np.mean([right for row, right in correct.items() if (row in set(later)) in scored])
        errors.append(found.accuracy - truth)
        held.append(found.low <= truth <= found.high)
    return float(np.mean(errors)), float(np.mean(held))


def wrong_ones(reserve, correct):
    """40 labeled rows that the model gets wrong, which people chose."""
    return [row for row in reserve if not correct[row]][:40]


def test_labels_that_people_chose_leave_the_estimate_without_bias():
    """Each label in the reserve would move it down by 10 points; leaving these rows out would move it up by 24."""
    bias, held = simulated(100, 0.75, [], [1000, 0], wrong_ones)
    assert abs(bias) < 0.012
    assert held >= 0.9


@pytest.mark.parametrize("after", [0, 600])
def test_rows_of_another_kind_that_join_the_pool_leave_the_estimate_without_bias(after):
    """The model has 85 % of the first rows right, and 45 % of as many later ones; 150 answers came before these.

    Until later rows are asked for, the estimate is for the first ones. It was 20 points above the truth.
    """
    bias, held = simulated(100, 0.85, [0.45] * 600, [1500, after])
    assert abs(bias) < 0.015
    assert held >= 0.9


def test_the_estimate_states_which_rows_it_is_for():
    reserve, version_R = [str(row) for row in range(60)], np.repeat([0, 1], [40, 20])
    labels = dict.fromkeys(reserve[:49], 1)
    rows = audit_rows(reserve, version_R, np.array([400, 200]), reserve, labels)
    found = rows.estimate(np.ones(60, np.int64), np.full(60, 0.9))
    assert found.answered == 40
    assert found.sentence.endswith(
        " It is for 400 of the pool's 600 rows: the other 200 came at other times, and too few of them measure the "
        "model so far (9; 10 of each time)."
    )
    both = audit_rows(reserve, version_R, np.array([400, 200]), reserve, labels | {reserve[49]: 0})
    found = both.estimate(np.ones(60, np.int64), np.full(60, 0.9))
    assert found.accuracy == pytest.approx(2 / 3 + 0.9 / 3)
    assert "It is for" not in found.sentence
