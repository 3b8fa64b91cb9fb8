"""Prior shift: accuracies under other class shares are weighted accuracies of the same rows."""

import re
from pathlib import Path

import numpy as np
import pytest

from labelbench_ray import datasets, plugins
from labelbench_ray.config import Part, vary
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.errors import ConfigError
from labelbench_ray.ledger.trials import Ledger, read_header
from labelbench_ray.proxies import Classifier
from labelbench_ray.trial import parts
from labelbench_ray.trial.prior_shift import DRAWS, class_shares, prior_shift_metrics, shifted_accuracies, split_of
from tests.full_trials import DIGITS, make_home, make_store

ALPHAS = (10.0, 1.0, 0.1)
SHIFTED = vary(DIGITS, dataset=Part.of("digits", max_rows=300, prior_alphas=ALPHAS))


@pytest.mark.parametrize("alpha", ALPHAS)
def test_it_equals_the_accuracy_of_rows_weighted_for_the_shares(alpha: float):
    rng = np.random.default_rng(7)
    labels_N, predicted_N = (
        rng.choice([0, 1, 2, 3, 5], 10_000, p=[0.5, 0.3, 0.1, 0.06, 0.04]),
        rng.integers(0, 6, 10_000),
    )
    support_K = np.bincount(labels_N, minlength=6)
    correct_K = np.bincount(labels_N[labels_N == predicted_N], minlength=6)
    accuracy_R, rows_R = shifted_accuracies(support_K, correct_K, alpha)
    present = np.flatnonzero(support_K)
    for draw in range(DRAWS):
        share_of_class = dict(zip(present.tolist(), class_shares(alpha, draw, len(present)).tolist(), strict=True))
        weight_N = np.array([share_of_class[label] / support_K[label] for label in labels_N.tolist()])
        assert abs(weight_N.sum() - 1) < 1e-12
        assert abs(accuracy_R[draw] - weight_N[labels_N == predicted_N].sum()) < 1e-12
        assert rows_R[draw] == pytest.approx(weight_N.sum() ** 2 / (weight_N**2).sum(), rel=1e-9)


def test_shares_are_those_of_a_dirichlet_distribution_and_never_change():
    for alpha in ALPHAS:
        shares_RC = np.stack([class_shares(alpha, draw, 5) for draw in range(2000)])
        np.testing.assert_allclose(shares_RC.sum(axis=1), 1)
        variance = 0.2 * 0.8 / (5 * alpha + 1)
        assert np.abs(shares_RC.mean(axis=0) - 0.2).max() < 4 * np.sqrt(variance / 2000)
        assert shares_RC.var(axis=0) == pytest.approx(variance, rel=0.2)
    np.testing.assert_array_equal(class_shares(1.0, 3, 4), class_shares(1.0, 3, 4))
    assert not np.array_equal(class_shares(1.0, 3, 4), class_shares(1.0, 4, 4))


def test_a_class_without_test_rows_gets_no_share():
    metrics, _ = prior_shift_metrics(np.array([50, 0, 50]), np.array([50, 0, 50]), [0.1])
    assert metrics["Test Prior 0.1 Accuracy"] == pytest.approx(1)


