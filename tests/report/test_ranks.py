"""Statistics over settings, against scikit-posthocs, autorank, baycomp, scipy and the published curves."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from labelbench_ray.report.statistics.mean_saving import PairedCurves, chosen_saving, mean_saving
from labelbench_ray.report.statistics.paired import estimate
from labelbench_ray.report.statistics.ranks import Ranks, critical_difference, ranks, wilcoxon
from labelbench_ray.report.statistics.savings import saving
from labelbench_ray.report.statistics.signed_rank import signed_rank
from labelbench_ray.report.statistics.wins import doubled_checkpoints, penalties, wins

NAMES = ("a", "b", "c", "d", "e", "f", "g", "h")


def tables(count: int) -> list[np.ndarray]:
    """Tables of scores by setting and strategy, without ties."""
    rng = np.random.default_rng(18)
    shapes = rng.integers((6, 3), (25, 7), (count, 2))
    return [rng.normal(0.8, 0.05, shape) + rng.normal(0, 0.02, shape[1]) for shape in shapes]


def given_order(found: Ranks) -> list[int]:
    """The places in the ranking of the strategies as they were given."""
    return [found.strategies.index(name) for name in NAMES[: len(found.strategies)]]


def test_50_tables_agree_with_scikit_posthocs_and_autorank() -> None:
    posthocs = pytest.importorskip("scikit_posthocs")
    for scores_DM in tables(50):
        count = scores_DM.shape[1]
        found = ranks(NAMES[:count], scores_DM)
        places = given_order(found)
        frame = _frame(scores_DM.T.ravel(), np.repeat(np.arange(count), len(scores_DM)))
        theirs = posthocs.posthoc_wilcoxon(frame, val_col="score", group_col="strategy", p_adjust="holm")
        np.testing.assert_allclose(found.adjusted_MM[np.ix_(places, places)], theirs.to_numpy(), atol=1e-6)
        friedman_p = stats.friedmanchisquare(*scores_DM.T).pvalue
        assert found.p_value == pytest.approx(friedman_p, abs=1e-12)
        # autorank interpolates the studentized range; scipy integrates it.
        assert found.critical_difference == pytest.approx(_autorank(count, len(scores_DM)), rel=5e-5)
        expected_M = stats.rankdata(-scores_DM, axis=1).mean(axis=0)
        np.testing.assert_allclose(found.average_M[places], expected_M, atol=1e-12)


@pytest.mark.parametrize("decimals", [1, 2, 9])
def test_small_tables_are_tested_exactly_as_scipy_does(decimals: int) -> None:
    rng = np.random.default_rng(5)
    for _ in range(3):
        differences_D = np.round(rng.normal(0.02, 0.1, 7), decimals)
        assert wilcoxon(differences_D) == pytest.approx(stats.wilcoxon(differences_D).pvalue, abs=1e-12)


def test_large_tables_with_ties_are_tested_by_the_normal_distribution() -> None:
    differences_D = np.round(np.random.default_rng(6).normal(0.02, 0.1, 40), 2)
    expected = stats.wilcoxon(differences_D, method="approx").pvalue
    assert wilcoxon(differences_D) == pytest.approx(expected, abs=1e-12)


def _autorank(strategies: int, settings: int) -> float:
    return float(pytest.importorskip("autorank._util")._critical_distance(0.05, strategies, settings))


def _frame(scores: np.ndarray, strategies: np.ndarray) -> object:
    pandas = pytest.importorskip("pandas")
    return pandas.DataFrame({"score": scores, "strategy": strategies})


def test_friedman_by_its_formula_without_ties() -> None:
    scores_DM = np.random.default_rng(3).normal(size=(12, 5))
    found = ranks(NAMES[:5], scores_DM)
    rank_M = stats.rankdata(-scores_DM, axis=1).mean(axis=0)
    chi_squared = 12 * 12 / (5 * 6) * (np.square(rank_M).sum() - 5 * 36 / 4)
    assert found.chi_squared == pytest.approx(chi_squared, rel=1e-12)
    assert found.p_value == pytest.approx(stats.chi2.sf(chi_squared, 4), rel=1e-12)


@pytest.mark.parametrize(
    ("strategies", "quantile"),
    [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (6, 2.850), (7, 2.949), (8, 3.031), (9, 3.102), (10, 3.164)],
)
def test_the_critical_difference_has_the_published_quantiles(strategies: int, quantile: float) -> None:
    difference = critical_difference(strategies, 17)
    assert difference == pytest.approx(quantile * np.sqrt(strategies * (strategies + 1) / (6 * 17)), rel=4e-4)


def test_cliques_are_the_maximal_runs_without_a_difference() -> None:
    for scores_DM in tables(20):
        found = ranks(NAMES[: scores_DM.shape[1]], scores_DM)
        count = len(found.strategies)
        runs = {
            (first, last)
            for first, last in combinations(range(count), 2)
            if all(found.adjusted_MM[pair] >= 0.05 for pair in combinations(range(first, last + 1), 2))
        }
        maximal = {run for run in runs if not any(o != run and o[0] <= run[0] and run[1] <= o[1] for o in runs)}
        assert set(found.cliques) == maximal


@given(st.permutations(range(5)), st.integers(0, 100))
def test_ranks_do_not_depend_on_the_order_of_strategies(order: list[int], seed: int) -> None:
    scores_DM = np.random.default_rng(seed).normal(size=(7, 5))
    first = ranks(NAMES[:5], scores_DM)
    second = ranks(tuple(NAMES[place] for place in order), scores_DM[:, order])
    assert first.strategies == second.strategies
    np.testing.assert_array_equal(first.average_M, second.average_M)
    np.testing.assert_allclose(first.adjusted_MM, second.adjusted_MM, atol=1e-12)


def test_settings_that_are_all_one_tie_have_no_difference() -> None:
    found = ranks(NAMES[:3], np.full((6, 3), 0.5))
    assert (found.chi_squared, found.p_value, found.cliques) == (0.0, 1.0, ((0, 2),))
    assert (found.average_M == 2).all()


@pytest.mark.parametrize("shape", [(1, 3), (5, 2)])
def test_too_few_settings_or_strategies_are_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="at least 2 settings and 3 strategies"):
        ranks(NAMES[: shape[1]], np.zeros(shape))


def test_the_bayesian_test_agrees_with_baycomp() -> None:
    baycomp = pytest.importorskip("baycomp")
    for scores_DM in tables(6):
        for equivalent in (0.0, 0.01):
            ours = signed_rank(scores_DM[:, 0] - scores_DM[:, 1], equivalent)
            sample = baycomp.multiple.SignedRankTest.sample(
                scores_DM[:, 1], scores_DM[:, 0], equivalent, nsamples=4000, random_state=0
            )
            shares = np.bincount(sample.argmax(axis=1), minlength=3) / len(sample)
            np.testing.assert_allclose([ours.worse, ours.equal, ours.better], shares, atol=0.04)


@given(st.lists(st.floats(-0.2, 0.2), min_size=1, max_size=20), st.sampled_from([0.0, 0.001, 0.05]))
def test_the_bayesian_test_is_symmetric(differences: list[float], equivalent: float) -> None:
    first = signed_rank(np.array(differences), equivalent)
    second = signed_rank(-np.array(differences), equivalent)
    assert first.better + first.equal + first.worse == pytest.approx(1)
    assert first.better == pytest.approx(second.worse, abs=1e-9)
    assert first.equal == pytest.approx(second.equal, abs=1e-9)


def test_wins_ties_and_losses_add_up_to_the_settings() -> None:
    scores_DM = np.array([[0.5, 0.6, 0.6005], [0.7, 0.6, 0.5], [0.5, 0.5, 0.5]])
    found = wins(scores_DM)
    assert found.wins_MM.tolist() == [[0, 1, 1], [1, 0, 1], [1, 0, 0]]
    assert found.ties_MM.tolist() == [[0, 1, 1], [1, 0, 2], [1, 2, 0]]
    total_MM = found.wins_MM + found.ties_MM + found.losses_MM
    assert (total_MM + 3 * np.eye(3, dtype=np.int64) == 3).all()


def test_checkpoints_double_until_random_saturates() -> None:
    labels_T = np.arange(100.0, 2100, 100)
    rising_T = np.linspace(0.5, 1, 20)
    assert doubled_checkpoints(labels_T, rising_T) == [0, 1, 2, 4, 8, 16]
    flat_T = np.minimum(0.5 + 0.1 * np.arange(20), 0.8)
    assert doubled_checkpoints(labels_T, flat_T) == [0, 1, 2]
    assert doubled_checkpoints(np.array([10.0]), np.array([0.5])) == [0]


def test_penalties_are_the_share_of_checkpoints_that_a_paired_test_decides() -> None:
    labels_T, rng = np.arange(1.0, 9), np.random.default_rng(0)
    random_ST = np.linspace(0.3, 0.9, 8) + rng.normal(0, 0.01, (5, 8))
    margin_ST = random_ST + np.where(np.arange(8) >= 2, 0.05, 0) + rng.normal(0, 0.001, (5, 8))
    values_MST = np.stack([margin_ST, random_ST])
    places = doubled_checkpoints(labels_T, random_ST.mean(axis=0))
    expected = np.mean([stats.ttest_rel(margin_ST[:, p], random_ST[:, p]).pvalue < 0.05 for p in places])
    found_MM = penalties(labels_T, values_MST, 1)
    assert found_MM[0, 1] + found_MM[1, 0] == pytest.approx(expected)
    assert 0 < found_MM[0, 1] < 1
    assert (penalties(labels_T, values_MST[:, :2], 1) == 0).all()  # two seeds decide nothing


def curves(rng: np.random.Generator, saved: float, seeds: int = 5) -> PairedCurves:
    """A strategy that needs `1 - saved` of random's labels, with noise that its seeds share with random."""
    labels_T = np.arange(100.0, 1100, 100)
    shared_S1 = rng.normal(0, 0.01, (seeds, 1))
    random_ST = 0.9 - 0.5 * (labels_T / 100) ** -0.7 + shared_S1
    strategy_ST = 0.9 - 0.5 * (labels_T / 100 / (1 - saved)) ** -0.7 + shared_S1
    noise = rng.normal(0, 0.002, (2, seeds, len(labels_T)))
    return PairedCurves(labels_T, strategy_ST + noise[0], random_ST + noise[1])


