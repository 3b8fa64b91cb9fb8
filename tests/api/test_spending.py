"""What a run may take: hours on the clock, and the price of what it adds."""

import pytest

from labelbench_ray.api.spending import SpendingLimit
from labelbench_ray.costs import HOUR, Cost, Prices

PRICES = Prices(label=0.5, cpu_hour=2, gpu_hour=10, currency="EUR")


def test_hours_pass_on_the_clock():
    now = 100.0
    limit = SpendingLimit(max_hours=2, clock=lambda: now)
    now += 2 * HOUR - 1
    assert limit.reached is None
    now += 1
    assert limit.reached == "--max-hours 2 is reached after 2.00 hours"


@pytest.mark.parametrize(
    ("computing", "labels", "reached"),
    [
        (Cost(cpu=HOUR), 0, False),
        (Cost(cpu=2 * HOUR), 0, True),
        (Cost(gpu=0.4 * HOUR), 0, True),
        (Cost(), 7, False),
        (Cost(), 8, True),
        (Cost(cpu=HOUR), 4, True),
        (Cost(wall=1000 * HOUR), 0, False),
    ],
)
def test_cost_is_computing_and_labels_of_people_at_the_prices_of_the_report(
    computing: Cost, labels: int, reached: bool
):
    limit = SpendingLimit(max_cost=4, prices=PRICES)
    limit.add(computing, labels)
    assert (limit.reached is not None) == reached
    if reached:
        assert limit.reached == "--max-cost 4 is reached: this run took 4.00 EUR"


def test_without_a_limit_nothing_is_reached():
    limit = SpendingLimit()
    limit.add(Cost(cpu=1e12, gpu=1e12), 10**9)
    assert limit.reached is None
