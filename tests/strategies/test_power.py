"""Power sampling: the law of its draws, its limits, and what it takes as a base."""

import numpy as np
import pytest
from scipy import stats

from labelbench_ray import strategies
from labelbench_ray.plugins import Part
from labelbench_ray.types import PoolView
from tests.samples import make_pool, write_module

GAPS = np.array([0.05, 0.2, 0.4, 0.7, 0.9])
WEIGHTS = 1 - GAPS


def view_of(gaps: np.ndarray) -> PoolView:
    """Rows of two classes whose likeliest classes are so far apart."""
    probabilities = np.stack([(1 + gaps) / 2, (1 - gaps) / 2], axis=1).astype(np.float32)
    return PoolView.from_arrays(np.zeros((len(gaps), 1), np.float32), probabilities, [], [])


def draws(view: PoolView, budget: int, times: int, name: str = "power_margin", **settings: object) -> np.ndarray:
    strategy = strategies.create(name, **settings)
    return np.array([strategy.select(view, budget, np.random.default_rng(seed)) for seed in range(times)])


@pytest.mark.parametrize("coldness", [0.5, 1.0, 3.0])
def test_the_first_draw_has_the_score_s_power_as_its_weight(coldness: float):
    counts = np.bincount(draws(view_of(GAPS), 1, 3000, coldness=coldness)[:, 0], minlength=5)
    expected = WEIGHTS**coldness / (WEIGHTS**coldness).sum()
    assert stats.chisquare(counts, 3000 * expected).pvalue > 1e-3


def test_later_draws_are_without_replacement():
    picks = draws(view_of(GAPS), 2, 4000)
    counts = np.bincount(picks[:, 0] * 5 + picks[:, 1], minlength=25).reshape(5, 5)
    expected = WEIGHTS[:, None] / WEIGHTS.sum() * WEIGHTS / (WEIGHTS.sum() - WEIGHTS[:, None])
    apart = ~np.eye(5, dtype=bool)
    assert stats.chisquare(counts[apart], 4000 * expected[apart]).pvalue > 1e-3


@pytest.mark.parametrize("base", ["margin", "entropy", "confidence"])
def test_the_colder_the_closer_to_the_base_s_own_choice(base: str):
    view = make_pool(300).view()
    best = strategies.create(base).select(view, 30, np.random.default_rng(0))
    power = strategies.create("power", strategy=base, coldness=1e9).select(view, 30, np.random.default_rng(0))
    np.testing.assert_array_equal(best, power)


def test_power_margin_has_the_law_of_power_with_its_default_base():
    one, other = (np.bincount(draws(view_of(GAPS), 1, 2000, name)[:, 0], minlength=5) for name in POWERS)
    assert stats.chi2_contingency([one, other]).pvalue > 1e-3


POWERS = ("power", "power_margin")


@pytest.mark.parametrize("name", POWERS)
def test_rows_without_a_score_come_last_in_random_order(name: str):
    gaps = np.concatenate([np.ones(50), np.full(10, 0.9)])
    picks = draws(view_of(gaps), 20, 50, name)
    assert (picks[:, :10] >= 50).all()
    assert stats.chisquare(np.bincount(picks[:, 10:].ravel(), minlength=50)).pvalue > 1e-3


def test_power_takes_bald_as_its_base():
    view = make_pool(300).view()
    best = strategies.create("bald").select(view, 300 - 20, np.random.default_rng(0))
    power = strategies.create("power", strategy="bald", coldness=5).select(view, 30, np.random.default_rng(0))
    assert np.isin(power, best[:150]).mean() > 0.8


@pytest.mark.parametrize("base", [Part.of("power", strategy="margin", coldness=2.0), Part.of("power_margin")], ids=str)
def test_a_base_that_draws_at_random_itself_is_refused(base: Part):
    with pytest.raises(ValueError, match=f"strategy: '{base.name}' draws at random already"):
        strategies.create("power", strategy=base)


@pytest.mark.parametrize("base", ["partition", "subsample"])
def test_a_base_that_scores_no_rows_is_refused(base: str):
    with pytest.raises(ValueError, match=f"strategy: '{base}' gives rows no score; .*margin"):
        strategies.create("power", strategy=base)


@pytest.mark.parametrize(("name", "coldness"), [("power", 0), ("power_margin", -1), ("power", float("inf"))])
def test_a_coldness_that_is_not_positive_and_finite_is_refused(name: str, coldness: float):
    with pytest.raises(ValueError, match=rf"(?s)coldness.*{coldness}"):
        strategies.create(name, coldness=coldness)


DIVERGED = """
import numpy as np
from labelbench_ray.strategies import RowStrategy

class Diverged(RowStrategy):
    def score(self, block):
        return np.where(block.ids_B == 7, np.nan, 1.0)
"""


def test_a_base_s_nan_is_refused_by_row(tmp_path, monkeypatch):
    path = write_module(tmp_path, "diverged_base", DIVERGED, monkeypatch)
    with pytest.raises(ValueError, match=r"Diverged\.score returned nan for row 7"):
        strategies.create("power", strategy=path).select(make_pool(30, labeled=0).view(), 3, np.random.default_rng(0))


NEGATIVE = """
import numpy as np
from labelbench_ray.strategies import RowStrategy

class Logarithm(RowStrategy):
    def score(self, block):
        return np.log(block.probabilities_BK.max(axis=1) + 0.5 * (block.ids_B != 7))
"""


def test_a_base_s_negative_score_is_refused_by_row(tmp_path, monkeypatch):
    path = write_module(tmp_path, "negative_base", NEGATIVE, monkeypatch)
    view = view_of(np.full(30, 0.5))
    with pytest.raises(
        ValueError, match=r"Logarithm\.score returned -0\.28.* for row 7; power sampling takes scores of at least 0"
    ):
        strategies.create("power", strategy=path).select(view, 3, np.random.default_rng(0))


def test_scores_that_vanish_are_not_negative_by_rounding():
    rng = np.random.default_rng(0)
    certain = rng.normal(size=(2_000, 50)).astype(np.float32) * 10.0 ** rng.uniform(0, 3, (2_000, 1)).astype(np.float32)
    for base in ("entropy", "confidence", "margin", "bald"):
        view = PoolView.from_linear(certain, np.eye(50), np.zeros(50), [], [])
        assert len(strategies.create("power", strategy=base).select(view, 5, np.random.default_rng(0))) == 5