def test_the_mean_saving_is_the_mean_of_the_settings_savings() -> None:
    rng = np.random.default_rng(1)
    settings = [curves(rng, saved) for saved in (0.1, 0.2, 0.3, 0.4, 0.5)]
    found = mean_saving(settings)
    expected = np.mean([saving(each.labels_T, each.strategy_ST, each.random_ST).fraction for each in settings])
    assert found.fraction == pytest.approx(expected, abs=1e-9)
    assert found.low < found.fraction < found.high
    fractions = [mean_saving([each]).fraction for each in settings]
    reach = stats.t.isf(0.025 / 28, df=4) * np.std(fractions, ddof=1) / 5**0.5
    of_28 = mean_saving(settings, 28)
    assert (of_28.low, of_28.high) == pytest.approx((found.fraction - reach, min(1, found.fraction + reach)))
    assert mean_saving(settings[:2]).low == -np.inf


def test_the_interval_of_the_mean_saving_covers_the_mean_of_the_population() -> None:
    rng, held = np.random.default_rng(2), 0
    for _ in range(300):
        settings = [curves(rng, rng.uniform(0.1, 0.5)) for _ in range(5)]
        found = mean_saving(settings)
        held += found.low <= 0.3 <= found.high
    assert held >= 276  # 92 %; a bootstrap of settings and seeds holds 88 %


