"""The registry that ships with the sources: every strategy on pools that anyone can have, packed and consistent."""

from collections import Counter
from pathlib import Path

import pytest

from labelbench_ray.registry.boards import boards
from labelbench_ray.registry.check import Checked, Tier, check, unpaired

FOLDER = Path(__file__).parents[2] / "experiments" / "registry"
MOST_BYTES = 10_000_000
SEEDS = 5


@pytest.fixture(scope="module")
def found() -> tuple[Checked, ...]:
    if not FOLDER.is_dir():
        pytest.skip("the packages of a release leave it out")
    return check(sorted(FOLDER.iterdir()))


def test_it_is_checked_complete_and_small(found):
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= MOST_BYTES
    for each in found:
        assert {*each.tiers.values()} == {Tier.CHECKED}
    assert [*unpaired(found)] == []


def test_every_board_has_every_strategy_on_the_same_seeds(found):
    tiers = {name: tier for each in found for name, tier in each.tiers.items()}
    every = boards(found, tiers)
    names = [frozenset(row.strategy for row in board.comparison.rows) for board in every]
    assert len({*names}) == 1
    assert len(names[0]) >= 25
    for board in every:
        assert Counter(len(row.curves.seeds) for row in board.comparison.rows) == {SEEDS: len(names[0])}
        assert board.dropped == 0
