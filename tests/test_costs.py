"""Sums of what was spent, money, and stages that lie in one another."""

import time

import pytest
from pydantic import ValidationError

from labelbench_ray.costs import Cost, Prices, Stopwatch, total


def burn(seconds: float) -> None:
    start = time.process_time()
    while time.process_time() - start < seconds:
        pass


def test_sums_by_hand():
    assert Cost(1.0, 2.0, 3.0, 4) + Cost(10.0, 20.0, 30.0, 40) == Cost(11.0, 22.0, 33.0, 44)
    assert total([]) == Cost()
    assert total([Cost(1.0), Cost(0.0, 2.0), Cost(0.0, 0.0, 0.5, 7)]) == Cost(1.0, 2.0, 0.5, 7)
    assert Cost(8.0, 4.0, 2.0, 100).part(0.25) == Cost(2.0, 1.0, 0.5, 25)
    assert Cost(8.0, 4.0, 2.0).computing == 6.0


def test_money_by_hand():
    prices = Prices(label=0.02, cpu_hour=0.04, gpu_hour=3.0, currency="EUR")
    assert prices.money(Cost(wall=999.0, cpu=7200.0, gpu=1800.0), labels=500) == pytest.approx(10 + 0.08 + 1.5)
    assert prices.money(Cost()) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"label": -0.01},
        {"cpu_hour": -1},
        {"gpu_hour": float("nan")},
        {"gpu_hour": float("inf")},
        {"currency": ""},
        {"label": "cheap"},
        {"labels": 1},
    ],
)
def test_prices_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        Prices(**wrong)


def test_stages_are_kept_apart_and_not_counted_twice():
    watch = Stopwatch()
    start = time.perf_counter()
    with watch.stage("outer", gpus=2):
        time.sleep(0.02)
        for _ in range(2):
            with watch.stage("inner", gpus=1):
                burn(0.02)
    elapsed = time.perf_counter() - start
    spent = watch.lap()
    assert 0.06 <= total(spent.values()).wall <= elapsed
    assert 0.04 <= spent["inner"].cpu < 0.08, "twice what was burned"
    assert spent["inner"].gpu == pytest.approx(spent["inner"].wall)
    assert spent["outer"].wall >= 0.02
    assert spent["outer"].cpu < 0.01  # it slept
    assert spent["outer"].gpu == pytest.approx(2 * spent["outer"].wall)
    assert watch.lap() == {}


def test_a_stage_that_raises_is_counted_and_closed():
    watch = Stopwatch()
    with pytest.raises(KeyError), watch.stage("fit"), watch.stage("score"):
        raise KeyError
    with watch.stage("fit"):
        burn(0.01)
    assert set(watch.spent) == {"fit", "score"}
    assert watch.spent["fit"].cpu >= 0.01
