"""Who labels which row: every row as often as asked, equal loads, pairs that share evenly."""

from itertools import combinations

import pytest

from labelbench_ray.campaign.annotators import plan
from labelbench_ray.errors import ConfigError

MANY = [(annotators, overlap) for annotators in range(1, 8) for overlap in range(1, annotators + 1)]


@pytest.mark.parametrize(("annotators", "overlap"), MANY)
def test_rows_loads_and_pairs(annotators, overlap):
    for num_rows in (0, 1, 5, 12, 33):
        groups = plan(num_rows, annotators, overlap)
        assert [len({*group}) for group in groups] == [overlap] * num_rows
        assert groups == [sorted(group) for group in groups]
        loads = [sum(each in group for group in groups) for each in range(annotators)]
        assert max(loads) - min(loads) <= 1
        pairs = [sum({*pair} <= {*group} for group in groups) for pair in combinations(range(annotators), 2)]
        assert not pairs or max(pairs) - min(pairs) <= 3


def test_pairs_of_three_share_exactly_evenly():
    groups = plan(300, 3, 2)
    assert {sum({*pair} <= {*group} for group in groups) for pair in combinations(range(3), 2)} == {100}


def test_a_plan_is_the_same_each_time():
    assert plan(50, 6, 2) == plan(50, 6, 2)


def test_many_annotators():
    groups = plan(200, 40, 5)
    loads = [sum(each in group for group in groups) for each in range(40)]
    assert {*loads} == {25}


@pytest.mark.parametrize(("annotators", "overlap"), [(2, 3), (0, 1), (3, 0)])
def test_more_answers_than_annotators_are_refused(annotators, overlap):
    with pytest.raises(ConfigError, match=r"--overlap"):
        plan(10, annotators, overlap)