def test_the_best_of_equal_strategies_flatters_and_that_of_the_other_settings_does_not() -> None:
    """29 equal strategies over 5 settings; only what each saves in a setting is random."""
    rng, shown, others, held = np.random.default_rng(3), [], [], 0
    names, draws = [f"s{place}" for place in range(29)], 1_000
    for _ in range(draws):
        saved_DM = rng.normal(0.25, 0.08, (5, 29))
        ranks_DM = stats.rankdata(-saved_DM, axis=1)
        savings = [{name: (saved, True) for name, saved in zip(names, saved_M, strict=True)} for saved_M in saved_DM]
        found = chosen_saving(names, ranks_DM, savings)
        assert found is not None
        others.append(found.fraction)
        best = estimate(saved_DM[:, ranks_DM.sum(axis=0).argmin()], 29)
        shown.append(best.value)
        held += best.low <= 0.25 <= best.high
    assert abs(np.mean(others) - 0.25) < 3.5 * np.std(others) / draws**0.5
    assert np.mean(shown) > 0.30
    assert held / draws > 0.95


def test_no_setting_has_a_part_in_its_own_choice() -> None:
    ranks_DM = np.array([[1.0, 2, 3], [1, 2, 3], [3, 2, 1], [3, 1, 2]])
    savings = [dict.fromkeys("abc", (number / 10, number != 2)) for number in range(4)]
    found = chosen_saving("abc", ranks_DM, savings)
    assert found is not None
    assert (found.chosen, found.fraction, found.unreached) == (("b", "b", "a", "a"), pytest.approx(0.15), 1)
    assert chosen_saving("abc", ranks_DM[:2], savings[:2]) is None
    assert chosen_saving("abc", ranks_DM, [{}, *savings[1:]]) is None


def test_a_strategy_that_does_not_get_there_counts_with_all_its_labels() -> None:
    labels_T = np.array([100.0, 200, 300])
    worse = PairedCurves(labels_T, np.array([[0.1, 0.2, 0.3]]), np.array([[0.1, 0.5, 0.4]]))
    found = mean_saving([worse])
    assert (found.fraction, found.unreached) == (1 - 300 / 200, 1)
    with pytest.raises(ValueError, match="at least one"):
        mean_saving([])


@pytest.mark.parametrize("count", [3, 4, 7, 8])
def test_settings_needed_are_the_fewest_with_which_a_pair_can_differ(count: int) -> None:
    def smallest(settings: int) -> float:
        clear_DM = np.arange(count) + np.random.default_rng(0).uniform(0, 0.1, (settings, count))
        return float(ranks(NAMES[:count], clear_DM).adjusted_MM.min())

    needed = ranks(NAMES[:count], np.random.default_rng(0).normal(size=(5, count))).settings_needed
    assert smallest(needed) < 0.05 <= smallest(needed - 1)