def test_equal_recalls_are_the_accuracy_under_all_shares():
    support_K = np.array([100, 40, 20])
    metrics, draws = prior_shift_metrics(support_K, support_K // 4 * 3, ALPHAS)
    for alpha in ALPHAS:
        assert metrics[f"Test Prior {alpha:g} Accuracy"] == pytest.approx(0.75)
        assert metrics[f"Test Prior {alpha:g} Group Gap"] == pytest.approx(0)
        assert len(draws[split_of(alpha)]) == DRAWS


@pytest.mark.parametrize("alpha", ALPHAS)
def test_the_mean_is_that_of_each_draw_in_all_its_rotations(alpha: float):
    """And therefore balanced accuracy, without the error of 20 draws."""
    support_K = np.array([40, 0, 90, 20, 300])
    correct_K = np.array([10, 0, 80, 19, 100])
    recall_C = correct_K[support_K > 0] / support_K[support_K > 0]
    rotated = [np.roll(class_shares(alpha, draw, 4), by) @ recall_C for draw in range(DRAWS) for by in range(4)]
    metrics, _ = prior_shift_metrics(support_K, correct_K, [alpha])
    assert metrics[f"Test Prior {alpha:g} Accuracy"] == pytest.approx(np.mean(rotated), abs=1e-12)
    assert metrics[f"Test Prior {alpha:g} Accuracy"] == pytest.approx(recall_C.mean(), abs=1e-12)


def test_a_stronger_shift_leaves_fewer_effective_rows_and_a_worse_worst_draw():
    rng = np.random.default_rng(0)
    support_K = np.full(10, 500)
    metrics, _ = prior_shift_metrics(support_K, rng.integers(200, 500, 10), ALPHAS)
    rows = [metrics[f"Test Prior {alpha:g} Effective Rows"] for alpha in ALPHAS]
    worst = [metrics[f"Test Prior {alpha:g} Worst Group Accuracy"] for alpha in ALPHAS]
    assert 5000 >= rows[0] > rows[1] > rows[2] >= 500
    assert worst[0] > worst[1] > worst[2]


def test_a_trial_records_them_from_the_recalls_of_its_test_rows_and_reads_the_same_store(tmp_path: Path):
    make_store(DIGITS, tmp_path / "store", tmp_path)
    home = make_home(tmp_path, tmp_path / "store")
    plain, shifted = home.run(DIGITS), home.run(SHIFTED)
    assert parts.build(DIGITS).embedding == parts.build(SHIFTED).embedding
    job = home.job(SHIFTED)
    test = EmbeddingStore.open(home.environment.store / parts.build(SHIFTED).embedding).arrays().test
    with Ledger.open(job.directory, read_header(job.directory / "trial.json")) as ledger:
        for before, record in zip(plain, shifted, strict=True):
            assert before.chosen == record.chosen
            assert before.metrics == {name: record.metrics[name] for name in before.metrics}
            assert not before.groups
            predicted_N = Classifier.of_tensors(ledger.proxy(record)).probabilities(test.embeddings_ND).argmax(axis=1)
            present = np.unique(test.labels_N)
            recall_C = [(predicted_N[test.labels_N == label] == label).mean() for label in present]
            for alpha in ALPHAS:
                wanted = [float(class_shares(alpha, draw, len(present)) @ recall_C) for draw in range(DRAWS)]
                assert [*record.groups[split_of(alpha)].values()] == pytest.approx(wanted, abs=1e-12)
                assert record.metrics[f"Test Prior {alpha:g} Accuracy"] == pytest.approx(np.mean(recall_C), abs=1e-12)
                worst = record.metrics[f"Test Prior {alpha:g} Worst Group Accuracy"]
                assert worst == pytest.approx(min(wanted), abs=1e-12)


def test_it_is_part_of_the_trial_s_identity_and_not_of_its_store_s():
    trials = [vary(DIGITS, dataset=Part.of("digits", max_rows=300, prior_alphas=each)) for each in ((), (1,), (1, 10))]
    built = [parts.build(trial) for trial in trials]
    assert len({each.fingerprint for each in built}) == 3
    assert built[0].fingerprint == parts.build(DIGITS).fingerprint
    assert len({each.embedding for each in built}) == 1
    assert {str(each.store_recipe.dataset) for each in built} == {str(built[0].dataset)}


@pytest.mark.parametrize("alpha", [1e-4, 0.123456789, 999_999, 999_999.4])
def test_alphas_are_named_with_digits_and_a_point_alone(alpha: float):
    plugins.build(datasets.Dataset, datasets.PACKAGE, Part.of("digits", prior_alphas=[alpha]))
    assert re.fullmatch(r"test_prior_[0-9.]+", split_of(alpha))


@pytest.mark.parametrize(
    ("dataset", "states"),
    [
        (Part.of("digits", prior_alphas=[0]), "prior_alphas.*greater than or equal to 0.0001"),
        (Part.of("digits", prior_alphas=[1e6]), "prior_alphas.*less than 999999.5"),
        (Part.of("digits", prior_alphas=[0.1, 0.10000001]), "names one twice, to the six digits"),
        (Part.of("digits", prior_alphas=[1, 1]), "names one twice"),
        (Part.of("cifar10_pairs", prior_alphas=[1]), "where rows have one label, not 'multi_label'; leave it out"),
        (
            Part.of("corrupted", dataset=Part.of("digits", prior_alphas=[1])),
            r"give \[1.0\] to the outer one",
        ),
    ],
)
def test_what_cannot_be_shifted_is_refused(dataset: Part, states: str):
    with pytest.raises(ConfigError, match=states):
        plugins.build(datasets.Dataset, datasets.PACKAGE, dataset)
